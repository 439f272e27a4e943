"""Stop and target of each strategy position: placed once, at the right prices, for what is filled, and gone in time."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from tests.lessons.lesson import Lesson, begin, school
from tests.support.protecting import (
    ALGO_ORDER,
    ORDER,
    REFUSED,
    STOP,
    TARGET,
    UNAVAILABLE,
    cancel_by_hand,
    of,
    one,
    traded_by_hand,
    trigger,
)
from tests.support.rig import Rig

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]

NUMBERS = ("03", "08", "09", "20", "23", "24", "25", "26", "27", "31", "32", "33", "35", "36", "50", "51", "52", "53")
SYMBOLS = tuple(f"I{number}USDT" for number in NUMBERS)
MARK = Decimal(100)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    setup = {"options": {"gte_required": True}}
    async with school(tmp_path_factory.mktemp("pairs"), SYMBOLS, setup=setup) as one_rig:
        yield one_rig


async def _strategy_position(lesson: Lesson, status: str = "closed", strategy: str = "A") -> dict[str, Any]:
    (row,) = await lesson.rig.engine.until_rows(
        "/strategy-positions",
        lambda rows: [row["status"] for row in rows] == [status],
        symbol=lesson.symbol,
        strategy_id=strategy,
    )
    return row


async def _stop_requests(lesson: Lesson, kind: str = STOP) -> list[dict[str, Any]]:
    sent = await lesson.sent("POST", ALGO_ORDER)
    return [row for row in sent if row["parameters"]["type"] == kind]


async def test_i03_a_stop_is_taken_at_the_first_try(made: Rig) -> None:
    """Where closePosition needs GTE_GTC, the engine's stop is accepted at once, because it states a quantity."""
    lesson = await begin(made, "I03USDT")
    await lesson.opened()
    whole = {"symbol": lesson.symbol, "side": "SELL", "positionSide": "LONG", "type": STOP, "algoType": "CONDITIONAL"}
    by_hand = await made.exchange.signed("POST", ALGO_ORDER, **whole, triggerPrice="95", closePosition="true")
    assert by_hand["code"] == -4509, "this exchange refuses no closePosition"
    (sent,) = [row for row in await _stop_requests(lesson) if "clientalgoid" in row["parameters"]]
    assert sent["status"] == 200
    assert "closeposition" not in sent["parameters"]
    assert Decimal(sent["parameters"]["quantity"]) == 1


async def test_i08_a_refused_target_leaves_the_stop_and_is_tried_again(made: Rig) -> None:
    """The stop rests from its first moment on; the target comes later; the position is never naked."""
    lesson = await begin(made, "I08USDT")
    place: dict[str, Any] = {"method": "POST", "path": ALGO_ORDER}
    await made.exchange.fault(REFUSED, **place, params={"type": TARGET, "symbol": lesson.symbol})
    await lesson.accepted(quantity="1")
    (stop,) = await lesson.until_stops(1)
    assert stop["orderType"] == STOP
    assert stop["algoId"] in [order["algoId"] for order in await lesson.until_stops(2)]
    assert [row["status"] for row in await _stop_requests(lesson)] == [200]
    assert [bool(row["faults"]) for row in await _stop_requests(lesson, TARGET)] == [True, False]
    assert await lesson.sent("DELETE") == []
    assert await made.engine.metric("tradeengine_naked_positions") == 0


async def test_i09_after_a_refused_leg_a_close_leaves_no_order(made: Rig) -> None:
    """The target is refused, then the position closes: nothing rests on symbol and side."""
    lesson = await begin(made, "I09USDT")
    place: dict[str, Any] = {"method": "POST", "path": ALGO_ORDER}
    await made.exchange.fault(REFUSED, times=None, **place, params={"type": TARGET, "symbol": lesson.symbol})
    await lesson.accepted(quantity="1")
    await lesson.until_stops(1)
    await lesson.accepted("close")
    await lesson.until_held(0)
    await lesson.until_stops(0)
    await made.exchange.heal()
    assert (await _strategy_position(lesson))["close_reason"] == "manual"


async def test_i20_the_stop_s_distance_is_measured_from_the_fill(made: Rig) -> None:
    """A signal whose price is 10 % off the market gets its stop 2 % from what was really paid."""
    lesson = await begin(made, "I20USDT")
    await lesson.opened(price="110")
    (fill,) = await lesson.fills()
    stop, target = one(await lesson.stops()), one(await lesson.stops(), TARGET)
    assert abs(trigger(stop) - Decimal(fill["price"]) * Decimal("0.98")) <= Decimal("0.1")
    assert abs(trigger(target) - Decimal(fill["price"]) * Decimal("1.04")) <= Decimal("0.1")


async def test_i23_a_price_beyond_the_target_takes_the_profit(made: Rig) -> None:
    """The market passes the target before it rests: the profit is taken at market, and booked as that."""
    lesson = await begin(made, "I23USDT")
    place: dict[str, Any] = {"method": "POST", "path": ALGO_ORDER}
    await made.exchange.fault({"delay_ms": 1_500}, **place, params={"type": TARGET, "symbol": lesson.symbol})
    await lesson.accepted(quantity="1")
    await lesson.until_held(1)
    await lesson.mark(105)
    await lesson.until_held(0)
    await lesson.until_stops(0)
    row = await _strategy_position(lesson)
    assert row["close_reason"] == "take_profit"
    assert Decimal(row["realized_pnl"]) > 4
    assert -2021 in [row["answer"].get("code") for row in await _stop_requests(lesson, TARGET)]


async def test_i24_a_conditional_entry_gets_its_pair_with_the_first_fill(made: Rig) -> None:
    """No stop before the entry fills, a pair for a part that fills, and exactly one pair for all of it."""
    lesson = await begin(made, "I24USDT")
    await lesson.accepted(quantity="2", order_type="stop_limit", conditional_price="102", target_price="101.5")
    (entry,) = await lesson.until_stops(1)
    assert (entry["side"], entry["orderType"]) == ("BUY", "STOP")
    await lesson.mark("102.5")
    rows: list[dict[str, Any]] = []

    async def rests() -> bool:
        rows[:] = await made.exchange.signed("GET", "/fapi/v1/openOrders", symbol=lesson.symbol)
        return bool(rows)

    await made.until(rests, "the triggered entry to rest")
    assert await lesson.stops() == []
    assert [row["parameters"]["type"] for row in await lesson.sent("POST", ALGO_ORDER)] == ["STOP"]

    fill = {"orderId": rows[0]["orderId"], "price": "101.5"}
    await made.exchange.post("fill", {**fill, "qty": "0.5"})
    pair = await lesson.until_stops(2)
    assert {Decimal(order["quantity"]) for order in pair} == {Decimal("0.5")}
    await made.exchange.post("fill", {**fill, "qty": "1.5"})

    async def grown() -> bool:
        return sorted(Decimal(order["quantity"]) for order in await lesson.stops()) == [2, 2]

    await made.until(grown, "exactly one pair for all of it")


async def test_i25_absolute_stop_and_target_are_taken_as_given(made: Rig) -> None:
    """Both triggers are the signal's prices, rounded to the tick."""
    lesson = await begin(made, "I25USDT")
    await lesson.opened(stop_loss="97.23", take_profit="103.46")
    orders = await lesson.stops()
    assert trigger(one(orders)) == Decimal("97.2")
    assert trigger(one(orders, TARGET)) == Decimal("103.5")


async def test_i26_an_acknowledged_stop_is_live_and_gets_no_second(made: Rig) -> None:
    """The exchange answers NEW: exactly one stop was sent, and one rests."""
    lesson = await begin(made, "I26USDT")
    await lesson.opened()
    (sent,) = await _stop_requests(lesson)
    assert sent["answer"]["algoStatus"] == "NEW"
    await lesson.opened("B")
    assert len(of(await lesson.stops(), STOP)) == 2
    assert len(await _stop_requests(lesson)) == 2


async def test_i27_stops_are_sized_by_fills_and_not_by_acknowledgements(made: Rig) -> None:
    """The entry is acknowledged with nothing executed: the stop waits for the fill, and has its quantity."""
    lesson = await begin(made, "I27USDT")
    await lesson.opened(quantity="1.5")
    (entry,) = [row for row in await lesson.sent("POST") if row["path"] == ORDER]
    assert entry["answer"]["status"] == "NEW"
    assert Decimal(entry["answer"]["executedQty"]) == 0
    assert {Decimal(order["quantity"]) for order in await lesson.stops()} == {Decimal("1.5")}


async def test_i31_when_the_stop_fills_the_target_goes_within_3_s(made: Rig) -> None:
    """The target is gone from the exchange, and its end is counted."""
    lesson = await begin(made, "I31USDT")
    await lesson.opened()
    await lesson.mark("97.5")
    await lesson.until_stops(0, seconds=3)
    row = await _strategy_position(lesson)
    assert row["close_reason"] == "stop_loss"
    counted: dict[str, Any] = {"symbol": lesson.symbol, "side": "SELL"}
    await made.engine.until_metric("tradeengine_orders_executed_total", 1, **counted, status="cancelled")
    await made.engine.until_metric("tradeengine_orders_executed_total", 1, **counted, status="filled")


async def test_i32_a_cancel_that_fails_is_tried_until_it_works_and_told_meanwhile(made: Rig) -> None:
    """After two failures the orphan is gone; while it cannot be cancelled, an alert names symbol and order."""
    lesson = await begin(made, "I32USDT")
    cancel: dict[str, Any] = {"method": "DELETE", "path": ALGO_ORDER}
    await lesson.opened()
    await made.exchange.fault(UNAVAILABLE, times=2, **cancel)
    await lesson.mark("97.5")
    await lesson.until_stops(0)
    assert [bool(row["faults"]) for row in await lesson.sent("DELETE")] == [True, True, False]

    await lesson.mark(MARK)
    await lesson.opened("B")
    target = one(await lesson.stops(), TARGET)
    await made.exchange.fault(UNAVAILABLE, times=None, **cancel)
    await lesson.mark("97.5")
    (told,) = await made.engine.until_rows("/alerts", bool, name="difference_orphan_order")
    assert target["clientAlgoId"] in told["text"]
    assert lesson.symbol in told["text"]
    await made.exchange.heal()
    await lesson.until_stops(0)


async def test_i33_a_stop_cancelled_by_hand_is_placed_again(made: Rig) -> None:
    """The target stays, a new stop rests, and the position is not taken for closed."""
    lesson = await begin(made, "I33USDT")
    await lesson.opened()
    orders = await lesson.stops()
    await cancel_by_hand(made.exchange, one(orders))

    async def rearmed() -> bool:
        now = await lesson.stops()
        return len(now) == 2 and one(now)["algoId"] != one(orders)["algoId"]

    await made.until(rearmed, "a new stop beside the target")
    assert one(await lesson.stops(), TARGET)["algoId"] == one(orders, TARGET)["algoId"]
    assert trigger(one(await lesson.stops())) == trigger(one(orders))
    assert (await _strategy_position(lesson, "open"))["current_quantity"] == "1"
    assert await lesson.held() == 1


async def test_i35_i70_each_strategy_leaves_at_its_own_stop(made: Rig) -> None:
    """Two strategies on one leg with different stops: the nearer takes its part off, the other keeps its pair."""
    lesson = await begin(made, "I35USDT")
    await lesson.opened("near", quantity="1", stop_loss="99")
    await lesson.opened("far", quantity="2", stop_loss="95")
    kept = {order["algoId"] for order in await lesson.stops() if Decimal(order["quantity"]) == 2}
    await lesson.mark("98.5")
    await lesson.until_held(2)
    assert {order["algoId"] for order in await lesson.until_stops(2)} == kept
    assert (await _strategy_position(lesson, "closed", "near"))["close_reason"] == "stop_loss"
    assert (await _strategy_position(lesson, "open", "far"))["current_quantity"] == "2"
    await lesson.mark("94")
    await lesson.until_held(0)
    await lesson.until_stops(0)


async def test_i36_long_and_short_of_a_symbol_are_both_protected(made: Rig) -> None:
    """A LONG's stops do not keep a SHORT from getting its own."""
    lesson = await begin(made, "I36USDT")
    await lesson.opened("A", "buy")
    await lesson.opened("B", "sell", quantity="2")
    orders = await lesson.stops()
    for side, quantity, closing in (("LONG", 1, "SELL"), ("SHORT", 2, "BUY")):
        for kind in (STOP, TARGET):
            order = one(orders, kind, side)
            assert Decimal(order["quantity"]) == quantity
            assert order["side"] == closing


async def test_stops_are_replaced_before_they_are_cancelled(made: Rig) -> None:
    """When a position grows, stop and target of the new size rest before those of the old size leave."""
    lesson = await begin(made, "I50USDT")
    await lesson.opened()
    former = {order["clientAlgoId"] for order in await lesson.stops()}
    await lesson.accepted(quantity="2")

    async def grown() -> bool:
        return [Decimal(order["quantity"]) for order in await lesson.stops()] == [3, 3]

    await made.until(grown, "a pair for all of it")
    steps = [
        (row["method"], "stop" if _is_about(row, former) else "new", row["parameters"].get("type"))
        for row in await lesson.sent(path=ALGO_ORDER)
        if row["method"] in ("POST", "DELETE")
    ]
    placed_at = {kind: index for index, (method, _, kind) in enumerate(steps) if method == "POST"}
    cancelled_at = [index for index, (method, _, _) in enumerate(steps) if method == "DELETE"]
    assert len(cancelled_at) == 2
    assert min(cancelled_at) > placed_at[STOP]
    assert max(cancelled_at) > placed_at[TARGET]


def _is_about(row: dict[str, Any], names: set[str]) -> bool:
    """Whether a request is about one of these orders."""
    return row["parameters"].get("clientalgoid") in names


async def test_orders_leave_within_3_s_when_the_position_was_closed_elsewhere(made: Rig) -> None:
    """Somebody closes the position at the exchange: stop and target are gone within 3 s."""
    lesson = await begin(made, "I51USDT")
    await lesson.opened()
    await traded_by_hand(made.exchange, "SELL", "1", "LONG", lesson.symbol)
    await lesson.until_stops(0, seconds=3)
    assert Decimal((await _strategy_position(lesson))["exit_quantity"]) == 1


async def test_a_trailing_stop_follows_the_market_and_closes(made: Rig) -> None:
    """The signal's trailing_pct rests as the exchange's own trailing stop, and its fill is booked as a stop."""
    lesson = await begin(made, "I52USDT")
    await lesson.opened(trailing_pct="0.01", take_profit_pct="0.08")
    stop = one(await lesson.stops(), "TRAILING_STOP_MARKET")
    assert Decimal(stop["callbackRate"]) == 1
    assert Decimal(stop["quantity"]) == 1
    await lesson.mark("106")
    await lesson.mark("105.5")
    assert await lesson.held() == 1
    await lesson.mark("104.9")
    await lesson.until_held(0)
    await lesson.until_stops(0)
    row = await _strategy_position(lesson)
    assert row["close_reason"] == "stop_loss"
    assert Decimal(row["realized_pnl"]) > 4


async def test_a_stop_moves_to_break_even_once_the_gain_is_there(made: Rig) -> None:
    """At the gain of break_even_at_pct the stop rests where the position loses nothing, fees included."""
    lesson = await begin(made, "I53USDT")
    await lesson.opened(stop_loss_pct="0.02", take_profit_pct="0.09", break_even_at_pct="0.01")
    assert trigger(one(await lesson.stops())) < MARK
    await lesson.mark("101.5")

    async def moved() -> bool:
        stops = of(await lesson.stops(), STOP)
        return [trigger(stop) > MARK for stop in stops] == [True]

    await made.until(moved, "the stop at break even")
    await lesson.mark(trigger(one(await lesson.stops())))
    await lesson.until_held(0)
    row = await _strategy_position(lesson)
    assert row["close_reason"] == "stop_loss"
    # Only the spread of a few ticks is lost, where the first stop would have lost 2.
    assert Decimal(row["realized_pnl"]) - Decimal(row["commission_total"]) > Decimal("-0.3")
