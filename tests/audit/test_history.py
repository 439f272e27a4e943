"""``tradeengine audit --history`` on real servers: what is lost or doubled anywhere is found, and nothing else is."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from contracts.subjects import EXECUTION_STREAM, SIGNALS_STREAM, signal_subject
from shared.mysql_address import MySqlAddress
from tests.outages.conftest import nats_server
from tests.outages.stores import Stores, ready_stores, schema_applied
from tests.outages.truth import until_no_lag
from tests.process.load import connected, publish, until_all_acknowledged
from tests.projection.mysql_place import mysql_rows
from tests.support.deadline import PATIENCE_S
from tests.support.nats import NatsServer
from tests.support.process import signal_document
from tests.support.protecting import ORDER, traded_by_hand
from tests.support.rig import Rig, rig, settings_for
from tradeengine.cli.app import app

__all__ = ["nats_server"]

pytestmark = pytest.mark.process


class Said(NamedTuple):
    """What the command said."""

    code: int
    document: dict[str, Any]

    @property
    def found(self) -> dict[str, int]:
        """How many there are of each kind that must not be."""
        return {one["kind"]: one["number"] for one in self.document["findings"]}

    def first(self, kind: str) -> str:
        """The first thing of a kind."""
        (one,) = [one for one in self.document["findings"] if one["kind"] == kind]
        assert one["remedy"]
        return str(one["first"][0])


class Site:
    """An engine that has stopped, and everything that it has told of its history."""

    def __init__(self, made: Rig, stores: Stores, nats: NatsServer) -> None:
        self.made = made
        self.stores = stores
        self.nats = nats
        self.env = settings_for(
            made.exchange,
            TRADEENGINE_DATA_DIR=str(made.engine.data),
            NATS_URL=nats.url,
            COLUMNS="250",
            **stores.settings(),
        )

    async def audit(self, *arguments: str, **env: str) -> Said:
        command = ["audit", "--history", "--settle", "0", "--format", "json", *arguments]
        done = await asyncio.to_thread(CliRunner().invoke, app, command, env=self.env | env)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return Said(done.exit_code, json.loads(done.stdout))

    async def shown(self) -> str:
        """What people are told."""
        command = ["audit", "--history", "--settle", "0"]
        done = await asyncio.to_thread(CliRunner().invoke, app, command, env=self.env)
        return done.stdout

    async def orders(self) -> list[dict[str, Any]]:
        """Orders that the exchange executed."""
        rows = await self.made.exchange.signed("GET", "/fapi/v1/allOrders", symbol="BTCUSDT")
        return [row for row in rows if float(row["executedQty"])]

    async def mysql(self, statement: str) -> None:
        assert self.stores.mysql is not None
        await mysql_rows(MySqlAddress.parse(self.stores.mysql), statement)


@asynccontextmanager
async def played(folder: Path, mongodb: str, mysql: str, nats: NatsServer) -> AsyncIterator[Site]:
    """Let an engine decide signals of every outcome, trade, publish, and stop."""
    stores = await ready_stores(mongodb)
    stores = stores._replace(mysql=mysql)
    await schema_applied(stores, "mysql")
    async with AsyncExitStack() as stack:
        made = await stack.enter_async_context(rig(folder, nats_url=nats.url, **stores.settings()))
        client = await stack.enter_async_context(connected(nats.url))
        documents = [
            signal_document("buy", "A", signal_id="bought", quantity="0.02"),
            signal_document("hold", "A", signal_id="held"),
            signal_document("buy", "B", signal_id="refused", quantity="0.01", confidence="0.9", symbol="NOSUCHUSDT"),
            signal_document("sell", "C", signal_id="sold", quantity="0.01"),
        ]
        await publish(client.jetstream(timeout=PATIENCE_S), *documents, documents[0])
        await until_all_acknowledged(client)
        await made.engine.until_protection(
            lambda rows: [row["cover"] for row in rows] == ["protected"] * 2, "both to be protected"
        )
        await made.engine.accept(signal_document("close", "A", signal_id="closed"))
        await made.engine.until_protection(
            lambda rows: [row["cover"] for row in rows] == ["protected"], "one is closed"
        )
        await until_no_lag(stores)
        await made.engine.stop()
        try:
            yield Site(made, stores, nats)
        finally:
            async with stores.client() as store:
                await store.database.client.drop_database(stores.database)


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_what_is_lost_or_doubled_is_found_wherever_it_is(
    tmp_path: Path, mongodb_uri: str, mysql_uri: str, nats_server: NatsServer
) -> None:
    async with played(tmp_path, mongodb_uri, mysql_uri, nats_server) as site:
        said = await site.audit()
        assert (said.code, said.document["verdict"], said.found) == (0, "equal", {}), said.document
        counts = said.document["counts"]
        assert (counts["decisions"], counts["signals with one terminal event"]) == (5, 5)
        assert (counts["signals in the streams"], counts["copies told as duplicates"]) == (4, 1)
        assert counts["orders executed"] == counts["fills booked"] == counts["trades of the exchange"] == 3
        assert said.document["unchecked"] == []

        async with connected(site.nats.url) as client:
            await _tampered_streams(site, client.jetstream(timeout=PATIENCE_S))
        await _tampered_account(site)
        await _tampered_copies(site)


async def _tampered_streams(site: Site, jetstream: Any) -> None:
    """Signals that nobody decided, an end that was told twice, and one that was not."""
    undecided = signal_document("buy", "A", signal_id="forgotten", quantity="0.01")
    await jetstream.publish(signal_subject("BTCUSDT"), json.dumps(undecided).encode())
    said = await site.audit()
    assert (said.code, said.found) == (1, {"undecided": 1})
    assert said.first("undecided").startswith("A BTCUSDT forgotten: message ")
    assert SIGNALS_STREAM in said.first("undecided")

    # Nobody decides what is no signal, or came to another symbol's subject.
    await jetstream.publish(signal_subject("BTCUSDT"), b"{}")
    strayed = signal_document("buy", "A", signal_id="strayed", symbol="ETHUSDT", quantity="0.1")
    await jetstream.publish(signal_subject("BTCUSDT"), json.dumps(strayed).encode())
    young = await site.audit("--settle", "3600")
    assert young.document["unchecked"] == ["2 messages of SIGNALS are no valid signals: see SIGNALS_DEAD"]
    assert (young.code, young.found) == (0, {})
    assert young.document["counts"]["signals in the streams, younger than is judged"] == 5

    ends = {}
    for number in range(1, (await jetstream.stream_info(EXECUTION_STREAM)).state.last_seq + 1):
        message = await jetstream.get_msg(EXECUTION_STREAM, number)
        event = json.loads(message.data)
        if event.get("terminal"):
            ends[event["signal_id"]] = number, message.subject, event
    number, subject, event = ends["held"]
    await jetstream.publish(subject, json.dumps(event | {"event_id": "another"}).encode())
    await jetstream.delete_msg(EXECUTION_STREAM, ends["sold"][0])
    said = await site.audit()
    assert said.found == {"undecided": 1, "end_not_told": 1, "end_told_twice": 1}
    assert said.first("end_not_told").startswith("C BTCUSDT sold: ended by record ")
    assert said.first("end_told_twice").startswith("A BTCUSDT held: ")
    assert event["event_id"] in said.first("end_told_twice")
    text = await site.shown()
    assert "A BTCUSDT forgotten" in text
    assert "tradeengine publish --from" in text


async def _tampered_account(site: Site) -> None:
    """Trades that no record tells of, one of them under the id of an order that was executed before."""
    before = (await site.audit()).found
    await traded_by_hand(site.made.exchange, "BUY", "0.01", "LONG")
    assert (await site.audit()).found == before | {"fill_lost": 1}

    (first, *_) = [row for row in await site.orders() if row["clientOrderId"].startswith("te-")]
    terms = {"symbol": "BTCUSDT", "side": "BUY", "positionSide": "LONG", "type": "MARKET", "quantity": "0.01"}
    own = {
        "executed again": first["clientOrderId"],
        "never planned": first["clientOrderId"].rpartition("-")[0] + "-zzo",
    }
    for client_id in own.values():
        answer = await site.made.exchange.signed("POST", ORDER, newClientOrderId=client_id, **terms)
        assert "orderId" in answer, answer
    said = await site.audit()
    assert said.found == before | {"fill_lost": 3, "executed_twice": 1, "executed_unplanned": 1}
    assert said.first("executed_twice").startswith(own["executed again"])
    assert said.first("executed_unplanned").startswith(own["never planned"])
    assert (await site.audit("--no-exchange")).found == before


async def _tampered_copies(site: Site) -> None:
    """Rows that somebody took out of one copy, and put into the other."""
    before = (await site.audit("--no-exchange")).found
    await site.mysql("DELETE FROM decisions WHERE signal_id = 'sold'")
    async with site.stores.client() as store:
        fill = await store.collection("fills").find_one({})
        assert fill is not None
        await store.collection("fills").insert_one(fill | {"_id": "added", "trade_id": "4711"})
    said = await site.audit("--no-exchange")
    assert said.found == before | {"copy_lacks": 1, "copy_has_more": 1}
    assert said.first("copy_lacks") == "mysql has no row in decisions for C BTCUSDT sold"
    assert said.first("copy_has_more") == "mongodb has a row in fills for BTCUSDT:4711"


async def _not_looked_at(site: Site) -> None:
    """Places that do not answer, and places that there are not."""
    away = await site.audit(NATS_URL="nats://127.0.0.1:9", MYSQL_URI="mysql://dev:dev@127.0.0.1:9/none")
    assert (away.code, away.document["verdict"]) == (3, "unknown")
    assert [text.partition(" could not be read")[0] for text in away.document["unchecked"]] == ["the broker", "mysql"]

    none = await site.audit("--no-exchange", NATS_URL="")
    assert (none.code, none.found) == (0, {})
    # What was not looked at has no figure, not even 0.
    assert none.document["counts"].keys().isdisjoint({"signals in the streams", "orders executed"})
    assert ["not asked" in text or "no broker" in text for text in none.document["unchecked"]] == [True, True]


async def _without_events(site: Site, jetstream: Any) -> None:
    """The stream of events is gone: then nothing is known of them, and everything else is still judged."""
    before = (await site.audit("--no-exchange")).found
    await jetstream.delete_stream(EXECUTION_STREAM)
    gone = await site.audit("--no-exchange")
    assert gone.found == {kind: number for kind, number in before.items() if not kind.startswith("end_")}
    assert any(f"no stream {EXECUTION_STREAM}" in text for text in gone.document["unchecked"])
