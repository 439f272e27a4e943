"""Exchange API contract mistakes: what may be sent, and what must never be."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
import pytest_asyncio

from tests.lessons.lesson import begin, school
from tests.simulator.conformance.symbols import symbol as listed
from tests.support.protecting import ALGO_ORDER, ORDER
from tests.support.rig import Rig

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]

SYMBOLS = tuple(f"I{number}USDT" for number in (41, 42, 43, 46, 52, 60))
CHEAP = listed(
    "I59USDT", filters={"PRICE_FILTER": {"minPrice": "0", "tickSize": "0.1"}, "PERCENT_PRICE": {"multiplierDown": "0"}}
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with school(tmp_path_factory.mktemp("requests"), SYMBOLS, more=[CHEAP]) as one:
        yield one


async def test_i41_hedge_mode_orders_never_say_reduce_only(made: Rig) -> None:
    """A close succeeds at an exchange that refuses reduceOnly beside positionSide, and no order carries it."""
    lesson = await begin(made, "I41USDT")
    order = {"symbol": lesson.symbol, "side": "SELL", "positionSide": "LONG", "type": "MARKET", "quantity": "1"}
    assert (await made.exchange.signed("POST", ORDER, **order, reduceOnly="true"))["code"] == -1106
    lesson = await begin(made, "I41USDT")

    await lesson.opened()
    await lesson.opened("B", "sell")
    for strategy in ("A", "B"):
        await lesson.accepted("close", strategy)
    await lesson.until_held(0)
    await lesson.until_held(0, "SHORT")
    await lesson.until_stops(0)

    placed = [row for row in await lesson.changes() if row["method"] == "POST"]
    assert {row["path"] for row in placed} == {ORDER, ALGO_ORDER}
    assert all("reduceonly" not in row["parameters"] for row in placed)
    assert all(row["parameters"]["positionside"] in ("LONG", "SHORT") for row in placed)
    assert all(row["status"] == 200 for row in placed)


async def test_i42_conditional_orders_go_where_they_are_taken(made: Rig) -> None:
    """Stops and targets go to algoOrder, because the order endpoint refuses them."""
    lesson = await begin(made, "I42USDT")
    stop = {"symbol": lesson.symbol, "side": "SELL", "positionSide": "LONG", "quantity": "1", "stopPrice": "98"}
    assert (await made.exchange.signed("POST", ORDER, type="STOP_MARKET", **stop))["code"] == -4120
    lesson = await begin(made, "I42USDT")

    await lesson.opened()

    placed = {row["parameters"]["type"]: (row["path"], row["status"]) for row in await lesson.sent("POST")}
    assert placed == {
        "MARKET": (ORDER, 200),
        "STOP_MARKET": (ALGO_ORDER, 200),
        "TAKE_PROFIT_MARKET": (ALGO_ORDER, 200),
    }


async def test_i43_cancels_of_both_kinds_are_understood(made: Rig) -> None:
    """A strict exchange takes the engine's cancels of algo orders and of standard orders."""
    lesson = await begin(made, "I43USDT")
    await lesson.opened()
    await lesson.accepted("close")
    await lesson.until_stops(0)
    await lesson.accepted("buy", "B", quantity="1", order_type="limit", target_price="95")
    await made.until(lambda: lesson.orders(strategy_id="B", status="open"), "a resting order")
    await lesson.accepted("close", "B")
    await made.until(lambda: lesson.orders(strategy_id="B", status="cancelled"), "the end of the resting order")

    cancels = await lesson.sent("DELETE")
    assert sorted((row["path"], row["status"]) for row in cancels) == [(ALGO_ORDER, 200)] * 2 + [(ORDER, 200)]
    assert await made.exchange.signed("GET", "/fapi/v1/openOrders", symbol=lesson.symbol) == []


async def test_i46_accumulation_keeps_one_stop_and_one_target(made: Rig) -> None:
    """Twenty accumulating signals leave two protective orders, and never come near the exchange's limit."""
    lesson = await begin(made, "I46USDT")
    for number in range(1, 21):
        await lesson.accepted(quantity="1", signal_id=f"i46-{number}")

        async def protected(held: int = number) -> bool:
            return [Decimal(row["quantity"]) for row in await lesson.stops()] == [held, held]

        await made.until(protected, f"one stop and one target for {number}")
    # The new ones rest before the old ones go.
    assert await lesson.most_stops() <= 4


async def test_i52_orders_below_the_least_notional_stay_at_home(made: Rig) -> None:
    """A size at the least notional is accepted, one below it after rounding is refused here and never by -4164."""
    lesson = await begin(made, "I52USDT")
    await lesson.mark("99.9")
    assert await lesson.refused(quantity="0.1") == "below_min_notional"
    assert await lesson.refused(quote_quantity="10.05") == "below_min_notional"
    assert await lesson.changes() == []

    await lesson.accepted(quantity="0.101")
    await lesson.until_held("0.101")
    # Less than the least notional is left, and it must be possible to close it.
    await lesson.mark("50")
    await lesson.until_held(0)
    assert -4164 not in [(row["answer"] or {}).get("code") for row in await lesson.sent("POST")]


@pytest.mark.parametrize(
    ("number", "action", "distances"),
    [
        (1, "sell", {"take_profit_pct": "1"}),
        (2, "sell", {"take_profit_pct": "0.9996"}),
        (3, "buy", {"stop_loss_pct": "0.9996"}),
    ],
)
async def test_i59_a_price_of_zero_is_never_sent(
    made: Rig, number: int, action: str, distances: dict[str, str]
) -> None:
    """Stops and targets that come to zero or less, be it by rounding to the tick, are not sent."""
    lesson = await begin(made, "I59USDT")
    signal = {"quantity": "1", "stop_loss_pct": "0.5", **distances}
    answer = await made.engine.send(lesson.document(action, f"S{number}", **signal))
    if answer.json().get("outcome") == "accepted":
        await made.until(lambda: lesson.orders(purpose="stop_loss"), "a stop")
        await lesson.accepted("close", f"S{number}")
    await lesson.until_held(0, "SHORT" if action == "sell" else "LONG")
    await lesson.until_stops(0)
    prices = [row["parameters"].get("triggerprice") for row in await lesson.sent("POST", ALGO_ORDER)]
    assert all(price is not None and Decimal(price) > 0 for price in prices), prices


async def test_i60_an_entry_that_never_filled_leaves_nothing(made: Rig) -> None:
    """An entry that the exchange refuses leaves no order and no position: nothing is rolled back with quantity 0."""
    lesson = await begin(made, "I60USDT")
    await made.exchange.fault(
        {"status": 400, "code": -2019, "msg": "Margin is insufficient."}, path=ORDER, params={"symbol": lesson.symbol}
    )
    await lesson.accepted(quantity="1")
    (order,) = await made.until(lambda: lesson.orders(status="rejected"), "the refusal")
    assert "-2019" in order["reason"]

    await made.exchange.heal()
    assert await lesson.fills() == []
    assert await made.engine.rows("/positions", symbol=lesson.symbol) == []
    assert lesson.symbol not in {row["symbol"] for row in await made.engine.protection()}
    # Nothing was sent between the refusal and the next entry.
    await lesson.opened()
    paths = [row["path"] for row in await lesson.changes()]
    assert paths == [ORDER, ORDER, ALGO_ORDER, ALGO_ORDER]
