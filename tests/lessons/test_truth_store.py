"""State truth: what the storage holds, what it refuses, and what an engine does without it."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.enums import Outcome
from contracts.signal import Signal
from contracts.values import to_millis
from tests.lessons.lesson import begin, school
from tests.process.store import check_store
from tests.support.process import NO_NATS, engine_process, signal_document, tradeengine
from tests.support.rig import Rig
from tradeengine.cli.base import EXIT_CONFIG
from tradeengine.domain.events import SignalDecided
from tradeengine.domain.inputs import Context, SignalReceived
from tradeengine.journal.record import Entry, Record, decode, encode
from tradeengine.runtime.files import journal_file
from tradeengine.runtime.translate import to_input

pytestmark = pytest.mark.process

EARLIER = Path(__file__).with_name("data") / "journal_before_exchanges.sql"

_SINCE, _UNTIL = datetime(2000, 1, 2), datetime(2099, 12, 31)  # noqa: DTZ001 - hypothesis wants them without a zone
_names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=12)
_scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.decimals(allow_nan=False, allow_infinity=False)
_documents = st.recursive(_scalars | _names, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner))


@pytest.mark.parametrize("name", ["journal.sqlite", "readmodel.sqlite"])
def test_i107_a_store_that_is_none_is_noticed_at_the_start(tmp_path: Path, name: str) -> None:
    """A store that is another file, or another program's database, ends the start, which names it."""
    for number, content in enumerate((b"no database at all" * 100, _foreign(tmp_path / "foreign.sqlite"))):
        data = tmp_path / f"data-{number}"
        data.mkdir()
        (data / name).write_bytes(content)
        refused = tradeengine("run", "--data-dir", data, "--port", "0", env={"NATS_EMBEDDED": "off"})
        assert refused.returncode == EXIT_CONFIG, refused.stdout + refused.stderr
        assert str(data / name) in refused.stderr


async def test_i97_writes_that_fail_are_seen_told_and_made_up_for(tmp_path: Path) -> None:
    """The store takes nothing while a stop fills: readiness and an alert say so, and afterwards nothing is missing."""
    async with school(tmp_path, ["I97USDT"]) as made:
        lesson = await begin(made, "I97USDT")
        await lesson.opened()
        _no_more_room(made)
        await lesson.mark("97")
        assert await lesson.held() == 0
        await made.engine.until_not_ready("journal.sqlite")
        await made.until(lambda: _told(made, "engine_trouble"), "an alert")
        journal = (await made.engine.request("GET", "/health")).json()["components"]["journal"]
        assert journal["status"] == "unhealthy"
        assert journal["waiting_records"] > 0
        await made.until(lambda: made.engine.metric("tradeengine_journal_waiting_records"), "the gauge")
        assert await lesson.booked() == 1

        made.engine.limit_files()
        await made.engine.until_ready()
        await lesson.until_booked(0)
        await lesson.until_stops(0)
        (row,) = await made.engine.rows("/strategy-positions")
        assert (row["status"], row["close_reason"]) == ("closed", "stop_loss")
        trades = await made.exchange.signed("GET", "/fapi/v1/userTrades", symbol=lesson.symbol)
        assert {fill["trade_id"] for fill in await lesson.fills()} == {str(trade["id"]) for trade in trades}
        await made.engine.stop()
        await check_store(made.engine.data, tmp_path, "binance-testnet")


async def test_i103_a_write_that_is_refused_is_never_told_as_done(tmp_path: Path) -> None:
    """While the store takes nothing, no signal is answered as accepted and no order leaves."""
    async with school(tmp_path, ["I103USDT"]) as made:
        lesson = await begin(made, "I103USDT")
        _no_more_room(made)
        answer = await made.engine.send(lesson.document("buy", "A", quantity="1", signal_id="once"))
        assert answer.status_code == 503, answer.text
        assert await lesson.changes() == []
        assert await made.engine.rows("/decisions") == []
        made.engine.limit_files()
        await lesson.until_held(1)
        await lesson.until_stops(2)
        assert (await made.engine.send(lesson.document("buy", "A", quantity="1", signal_id="once"))).json()[
            "outcome"
        ] in (
            "accepted",
            "duplicate",
        )
        assert await lesson.held() == 1


async def test_i106_an_exchange_that_cannot_be_read_is_unknown_and_never_flat(tmp_path: Path) -> None:
    """At the start the exchange does not say what it holds: that is unknown, nothing is given up, closes wait."""
    async with school(tmp_path, ["I106USDT"]) as made:
        lesson = await begin(made, "I106USDT")
        await lesson.opened()
        await made.engine.until_projected()
        resting = await lesson.stops()
        made.engine.kill()
        await made.exchange.fault({"html_503": True}, None, path="/fapi/v3/positionRisk")
        made.engine.spawn()
        await made.engine.until_not_ready("unknown")

        (row,) = await made.engine.protection()
        assert row["cover"] == "unknown"
        (held,) = await made.engine.rows("/strategy-positions", status="open")
        assert (held["strategy_id"], held["current_quantity"]) == ("A", "1")
        for action in ("close", "buy"):
            answer = await made.engine.send(lesson.document(action, "A", quantity="1"))
            assert answer.status_code == 503, answer.text

        await made.exchange.heal()
        await made.engine.until_ready()
        await lesson.until_protected("A")
        assert [row["path"] for row in await lesson.changes()].count("/fapi/v1/order") == 1
        assert await lesson.stops() == resting
        await lesson.accepted("close")
        await lesson.until_held(0)


async def test_i109_an_empty_store_adopts_what_the_exchange_holds(tmp_path: Path) -> None:
    """The books are empty and the exchange holds a position: it is adopted under ``external``, not opened again."""
    held = [{"symbol": "I109USDT", "positionSide": "LONG", "qty": "2", "entryPrice": "99"}]
    async with school(tmp_path, ["I109USDT"], setup={"positions": held}) as made:
        lesson = await begin(made, "I109USDT")
        await lesson.until_booked(2)
        (row,) = await made.engine.rows("/strategy-positions", status="open")
        assert (row["strategy_id"], row["current_quantity"], row["entry_price"]) == ("external", "2", "99")
        await lesson.looks(2)
        assert not [row for row in await lesson.changes() if row["path"] == "/fapi/v1/order"]

        await lesson.accepted(quantity="1")
        await lesson.until_booked(3)
        rows = await made.engine.rows("/strategy-positions", status="open")
        assert {row["strategy_id"]: row["current_quantity"] for row in rows} == {"external": "2", "A": "1"}
        assert await lesson.held() == 3


async def test_i108_a_journal_of_an_earlier_version_loads(tmp_path: Path) -> None:
    """A journal that an earlier version wrote, with its snapshot and without, gives the positions it was left with."""
    for snapshot in (True, False):
        data = tmp_path / f"data-{snapshot}"
        data.mkdir()
        with closing(sqlite3.connect(journal_file(data))) as connection, connection:
            connection.executescript(EARLIER.read_text(encoding="utf-8"))
            if not snapshot:
                connection.execute("DELETE FROM snapshots")
        settings = {"SHARDS": "1", "ALLOWED_SYMBOLS": "BTCUSDT", "STOP_LOSS_PCT": "0.02"}
        async with engine_process(data, nats_url=NO_NATS, settings=settings) as engine:
            await engine.start()
            rows = {row["strategy_id"]: row for row in await engine.rows("/strategy-positions")}
            assert {name: (row["side"], row["status"], row["current_quantity"]) for name, row in rows.items()} == {
                "A": ("LONG", "open", "0.01"),
                "B": ("SHORT", "closed", "0"),
            }
            (resting,) = await engine.rows("/orders", strategy_id="C")
            assert (resting["status"], resting["price"]) == ("open", "49000")
            await engine.post_prices({"BTCUSDT": Decimal(50_000)})
            await engine.accept(signal_document("close", "A"))
            await engine.until_rows("/strategy-positions", lambda found: not found, status="open")
            await engine.stop()


@given(carried=st.dictionaries(_names, _documents, max_size=3), moment=st.datetimes(_SINCE, _UNTIL))
def test_i105_every_document_round_trips(carried: dict[str, Any], moment: datetime) -> None:
    """Whatever a signal carries, times and decimals of any size included, comes out of the journal as it went in."""
    document = signal_document("hold", timestamp=moment.replace(tzinfo=UTC).isoformat(), metadata=carried)
    signal = Signal.from_json(msgspec.json.encode(document))
    received = to_input(signal, to_millis(signal.timestamp), Context())
    decided = SignalDecided(
        time_ms=received.time_ms,
        strategy_id=received.strategy_id,
        signal_id=received.signal_id,
        symbol=received.symbol,
        action=received.action,
        outcome=Outcome.HELD,
    )
    written = encode(Record(0, 1, (Entry(received, (decided,)),)))
    read = decode(written)
    assert encode(read) == written
    (entry,) = read.entries
    assert isinstance(entry.input, SignalReceived)
    assert entry.input.timestamp_ms == received.timestamp_ms
    assert json.loads(msgspec.json.encode(entry.input.carried)) == json.loads(msgspec.json.encode(received.carried))
    assert entry.events == (decided,)


def _foreign(path: Path) -> bytes:
    """A database of another program."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE music (title TEXT)")
        connection.execute("INSERT INTO music VALUES ('Kind of Blue')")
    return path.read_bytes()


async def _told(made: Rig, name: str) -> float:
    """How often an alert was told."""
    return await made.engine.metric("tradeengine_alerts_total", name=name)


def _no_more_room(made: Rig) -> None:
    """Let the journal take nothing more."""
    made.engine.limit_files(max(file.stat().st_size for file in made.engine.data.glob("journal.sqlite*")))
