"""Events and alerts: what strategies and operators hear, against what the exchange did."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from nats.aio.client import Client
from nats.js.errors import NotFoundError

from contracts.enums import CloseReason, Reason, Refusal, RejectionSource
from contracts.execution_event import ExecutionEvent
from contracts.subjects import ALERTS_STREAM, EXECUTION_STREAM
from tests.lessons.lesson import Lesson, begin, school
from tests.process.load import connected, publish
from tests.support.deadline import PATIENCE_S
from tests.support.nats import NatsServer, nats_server
from tests.support.process import READ, signal_document
from tests.support.protecting import ALGO_ORDER, ORDER
from tests.support.rig import Rig

__all__ = ["nats_server"]

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]

SYMBOLS = tuple(f"I{number}{tail}USDT" for number in range(112, 119) for tail in ("", "A"))
FILLS = ("partial_fill", "filled")

Event = dict[str, Any]


class Stage:
    """Exchange, engine and broker, and what the broker holds."""

    def __init__(self, made: Rig, client: Client) -> None:
        self.made = made
        self._client = client

    async def kept(self, stream: str = EXECUTION_STREAM) -> list[Event]:
        """Everything that a stream holds, oldest first."""
        jetstream = self._client.jetstream(timeout=PATIENCE_S)
        last = (await jetstream.stream_info(stream)).state.last_seq
        found = [await jetstream.get_msg(stream, number) for number in range(1, last + 1)]
        if stream == EXECUTION_STREAM:
            for message in found:
                ExecutionEvent.model_validate_json(message.data or b"")
        return [json.loads(message.data or b"") for message in found]

    async def send(self, document: dict[str, Any]) -> None:
        """Send a signal by the broker."""
        await publish(self._client.jetstream(timeout=PATIENCE_S), document)

    async def until_told(self, lesson: Lesson, fits: Callable[[list[Event]], object], what: str) -> list[Event]:
        """Wait until the events of a symbol are as they should be; they."""
        told: list[Event] = []

        async def look() -> bool:
            try:
                told[:] = [event for event in await self.kept() if event["symbol"] == lesson.symbol]
            except NotFoundError:
                return False
            return bool(fits(told))

        try:
            await self.made.until(look, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{told}") from None
        return told


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("events")
    server = NatsServer(folder / "nats").start()
    try:
        async with (
            school(folder, SYMBOLS, nats_url=server.url, MAX_POSITION_SIZE_USD="1000") as made,
            connected(server.url) as client,
        ):
            yield Stage(made, client)
    finally:
        server.close()


def of(told: list[Event], *kinds: str) -> list[Event]:
    return [event for event in told if event["event_type"] in kinds]


def ended(told: list[Event]) -> Counter[str]:
    """How often each signal was told as ended."""
    return Counter(event["signal_id"] for event in told if event.get("terminal"))


# ---------------------------------------------------------------- fills


async def test_i112_a_fill_that_is_streamed_before_the_answer_has_its_decision(stage: Stage) -> None:
    """The user stream tells of the fill while the answer to the order is still under way."""
    lesson = await begin(stage.made, "I112USDT")
    params = {"symbol": lesson.symbol}
    await stage.made.exchange.fault({"delay_ms": 700}, when="after", method="POST", path=ORDER, params=params)
    await lesson.accepted(quantity="1", signal_id="first", decision_id="of the committee")
    told = await stage.until_told(lesson, lambda told: of(told, "filled"), "the fill")
    (fill,) = of(told, *FILLS)
    assert (fill["decision_id"], fill["signal_id"]) == ("of the committee", "first")
    assert [event["event_type"] for event in told[:4]] == ["accepted", "placed", "filled", "position_opened"]
    assert all(event["decision_id"] == "of the committee" for event in told)


async def test_i112_a_fill_whose_answer_is_lost_has_its_decision(stage: Stage) -> None:
    """The answer never comes."""
    lesson = await begin(stage.made, "I112AUSDT")
    params = {"symbol": lesson.symbol}
    await stage.made.exchange.fault("drop_connection", when="after", method="POST", path=ORDER, params=params)
    await lesson.accepted(quantity="1", signal_id="first")
    told = await stage.until_told(lesson, lambda told: of(told, "filled"), "the fill")
    assert [event["decision_id"] for event in of(told, *FILLS)] == ["first"]


async def test_i113_every_fill_has_its_fee_and_every_exit_its_result(stage: Stage) -> None:
    """Entry, exit by signal, and exit by the stop, against the exchange's own trades."""
    lesson = await begin(stage.made, "I113USDT")
    await lesson.opened()
    await lesson.accepted("close", quantity="0.4")
    await lesson.until_booked("0.6")
    await lesson.mark("97")
    await lesson.until_booked(0)
    told = await stage.until_told(lesson, lambda told: of(told, "position_closed"), "the close")
    trades = await stage.made.exchange.signed("GET", "/fapi/v1/userTrades", symbol=lesson.symbol)
    fills = of(told, *FILLS)
    assert len(fills) == len(trades) == 3
    for fill, trade in zip(fills, trades, strict=True):
        assert Decimal(fill["fill_qty"]) == Decimal(trade["qty"])
        assert Decimal(fill["fill_price"]) == Decimal(trade["price"])
        assert (Decimal(fill["fee"]), fill["fee_asset"]) == (Decimal(trade["commission"]), trade["commissionAsset"])
        assert Decimal(fill["fee"]) > 0
        assert Decimal(fill["pnl"]) == Decimal(trade["realizedPnl"])
        assert Decimal(fill["pnl_net"]) == Decimal(fill["pnl"]) - Decimal(fill["fee"])
    assert [fill.get("close_reason") for fill in fills] == [None, CloseReason.MANUAL, CloseReason.STOP_LOSS]
    (closed,) = of(told, "position_closed")
    assert Decimal(closed["pnl"]) == sum(Decimal(trade["realizedPnl"]) for trade in trades)
    assert Decimal(closed["fee"]) == sum(Decimal(trade["commission"]) for trade in trades)
    assert Decimal(closed["pnl_net"]) == Decimal(closed["pnl"]) - Decimal(closed["fee"])


# ---------------------------------------------------------------- ends


async def test_i114_each_signal_ends_in_one_terminal_event_with_an_enumerated_source(stage: Stage) -> None:
    """Accepted, held, a copy, and refusals of several stages: one end each, and each refusal says who and why."""
    lesson = await begin(stage.made, "I114USDT")
    document = lesson.document(quantity="1", signal_id="opens")
    for _ in range(3):
        await stage.made.engine.send(document)
    await lesson.accepted("close", signal_id="closes", quantity="0.5")
    refusals = {
        "stale": lesson.document(signal_id="stale", quantity="1", timestamp=1_767_268_800_000),
        "small": lesson.document(signal_id="small", quantity="0.00001"),
        "nothing": lesson.document("close", "nobody", signal_id="nothing"),
        "unsure": lesson.document(signal_id="unsure", quantity="1", confidence="0.01"),
    }
    for refused in refusals.values():
        answer = (await stage.made.engine.send(refused)).json()
        assert answer["outcome"] == "rejected", answer
    await stage.made.engine.send(lesson.document("hold", signal_id="holds"))
    signals = {"opens", "closes", "holds", *refusals}
    told = await stage.until_told(lesson, lambda told: ended(told).keys() >= signals, "every end")
    assert ended(told) == dict.fromkeys(signals, 1)
    assert len(of(told, "duplicate")) == 2
    assert of(told, "held")[0]["terminal"] is True
    for event in of(told, "rejected"):
        assert RejectionSource(event["rejection_source"])
        assert Reason(event["rejection_reason"])
    reasons = {event["signal_id"]: event["rejection_reason"] for event in of(told, "rejected")}
    assert reasons["stale"] == "stale_signal"
    assert reasons["nothing"] == "no_position"


@pytest.mark.parametrize(
    ("status", "code", "when", "kind", "reason"),
    [
        (400, -2019, "before", "rejected", "no_margin"),
        (400, -2010, "before", "rejected", "other"),
        (400, -2015, "before", "rejected", "not_allowed"),
        (400, -4164, "before", "rejected", "other"),
        (503, -1000, "before", "rejected", "other"),
        (503, -1000, "after", "filled", None),
        (408, -1007, "after", "filled", None),
        (503, -1008, "before", "filled", None),
        (400, -1021, "before", "filled", None),
    ],
)
async def test_i115_the_end_is_what_became_of_the_order_at_the_exchange(
    stage: Stage, status: int, code: int, when: str, kind: str, reason: str | None
) -> None:
    """Whatever the exchange answers: refused for good, refused for now, unknown and executed, unknown and not."""
    lesson = await begin(stage.made, "I115USDT")
    strategy = f"{code}-{when}"
    effect = {"status": status, "code": code, "msg": "told so"}
    await stage.made.exchange.fault(effect, 1, when, method="POST", path=ORDER, params={"symbol": lesson.symbol})
    await lesson.accepted(strategy=strategy, quantity="1", signal_id=strategy)
    told = await stage.until_told(lesson, lambda told: ended(told)[strategy], "the end")
    (end,) = [event for event in told if event.get("terminal") and event["signal_id"] == strategy]
    assert (end["event_type"], end.get("rejection_reason")) == (kind, reason)
    orders = await stage.made.exchange.signed("GET", "/fapi/v1/allOrders", symbol=lesson.symbol)
    known = [order["status"] for order in orders if order["clientOrderId"] == end["client_order_id"]]
    assert known == (["FILLED"] if kind == "filled" else [])
    if reason is not None:
        assert Refusal(end["rejection_reason"])
        assert end["rejection_source"] in ("venue", "engine")


async def test_i115_an_order_that_expires_at_the_exchange_is_told_as_expired(stage: Stage) -> None:
    """A limit order that may not wait, and one that is cancelled by hand."""
    lesson = await begin(stage.made, "I115AUSDT")
    limit = {"quantity": "1", "order_type": "limit", "target_price": "99"}
    await lesson.accepted(signal_id="ioc", time_in_force="IOC", **limit)
    await stage.until_told(lesson, lambda told: ended(told)["ioc"], "the end")
    await lesson.accepted(strategy="B", signal_id="rests", **limit)
    (order,) = await stage.made.until(lambda: lesson.orders(status="open"), "a resting order")
    await stage.made.exchange.signed("DELETE", ORDER, symbol=lesson.symbol, orderId=order["venue_order_id"])
    told = await stage.until_told(lesson, lambda told: ended(told)["rests"], "the end")
    ends = {event["signal_id"]: event["event_type"] for event in told if event.get("terminal")}
    assert ends == {"ioc": "expired", "rests": "cancelled"}


async def test_i118_balance_limit_and_whitelist_have_reasons_of_their_own(stage: Stage) -> None:
    """Too little margin, too large a position, and a symbol that may not be traded."""
    lesson = await begin(stage.made, "I118USDT")
    margin = {"status": 400, "code": -2019, "msg": "Margin is insufficient."}
    await stage.made.exchange.fault(margin, method="POST", path=ORDER, params={"symbol": lesson.symbol})
    await lesson.accepted(signal_id="balance", quantity="1")
    await lesson.opened("C", quantity="20")
    await lesson.refused(strategy="C", signal_id="limit", quantity="1")
    elsewhere = lesson.document(signal_id="whitelist", quantity="1") | {"symbol": "NOTLISTEDUSDT"}
    assert (await stage.made.engine.send(elsewhere)).json()["outcome"] == "rejected"

    def reasons(events: list[Event]) -> dict[str, tuple[str, str]]:
        found = of(events, "rejected")
        return {one["signal_id"]: (one["rejection_source"], one["rejection_reason"]) for one in found}

    async def told() -> dict[str, tuple[str, str]]:
        wanted = {"balance", "limit", "whitelist"}
        events = [one for one in await stage.kept() if one.get("signal_id") in wanted]
        return reasons(events) if reasons(events).keys() >= wanted else {}

    found = await stage.made.until(told, "three refusals")
    assert found["balance"] == ("venue", "no_margin")
    assert found["limit"] == ("risk", "position_limit")
    assert found["whitelist"] == ("validation", "symbol_not_allowed")


# ---------------------------------------------------------------- alerts and metrics


async def test_i117_a_scrape_has_every_metric_that_is_advertised(stage: Stage) -> None:
    """After a gain, a loss, a refusal and a copy, each metric of the list has a sample."""
    lesson = await begin(stage.made, "I117USDT")
    document = lesson.document(quantity="1", signal_id="gain")
    await stage.made.engine.send(document)
    await stage.send(document)
    await lesson.until_stops(2)
    await lesson.mark("105")
    await lesson.until_booked(0)
    await lesson.mark("100")
    await lesson.opened("B")
    await lesson.mark("97")
    await lesson.until_booked(0)
    await lesson.mark("100")
    await lesson.opened("C", quantity="20")
    await lesson.refused(strategy="C", signal_id="too much", quantity="1")

    async def missing() -> list[str]:
        text = (await stage.made.engine.request("GET", "/metrics")).text
        samples = {line.partition(" ")[0].partition("{")[0] for line in text.splitlines() if line[:1] != "#"}
        return [name for name in ADVERTISED if not samples & {f"tradeengine_{name}", f"tradeengine_{name}_count"}]

    async def complete() -> bool:
        return await missing() == []

    try:
        await stage.made.until(complete, "every metric")
    except AssertionError as error:
        raise AssertionError(f"no sample of {await missing()}\n{error}") from None


ADVERTISED = (
    "positions_opened_total",
    "positions_closed_total",
    "position_pnl_usd",
    "position_pnl_percentage",
    "position_duration_seconds",
    "position_roi",
    "position_commission_usd",
    "position_entry_price_usd",
    "position_exit_price_usd",
    "open_positions_value_usd",
    "unrealized_pnl_usd",
    "positions_winning_total",
    "positions_losing_total",
    "signals_received_total",
    "signals_processed_total",
    "signals_duplicate_total",
    "signals_rejected_total",
    "orders_executed_total",
    "order_execution_seconds",
    "risk_rejections_total",
    "risk_checks_total",
    "nats_messages_processed_total",
    "copy_lag_records",
    "copy_lag_seconds",
)


async def test_i116_an_alert_that_nobody_can_be_told_is_seen_and_told_later(
    tmp_path: Path, nats_server: NatsServer
) -> None:
    """The broker is away while a stop is refused: table, counter and health say so, and the alert arrives after it."""
    symbol = "I116USDT"
    async with school(tmp_path, [symbol], nats_url=nats_server.url) as made:
        refused = {"status": 400, "code": -2010, "msg": "NEW_ORDER_REJECTED"}
        await made.exchange.fault(refused, None, method="POST", path=ALGO_ORDER, params={"type": "STOP_MARKET"})
        nats_server.kill()
        await made.engine.accept(signal_document(symbol=symbol, quantity="1"))
        await made.engine.until_metric("tradeengine_alerts_total", 1, name="stop_refused", severity="critical")
        (row,) = await made.engine.until_rows("/alerts", bool, name="stop_refused")

        async def told() -> Any:
            health = (await made.engine.request("GET", "/health", headers=READ)).json()
            return health["components"]["execution_events"]

        async def degraded() -> bool:
            return bool((await told())["status"] == "degraded")

        await made.until(degraded, "health to say so")
        assert "broker" in (await told())["reason"]
        lag = ("tradeengine_copy_lag_records", {"copy": "execution_events"})
        await made.until(lambda: made.engine.metric(lag[0], **lag[1]), "the lag")
        nats_server.start()

        async with connected(nats_server.url) as client:
            stage = Stage(made, client)

            async def arrived() -> list[Event]:
                return [alert for alert in await stage.kept(ALERTS_STREAM) if alert["alert_name"] == "stop_refused"]

            (alert,) = await made.until(arrived, "the alert")
        assert (alert["message"], alert["severity"]) == (row["text"], "critical")
