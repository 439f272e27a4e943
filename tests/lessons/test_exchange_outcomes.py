"""Exchange API contract mistakes: answers that are late, lost, partial or wrong, and what is booked."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from tests.lessons.lesson import Lesson, begin, school
from tests.support.process import READ
from tests.support.protecting import ALGO_ORDER, ORDER
from tests.support.rig import Rig

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]

SYMBOLS = tuple(f"I{number}USDT" for number in (49, 54, 55, 56, 61, 62, 64, 101))
LEVERAGE = "/fapi/v1/leverage"
EXISTS = {"status": 400, "code": -4130, "msg": "An open stop or take profit order with GTE is existing."}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with school(tmp_path_factory.mktemp("outcomes"), SYMBOLS, BINANCE_LEVERAGE="7") as one:
        yield one


@pytest.mark.parametrize("kind", ["MARKET", "STOP_MARKET"])
@pytest.mark.parametrize("effect", ["drop_connection", "truncate", "html_503"])
async def test_i54_an_executed_order_whose_answer_is_lost_is_not_sent_again(made: Rig, effect: str, kind: str) -> None:
    """The exchange executes and the answer is lost: there is one order, found by its client order id."""
    lesson = await begin(made, "I54USDT")
    strategy = f"{effect}-{kind}"
    path = ORDER if kind == "MARKET" else ALGO_ORDER
    params = {"symbol": lesson.symbol, "type": kind}
    await made.exchange.fault({effect: True}, when="after", method="POST", path=path, params=params)
    await lesson.opened(strategy)
    assert await lesson.held() == 1
    placed = [row for row in await lesson.sent("POST", path) if row["parameters"]["type"] == kind]
    assert len(placed) == 1
    await lesson.until_booked(1)
    await lesson.accepted("close", strategy)
    await lesson.until_stops(0)


async def test_i55_books_hold_what_was_executed_and_nothing_that_rests(made: Rig) -> None:
    """A resting order creates no position; the books equal executedQty after each part of it."""
    lesson = await begin(made, "I55USDT")
    await lesson.accepted(quantity="1", order_type="limit", target_price="99")
    (order,) = await made.until(lambda: lesson.orders(status="open"), "a resting order")
    assert await made.engine.rows("/positions", symbol=lesson.symbol) == []

    executed = Decimal(0)
    parts = [Decimal("0.25"), Decimal("0.5"), Decimal("0.25")]
    for part in parts:
        await made.exchange.post("fill", {"orderId": int(order["venue_order_id"]), "qty": str(part), "price": "99"})
        executed += part
        stated = await made.exchange.signed("GET", ORDER, symbol=lesson.symbol, orderId=order["venue_order_id"])
        assert Decimal(stated["executedQty"]) == executed
        await lesson.until_booked(executed)
        (order,) = await made.engine.rows("/orders", order_id=order["order_id"])
        assert Decimal(order["filled_quantity"]) == executed
    assert order["status"] == "filled"
    assert [Decimal(fill["quantity"]) for fill in await lesson.fills()] == parts


async def test_i56_an_order_that_never_arrived_is_asked_for_a_few_times_and_resolved(made: Rig) -> None:
    """An order that the exchange does not know is asked for a bounded time, then it has ended and nothing is held."""
    lesson = await begin(made, "I56USDT")
    params = {"symbol": lesson.symbol}
    await made.exchange.fault({"html_503": True}, when="before", method="POST", path=ORDER, params=params)
    await lesson.accepted(quantity="1")
    (order,) = await made.until(lambda: lesson.orders(status="rejected"), "the end of the order")
    assert order["reason"] == "never arrived at the venue"
    asked = len(await lesson.sent("GET", ORDER))
    assert 0 < asked <= 12

    # While another order comes and goes, nobody asks for the ghost.
    await lesson.opened("B")
    await lesson.accepted("close", "B")
    await lesson.until_stops(0)
    ghosts = [row for row in await lesson.sent("GET", ORDER) if _named(row) == order["order_id"]]
    assert len(ghosts) == asked
    assert len(await lesson.sent("POST", ORDER)) == 3


async def test_i61_leverage_is_set_for_each_symbol_and_what_differs_opens_nothing(made: Rig) -> None:
    """Every symbol has the configured leverage before its first order; while the exchange refuses it, none leaves."""
    lesson = await begin(made, "I61USDT")
    terms = {row["symbol"]: row["leverage"] for row in await made.exchange.signed("GET", "/fapi/v1/symbolConfig")}
    assert terms == dict.fromkeys(SYMBOLS, 7)

    # Somebody changes it, and the engine changes it back.
    await made.exchange.signed("POST", LEVERAGE, symbol=lesson.symbol, leverage=21)
    await lesson.opened()
    assert await _leverage(lesson) == 7
    await lesson.accepted("close")
    await lesson.until_stops(0)

    await made.exchange.signed("POST", LEVERAGE, symbol=lesson.symbol, leverage=20)
    lesson = await begin(made, "I61USDT")
    refused = {"status": 400, "code": -4161, "msg": "Leverage reduction is not supported."}
    await made.exchange.fault(refused, None, path=LEVERAGE, params={"symbol": lesson.symbol})
    await lesson.accepted(strategy="B", quantity="1")
    (order,) = await made.until(lambda: lesson.orders(status="rejected"), "a refusal")
    assert "20x at the exchange and CROSSED 7x is configured" in order["reason"]
    assert await lesson.sent("POST", ORDER) == []
    health = (await made.engine.request("GET", "/health", headers=READ)).json()
    assert lesson.symbol in health["components"]["venue"]["blocked_symbols"]
    await made.exchange.heal()


async def test_i62_a_conditional_entry_waits_for_the_price_of_the_exchange(made: Rig) -> None:
    """A conditional entry rests at the exchange and opens when the exchange's price crosses it, and never before."""
    lesson = await begin(made, "I62USDT")
    await lesson.accepted(quantity="1", order_type="stop", conditional_price="105", conditional_direction="above")
    (resting,) = await lesson.until_stops(1)
    assert Decimal(resting["triggerPrice"]) == 105
    for price in ("104.9", "96", "104.9"):
        await lesson.mark(price)
    assert await lesson.held() == 0
    assert await lesson.fills() == []

    await lesson.mark("105")
    await lesson.until_booked(1)
    await lesson.until_stops(2)
    (fill,) = await lesson.fills()
    assert fill["order_id"] == resting["clientAlgoId"]


async def test_i64_an_acknowledged_order_is_filled_once_when_the_stream_says_so(made: Rig) -> None:
    """The exchange acknowledges NEW and streams FILLED: one order placed, one fill booked, at the fill's price."""
    lesson = await begin(made, "I64USDT")
    await lesson.opened()
    (placed,) = await lesson.sent("POST", ORDER)
    assert (placed["answer"]["status"], placed["answer"]["executedQty"]) == ("NEW", "0")
    assert "avgPrice" not in placed["answer"]
    (order,) = await lesson.orders(purpose="open")
    assert (order["status"], order["venue_order_id"]) == ("filled", str(placed["answer"]["orderId"]))
    (fill,) = await lesson.fills()
    assert (fill["quantity"], fill["price"]) == ("1", order["average_price"])
    labels = {"symbol": lesson.symbol, "side": "BUY", "status": "filled"}
    assert await made.engine.metric("tradeengine_orders_executed_total", **labels) == 1


async def test_i101_a_position_is_recorded_though_its_price_comes_later(made: Rig) -> None:
    """An order that is acknowledged without a price is on record at once, and its price when it is known."""
    lesson = await begin(made, "I101USDT")
    for event in ("ORDER_TRADE_UPDATE", "TRADE_LITE"):
        await made.exchange.fault({"delay_event_ms": 5_000}, event=event, s=lesson.symbol, times=None)
    # A look would find the fill before the stream tells it.
    await made.exchange.fault({"html_503": True}, None, path="*/positionRisk")
    await lesson.accepted(quantity="1")
    (order,) = await made.until(lambda: lesson.orders(status="open"), "an acknowledged order")
    assert (order["filled_quantity"], order["average_price"]) == ("0", None)
    await made.exchange.heal()
    await lesson.until_booked(1)
    (row,) = await made.engine.rows("/strategy-positions", symbol=lesson.symbol)
    (fill,) = await lesson.fills()
    assert row["entry_price"] == fill["price"]
    assert Decimal(row["entry_price"]) == Decimal("100.1")
    await lesson.until_stops(2)
    await made.engine.until_ready()


async def test_i49_an_order_for_the_whole_position_does_not_keep_stops_away(made: Rig) -> None:
    """A stop for the whole position rests, to which alone -4130 applies: the engine's stop is taken beside it.

    The row's "treated as done", "replaced" and "retried" cannot arise: the exchange says -4130 of a second order with
    ``closePosition`` on one side of a leg (Binance docs, "Error Codes"), and the engine sends quantities only. If it
    should say so all the same, the next test holds that the position is closed rather than left without a stop.
    """
    lesson = await begin(made, "I49USDT")
    terms = {"symbol": lesson.symbol, "side": "SELL", "positionSide": "LONG", "type": "STOP_MARKET"}
    whole = {"algoType": "CONDITIONAL", "closePosition": "true", "triggerPrice": "90", **terms}
    await lesson.opened("first")
    assert "algoId" in await made.exchange.signed("POST", ALGO_ORDER, **whole)
    assert (await made.exchange.signed("POST", ALGO_ORDER, **whole))["code"] == -4130
    await lesson.accepted(strategy="second", quantity="1")
    await lesson.until_stops(5)
    assert -4130 not in [(row["answer"] or {}).get("code") for row in await lesson.own_changes()]
    for strategy in ("first", "second"):
        await lesson.accepted("close", strategy)
    await lesson.until_held(0)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_i49_a_stop_that_is_said_to_exist_is_not_placed_again_and_again(made: Rig, when: str) -> None:
    """-4130 all the same, with the order live and with none: in 5 s the position is gone, and so is the order."""
    lesson = await begin(made, "I49USDT")
    params = {"symbol": lesson.symbol, "type": "STOP_MARKET"}
    await made.exchange.fault(EXISTS, when=when, method="POST", path=ALGO_ORDER, params=params)
    await lesson.accepted(strategy=when, quantity="1")
    await made.until(lambda: lesson.orders(purpose="flatten", status="filled", strategy_id=when), "the way out", 5)
    await lesson.until_held(0)
    await lesson.until_stops(0)
    placed = [row for row in await lesson.sent("POST", ALGO_ORDER) if row["parameters"]["type"] == "STOP_MARKET"]
    assert len(placed) == 1


async def _leverage(lesson: Lesson) -> int:
    (terms,) = await lesson.rig.exchange.signed("GET", "/fapi/v1/symbolConfig", symbol=lesson.symbol)
    return int(terms["leverage"])


def _named(request: dict[str, Any]) -> Any:
    return request["parameters"].get("origclientorderid")
