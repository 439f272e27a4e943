"""An audit holds the exchange's account against the books, and changes nothing at either."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from tests.support.protecting import cancel_by_hand, opened, traded_by_hand
from tests.support.rig import Rig, rig, settings_for
from tradeengine.cli.app import app
from tradeengine.runtime.files import journal_file, read_model_file

pytestmark = pytest.mark.process

SERVED = ("clock_ms", "limits")


class Audited(NamedTuple):
    """What the command said."""

    code: int
    document: dict[str, Any]

    @property
    def exchange(self) -> dict[str, Any]:
        found: dict[str, Any] = self.document["exchange"]
        return found


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[Rig]:
    """An engine that holds a position with its stop and target, and an exchange that has them."""
    async with rig(tmp_path) as one:
        await opened(one)
        await one.engine.until_protection(lambda rows: [row["cover"] for row in rows] == ["protected"], "its cover")
        await one.engine.until_projected()
        yield one


async def audited(made: Rig, *arguments: str, **settings: str) -> Audited:
    stores = {"TRADEENGINE_DATA_DIR": str(made.engine.data), "MONGODB_URI": "", "MYSQL_URI": ""}
    env = settings_for(made.exchange, **stores, **settings)
    done = await asyncio.to_thread(CliRunner().invoke, app, ["audit", "--format", "json", *arguments], env=env)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return Audited(done.exit_code, json.loads(done.stdout))


def dump(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


async def state_of(made: Rig) -> dict[str, Any]:
    """Everything that the exchange holds, but for what time it is there, and what was asked of it."""
    state = await made.exchange.state()
    del state["now_ms"]
    return state | {"server": [text for text in state["server"].items() if text[0] not in SERVED]}


async def test_what_an_engine_holds_is_equal_and_nothing_is_changed_by_asking(made: Rig) -> None:
    working = await audited(made)
    assert (working.code, working.document["verdict"]) == (0, "equal"), working.document
    assert working.exchange["legs"] == 4

    await made.engine.stop()
    files = [journal_file(made.engine.data), read_model_file(made.engine.data)]
    before, held, since = [dump(path) for path in files], await state_of(made), await made.exchange.moment()

    stopped = await audited(made)

    assert (stopped.code, stopped.exchange["verdict"]) == (0, "equal"), stopped.document
    worth = stopped.exchange["worth"]
    assert worth["unrealized_pnl"] == worth["books_unrealized_pnl"]
    assert [dump(path) for path in files] == before
    asked = await made.exchange.requests(since=since)
    assert {row["method"] for row in asked} == {"GET"}
    assert not [row for row in asked if "listenKey" in row["path"]]
    assert await state_of(made) == held

    wrong = await audited(made, BINANCE_API_SECRET="another")
    assert (wrong.code, wrong.exchange["verdict"]) == (3, "unknown")
    assert wrong.exchange["trouble"]
    made.exchange.kill()
    away = await audited(made)
    assert (away.code, away.exchange["verdict"]) == (3, "unknown"), "an exchange that is away was called equal"
    assert made.exchange.url.removeprefix("http://") in away.exchange["trouble"]
    assert {store["verdict"] for store in away.document["stores"]} == {"equal"}


async def test_what_somebody_did_by_hand_is_told(made: Rig) -> None:
    await made.engine.stop()
    (stop,) = [row for row in await made.exchange.stops() if row["orderType"] == "STOP_MARKET"]
    await cancel_by_hand(made.exchange, stop)

    cancelled = await audited(made)

    assert cancelled.code == 1
    (one,) = cancelled.exchange["differences"]
    assert (one["kind"], one["order_id"]) == ("unhedged", stop["clientAlgoId"])
    assert cancelled.exchange["unseen_trades"] == []

    await traded_by_hand(made.exchange, "BUY", "0.003", "LONG")

    moved = await audited(made)

    assert (moved.code, moved.exchange["verdict"]) == (1, "different"), moved.document
    found = {one["kind"]: one for one in moved.exchange["differences"]}
    assert found.keys() == {"unhedged", "quantity"}
    assert (found["quantity"]["books_quantity"], found["quantity"]["exchange_quantity"]) == ("0.01", "0.013")
    (trade,) = moved.exchange["unseen_trades"]
    assert (trade["symbol"], trade["side"], trade["quantity"]) == ("BTCUSDT", "BUY", "0.003")
    assert {store["verdict"] for store in moved.document["stores"]} == {"equal"}
    assert (await audited(made, "--no-exchange")).code == 0
