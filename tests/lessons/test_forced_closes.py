"""What the exchange closes by liquidation, deleveraging or settlement is booked to those whom it takes from."""

from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.lessons.lesson import Lesson, begin, school
from tests.support.deadline import PATIENCE_S
from tests.support.protecting import STOP, alerts, of

pytestmark = pytest.mark.process

GONE_WITHIN_S = 5.0
USER_TRADES = "/fapi/v1/userTrades"
FORMS = ("captured", "trade", "announced")


def told_as(form: str) -> dict[str, Any]:
    """An exchange that tells of forced closes in one of the ways in which they have been seen."""
    return {"options": {"forced_messages": form}}


async def deleverage(lesson: Lesson, quantity: str, price: str, side: str = "LONG") -> None:
    document = {"symbol": lesson.symbol, "positionSide": side, "qty": quantity, "price": price}
    await lesson.rig.exchange.post("adl", document)


async def until_bare(lesson: Lesson) -> None:
    """Wait until no conditional order of the symbol rests, as long as one may outlive its position."""

    async def fits() -> bool:
        return not await lesson.stops()

    await lesson.rig.until(fits, f"{lesson.symbol} without orders", GONE_WITHIN_S)


async def until_told(lesson: Lesson, count: int) -> list[dict[str, Any]]:
    """Wait until so many forced closes of the symbol were told as critical alerts; they."""
    rows = await lesson.rig.engine.until_rows(
        "/alerts", lambda found: len(found) == count, symbol=lesson.symbol, name="forced_close"
    )
    assert {row["severity"] for row in rows} == {"critical"}
    return rows


async def closing_fills(lesson: Lesson) -> dict[str, list[tuple[Decimal, str]]]:
    """Quantity and reason of each strategy's closing executions, in the order of time."""
    found = defaultdict(list)
    for row in sorted(await lesson.fills(), key=lambda one: int(one["trade_id"])):
        if not row["opening"]:
            found[row["strategy_id"]].append((Decimal(row["quantity"]), row["close_reason"]))
    return dict(found)


async def assert_books_equal(lesson: Lesson) -> None:
    """Check every trade, what each leg holds, and what was gained and paid, against what the exchange says."""
    trades = await lesson.rig.exchange.signed("GET", USER_TRADES, symbol=lesson.symbol)
    listed = {
        str(row["id"]): (Decimal(row["qty"]), Decimal(row["commission"]), Decimal(row["price"])) for row in trades
    }
    booked: dict[str, tuple[Decimal, Decimal, Decimal]] = {}
    for row in await lesson.fills():
        quantity, fee, _ = booked.get(row["trade_id"], (Decimal(0), Decimal(0), Decimal(0)))
        booked[row["trade_id"]] = (
            quantity + Decimal(row["quantity"]),
            fee + Decimal(row["fee"]),
            Decimal(row["price"]),
        )
    assert booked == listed
    for side in ("LONG", "SHORT"):
        assert await lesson.booked(side) == abs(await lesson.held(side))
    legs = await lesson.rig.engine.rows("/positions", symbol=lesson.symbol)
    realized = sum((Decimal(row["realized_pnl"]) for row in legs), Decimal(0))
    assert realized == sum(Decimal(row["realizedPnl"]) for row in trades)


@pytest.mark.parametrize("form", FORMS)
async def test_deleveraging_takes_from_every_strategy_alike(tmp_path: Path, form: str) -> None:
    """Half of a leg is deleveraged, then the rest: shares, reasons, alerts, stops and money are the exchange's."""
    async with school(tmp_path, ["FORCEDUSDT"], setup=told_as(form)) as made:
        lesson = await begin(made, "FORCEDUSDT")
        await lesson.opened("A", quantity="2")
        await lesson.opened("B", quantity="1")
        await lesson.opened("C", "sell", quantity="1")
        await lesson.mark("101")

        await deleverage(lesson, "1.5", "101")
        await lesson.until_booked("1.5")
        assert await closing_fills(lesson) == {
            "A": [(Decimal(1), "liquidation")],
            "B": [(Decimal("0.5"), "liquidation")],
        }
        (alert,) = await until_told(lesson, 1)
        assert "adl" in alert["text"]
        await until_sized(lesson, {"LONG": [Decimal("0.5"), Decimal(1)], "SHORT": [Decimal(1)]})

        # The client order id is the same each time; the trade is another.
        await deleverage(lesson, "1.5", "100.5")
        await lesson.until_booked(0)
        await until_sized(lesson, {"SHORT": [Decimal(1)]}, GONE_WITHIN_S)
        await until_told(lesson, 2)
        rows = await made.engine.until_rows(
            "/strategy-positions",
            lambda found: sorted(row["status"] for row in found) == ["closed", "closed", "open"],
            symbol=lesson.symbol,
        )
        ended = {row["strategy_id"]: row["close_reason"] for row in rows if row["status"] == "closed"}
        assert ended == {"A": "liquidation", "B": "liquidation"}
        await assert_books_equal(lesson)
        await lesson.until_protected("C")
        assert await alerts(made, "forced_close") == 2


async def until_sized(lesson: Lesson, wanted: dict[str, list[Decimal]], seconds: float = PATIENCE_S) -> None:
    """Wait until the stops of these legs, and no others, rest in these sizes."""

    async def fits() -> bool:
        found = defaultdict(list)
        for order in of(await lesson.stops(), STOP):
            found[order["positionSide"]].append(Decimal(order["quantity"]))
        return {side: sorted(sizes) for side, sizes in found.items()} == wanted

    await lesson.rig.until(fits, f"stops of {wanted}", seconds)


async def test_deleveraging_that_no_message_told_is_read_back(tmp_path: Path) -> None:
    """The stream says nothing of it: the trade is found, and it is the exchange's doing still."""
    async with school(tmp_path, ["FORCEDUSDT"]) as made:
        lesson = await begin(made, "FORCEDUSDT")
        await lesson.opened(quantity="2")
        for event in ("ORDER_TRADE_UPDATE", "TRADE_LITE", "ACCOUNT_UPDATE"):
            await made.exchange.fault({"swallow_event": True}, None, event=event)
        await deleverage(lesson, "2", "100")
        await lesson.until_booked(0)
        await made.exchange.heal()
        await lesson.until_stops(0)
        assert await closing_fills(lesson) == {"A": [(Decimal(2), "liquidation")]}
        await until_told(lesson, 1)
        await assert_books_equal(lesson)


@pytest.mark.parametrize("form", ["captured", "announced"])
async def test_a_liquidation_closes_every_strategy(tmp_path: Path, form: str) -> None:
    """The account is liquidated over two symbols and both sides, past stops that lie further away."""
    setup = told_as(form) | {"wallet": "60"}
    symbols = ["FORCEDUSDT", "OTHERUSDT"]
    async with school(tmp_path, symbols, setup=setup, BINANCE_LEVERAGE="20") as made:
        first, second = [await begin(made, symbol) for symbol in symbols]
        await first.opened("A", quantity="3", stop_loss_pct="0.4", take_profit_pct="0.08")
        await first.opened("B", quantity="1.5", stop_loss_pct="0.4", take_profit_pct="0.08")
        await second.opened("C", "sell", quantity="1", stop_loss_pct="0.4", take_profit_pct="0.08")
        await first.mark("86.9")
        await first.until_held(0)
        for lesson in (first, second):
            await until_bare(lesson)
        await first.until_booked(0)
        await second.until_booked(0, "SHORT")
        assert await closing_fills(first) == {
            "A": [(Decimal(3), "liquidation")],
            "B": [(Decimal("1.5"), "liquidation")],
        }
        assert await closing_fills(second) == {"C": [(Decimal(1), "liquidation")]}
        for lesson in (first, second):
            (alert,) = await until_told(lesson, 1)
            assert "liquidation" in alert["text"]
            await assert_books_equal(lesson)
        rows = await made.engine.until_rows(
            "/strategy-positions", lambda found: [row["status"] for row in found] == ["closed"] * 3
        )
        assert {row["close_reason"] for row in rows} == {"liquidation"}


async def test_a_settled_symbol_is_closed_on_both_sides_and_opened_no_more(tmp_path: Path) -> None:
    """Both legs are settled at one price and booked so; stops go, and the symbol opens nothing any more."""
    async with school(tmp_path, ["FORCEDUSDT", "OTHERUSDT"]) as made:
        lesson = await begin(made, "FORCEDUSDT")
        await lesson.opened("A", quantity="2")
        await lesson.opened("B", quantity="1")
        await lesson.opened("C", "sell", quantity="1.5")
        await made.exchange.post("settle", {"symbol": lesson.symbol, "price": "101.5"})
        await until_bare(lesson)
        await lesson.until_booked(0)
        await lesson.until_booked(0, "SHORT")
        assert await closing_fills(lesson) == {
            "A": [(Decimal(2), "emergency")],
            "B": [(Decimal(1), "emergency")],
            "C": [(Decimal("1.5"), "emergency")],
        }
        for alert in await until_told(lesson, 2):
            assert "settlement" in alert["text"]
        await assert_books_equal(lesson)

        answer = await made.engine.send(lesson.document(strategy="D", quantity="1"))
        assert answer.status_code == 200, answer.text
        if answer.json()["outcome"] != "rejected":
            await made.until(lambda: lesson.orders(strategy_id="D", status="rejected"), "a refusal")
        assert await lesson.held() == 0
        other = await begin(made, "OTHERUSDT")
        await other.opened("D")
