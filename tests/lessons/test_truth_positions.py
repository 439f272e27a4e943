"""State truth: what the engine says of positions is what the exchange holds."""

from collections.abc import AsyncIterator
from contextlib import closing
from decimal import Decimal
from functools import reduce
from pathlib import Path
from sqlite3 import connect
from typing import Any

import pytest
import pytest_asyncio

from tests.lessons.lesson import Lesson, begin, school
from tests.process.store import rows_of
from tests.support.deadline import PATIENCE_S
from tests.support.process import READ
from tests.support.protecting import traded_by_hand
from tests.support.rig import OPERATE, Rig
from tradeengine.runtime.files import journal_file, read_model_file

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]

SYMBOLS = ("I45USDT", "I98USDT", "I100USDT", "LEFTUSDT")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    folder = tmp_path_factory.mktemp("positions")
    async with school(folder, SYMBOLS, BINANCE_MARGIN_TYPE="ISOLATED", BINANCE_LEVERAGE="20") as one:
        yield one


async def test_i45_a_position_that_somebody_closed_leaves_no_orders(made: Rig) -> None:
    """A position is closed at the exchange by hand: its stop and target are gone in 5 s, and the books are flat."""
    lesson = await begin(made, "I45USDT")
    await lesson.opened()
    await traded_by_hand(made.exchange, "SELL", "1", "LONG", lesson.symbol)
    await lesson.until_stops(0, seconds=5)
    await lesson.until_booked(0)
    (row,) = await made.engine.rows("/strategy-positions", symbol=lesson.symbol)
    assert (row["strategy_id"], row["status"], Decimal(row["exit_price"])) == ("A", "closed", Decimal("99.9"))


async def test_i98_every_answer_about_positions_names_source_and_age_and_equals_the_exchange(made: Rig) -> None:
    """Positions are told with their source and age, and equal the exchange's once nothing moves."""
    lesson = await begin(made, "I98USDT")
    await lesson.accepted("buy", "A", quantity="1")
    await lesson.accepted("buy", "B", quantity="0.5")
    await lesson.accepted("sell", "C", quantity="0.7")
    await lesson.until_stops(6)
    await lesson.until_protected("A", "B", "C")
    await made.engine.until_projected()

    for path in ("/positions", f"/positions/{lesson.symbol}", "/strategy-positions", "/contributions", "/account"):
        answer = (await made.engine.request("GET", path, headers=READ)).json()
        assert answer["source"], path
        assert answer["age_seconds"] < 1, path
    for path in ("/positions/protection", "/reconciliation"):
        answer = (await made.engine.request("GET", path, headers=READ)).json()
        assert answer["source"] == "exchange"
        assert 0 <= answer["age_seconds"] < PATIENCE_S

    told = {row["side"]: row for row in await made.engine.rows(f"/positions/{lesson.symbol}")}
    stated = {row["positionSide"]: row for row in await _positions(lesson)}
    assert stated.keys() == told.keys() == {"LONG", "SHORT"}
    for side, row in stated.items():
        assert Decimal(told[side]["current_quantity"]) == abs(Decimal(row["positionAmt"]))
        assert Decimal(told[side]["weighted_avg_price"]) == Decimal(row["entryPrice"])


async def test_i100_a_short_is_a_positive_quantity_with_its_side_everywhere(made: Rig) -> None:
    """A SHORT has the same positive quantity and its side in the API, in the fills, and in every stored table."""
    lesson = await begin(made, "I100USDT")
    await lesson.opened("A", "sell", "0.3")
    assert await lesson.held("SHORT") == Decimal("-0.3")
    (protected,) = await lesson.until_protected("A")
    assert (protected["position_side"], protected["quantity"]) == ("SHORT", "0.3")
    (leg,) = await made.engine.rows("/positions", symbol=lesson.symbol)
    assert (leg["side"], leg["current_quantity"]) == ("SHORT", "0.3")
    (fill,) = await lesson.fills()
    assert (fill["position_side"], fill["side"], fill["quantity"]) == ("SHORT", "SELL", "0.3")

    await made.engine.until_projected()
    rows = [row for table in rows_of(read_model_file(made.engine.data)).values() for row in table]
    own = [row for row in rows if row.get("symbol") == lesson.symbol]
    assert {row.get("position_side") or row.get("side") for row in own} <= {"SHORT", None}
    figures = [row[name] for row in own for name in row if "quantity" in name and row[name] is not None]
    assert figures
    assert all(Decimal(figure) >= 0 for figure in figures)


async def test_i110_both_legs_of_a_symbol_have_rows_of_their_own(made: Rig) -> None:
    """LONG and SHORT of one symbol, and several strategies on each, coexist in every table and in the store."""
    lesson = await begin(made, "I98USDT")
    await lesson.until_protected("A", "B", "C")
    legs = await made.engine.rows("/positions", symbol=lesson.symbol, status="open")
    assert sorted(row["exchange_position_key"] for row in legs) == ["I98USDT_LONG", "I98USDT_SHORT"]
    held = await made.engine.rows("/strategy-positions", symbol=lesson.symbol, status="open")
    assert {(row["side"], row["strategy_id"]) for row in held} == {("LONG", "A"), ("LONG", "B"), ("SHORT", "C")}
    stored = rows_of(read_model_file(made.engine.data))
    for table in ("positions", "strategy_positions"):
        assert sum(row["symbol"] == lesson.symbol for row in stored[table]) == 3


async def test_trades_of_others_are_taken_over_by_external(made: Rig) -> None:
    """What a person buys is booked under ``external`` at its price, beside a strategy's own share."""
    lesson = await begin(made, "LEFTUSDT")
    await lesson.opened()
    await traded_by_hand(made.exchange, "BUY", "0.4", "LONG", lesson.symbol)
    await lesson.until_booked("1.4")
    rows = await made.engine.rows("/strategy-positions", symbol=lesson.symbol, status="open")
    assert {row["strategy_id"]: row["current_quantity"] for row in rows} == {"A": "1", "external": "0.4"}
    await traded_by_hand(made.exchange, "SELL", "0.4", "LONG", lesson.symbol)
    await lesson.until_booked("1")
    rows = await made.engine.rows("/strategy-positions", symbol=lesson.symbol, status="open")
    assert {row["strategy_id"]: row["current_quantity"] for row in rows} == {"A": "1"}
    await lesson.accepted("close")
    await lesson.until_stops(0)


async def test_a_liquidation_is_booked_with_its_price_and_leaves_no_orders(made: Rig) -> None:
    """The exchange liquidates a position: it is closed in the books for that reason, at that price, fee included."""
    lesson = await begin(made, "LEFTUSDT")
    await lesson.opened("L", stop_loss_pct="0.4")
    await lesson.mark("94")
    await lesson.until_booked(0)
    (row,) = await made.engine.rows("/strategy-positions", symbol=lesson.symbol, strategy_id="L")
    assert (row["status"], row["close_reason"]) == ("closed", "liquidation")
    (_, trade) = (await made.exchange.signed("GET", "/fapi/v1/userTrades", symbol=lesson.symbol))[-2:]
    assert Decimal(row["exit_price"]) == Decimal(trade["price"])
    await lesson.until_stops(0)
    await lesson.mark("100")


async def test_reading_changes_nothing_here_and_nothing_there(made: Rig) -> None:
    """Every GET route is asked: the exchange's whole state, the journal and every table are as before."""
    lesson = await begin(made, "I98USDT")
    await lesson.until_protected("A", "B", "C")
    await made.engine.until_projected()
    order = (await lesson.orders())[0]
    before = await _everything(made)
    number = await made.exchange.moment()

    values = {"{symbol}": lesson.symbol, "{id}": order["order_id"], "{signal_id}": order["signal_id"]}
    paths = (await made.engine.request("GET", "/openapi.json")).json()["paths"]
    asked = []
    for template in [path for path, methods in paths.items() if "get" in methods]:
        path = reduce(lambda text, name: text.replace(name, values[name]), values, template)
        answer = await made.engine.request("GET", path, headers=OPERATE)
        assert answer.status_code == 200, (path, answer.text)
        asked.append(path)
    assert len(asked) >= 15
    assert {"/positions/protection", "/reconciliation", "/account", f"/positions/{lesson.symbol}"} <= set(asked)

    await lesson.looks(1)
    assert await _everything(made) == before
    changed = [row for row in await made.exchange.requests(since=number) if row["method"] != "GET"]
    assert {row["path"] for row in changed} <= {"/fapi/v1/listenKey"}


async def _everything(made: Rig) -> dict[str, Any]:
    """What the exchange and the engine hold, but for clocks and prices that move by themselves."""
    state = await made.exchange.state()
    _without(state, ("server", "now_ms", "time", "update_ms", "updated_ms"))
    return {
        "exchange": state,
        "journal": _records(journal_file(made.engine.data)),
        "tables": rows_of(read_model_file(made.engine.data)),
    }


def _without(document: Any, names: tuple[str, ...]) -> None:
    if isinstance(document, dict):
        for name in names:
            document.pop(name, None)
        document = list(document.values())
    if isinstance(document, list):
        for part in document:
            _without(part, names)


def _records(journal: Path) -> list[Any]:
    with closing(connect(journal)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [connection.execute(f'SELECT count(*) FROM "{name}"').fetchone() for name in tables]


async def _positions(lesson: Lesson) -> list[dict[str, Any]]:
    rows = await lesson.rig.exchange.signed("GET", "/fapi/v2/positionRisk", symbol=lesson.symbol)
    return [row for row in rows if Decimal(row["positionAmt"])]
