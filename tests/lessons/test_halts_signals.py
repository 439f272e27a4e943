"""Signals that lead to nothing, or to too much: each, whatever its form, is decided once and does what it asks for.

One engine, one broker and one exchange; each lesson trades a symbol of its own.
"""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
from nats.aio.client import Client
from nats.js.api import Header

from contracts.subjects import BARE_STREAM, SIGNALS, SIGNALS_STREAM, shard_of, signal_subject
from contracts.values import iso_millis
from shared.clock import SystemClock
from tests.lessons.lesson import Lesson, begin, school
from tests.process.load import connected, publish
from tests.support.deadline import PATIENCE_S
from tests.support.nats import NatsServer
from tests.support.protecting import ORDER, alerts, one, traded_by_hand
from tests.support.rig import Rig

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]

SHARDS = 8
SYMBOLS = tuple(f"I{number}USDT" for number in ("68", "69", "71", "73", "74", "78", "86", "87", "88", "95"))
TRADES = "ORDER_TRADE_UPDATE"
UNREADABLE = ("yesterday", "", True, -1, 10**16, "2026-13-01T00:00:00Z", "1e3")


class Stage(NamedTuple):
    """The engine at its exchange, and a connection to its broker."""

    made: Rig
    client: Client

    async def lesson(self, symbol: str) -> Lesson:
        return await begin(self.made, symbol)

    async def publish(self, *documents: dict[str, Any]) -> None:
        await publish(self.client.jetstream(timeout=PATIENCE_S), *documents)

    async def decided(self, signal_id: str) -> dict[str, Any]:
        """Wait for the decision on a signal."""
        (row,) = await self.made.engine.until_rows("/decisions", bool, signal_id=signal_id)
        return row


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("signals")
    server = NatsServer(folder / "nats")
    server.start()
    try:
        async with school(folder, SYMBOLS, nats_url=server.url) as made, connected(server.url) as client:
            yield Stage(made, client)
    finally:
        server.close()


async def bought(lesson: Lesson) -> list[dict[str, Any]]:
    """Requests for market orders to buy that the exchange took."""
    sent = await lesson.sent("POST", ORDER)
    return [row for row in sent if row["status"] == 200 and row["parameters"]["side"] == "BUY"]


# ---------------------------------------------------------------- one outcome, and only one


async def test_i68_two_ids_of_one_moment_are_two_decisions(stage: Stage) -> None:
    lesson = await stage.lesson("I68USDT")
    now = iso_millis(SystemClock().now_ms())
    for number in range(2):
        await lesson.accepted(signal_id=f"i68-{number}", timestamp=now, quantity="1")
    await lesson.until_held(2)
    assert len(await bought(lesson)) == 2


async def test_i69_strategies_that_number_alike_do_not_suppress_each_other(stage: Stage) -> None:
    lesson = await stage.lesson("I69USDT")
    for number in range(3):
        for strategy in ("A", "B"):
            await lesson.accepted("buy", strategy, signal_id=str(number), quantity="1")
    await lesson.until_held(6)
    again = await stage.made.engine.send(lesson.document("buy", "B", signal_id="0", quantity="1"))
    assert again.json()["outcome"] == "duplicate"
    assert len(await bought(lesson)) == 6


async def test_i74_a_signal_that_comes_by_nats_and_http_at_once_is_one_order(stage: Stage) -> None:
    lesson = await stage.lesson("I74USDT")
    document = lesson.document(signal_id="i74", quantity="1")
    for _ in range(3):
        await stage.client.publish(signal_subject(lesson.symbol), json.dumps(document).encode())
        await stage.client.publish(SIGNALS, json.dumps(document).encode())
        assert (await stage.made.engine.send(document)).status_code == 200
    await stage.made.engine.until_rows(
        "/decisions", lambda rows: [row["duplicates"] for row in rows] == [8], signal_id="i74"
    )
    await lesson.until_held(1)
    assert len(await bought(lesson)) == 1


# ---------------------------------------------------------------- what it is of


async def test_i71_the_target_of_one_strategy_leaves_the_other_alone(stage: Stage) -> None:
    lesson = await stage.lesson("I71USDT")
    await lesson.opened("near", quantity="1", take_profit="102")
    await lesson.opened("far", quantity="2", take_profit="105")
    (kept,) = [row for row in await lesson.until_protected("near", "far") if row["strategy_id"] == "far"]
    pair = {order["algoId"] for order in await lesson.stops() if order["quantity"].startswith("2")}
    await lesson.mark("102.5")
    await lesson.until_held(2)
    assert {order["algoId"] for order in await lesson.until_stops(2)} == pair
    (row,) = await lesson.until_protected("far")
    assert row["quantity"] == kept["quantity"]
    (position,) = await stage.made.engine.rows("/strategy-positions", symbol=lesson.symbol, strategy_id="near")
    assert (position["status"], position["close_reason"]) == ("closed", "take_profit")


async def test_i73_closes_of_what_is_not_held_reach_no_exchange(stage: Stage) -> None:
    lesson = await stage.lesson("I73USDT")
    assert {await lesson.refused("close", signal_id=f"i73-{number}") for number in range(10)} == {"no_position"}
    assert await lesson.own_changes() == []


async def test_i73_closes_of_a_position_that_the_exchange_lost_are_one_order(stage: Stage) -> None:
    """It was closed by hand and the stream said nothing: one order is refused, and that and the trade are told."""
    lesson = await stage.lesson("I73USDT")
    await lesson.opened("A", quantity="1")
    await stage.made.exchange.fault("swallow_event", times=None, event=TRADES)
    await traded_by_hand(stage.made.exchange, "SELL", "1", "LONG", lesson.symbol)
    since = await stage.made.exchange.moment()
    await lesson.accepted("close", signal_id="i73-ghost")
    for number in range(9):
        assert await lesson.refused("close", signal_id=f"i73-ghost-{number}") in ("already_closing", "no_position")
    await lesson.until_booked(0)
    await lesson.until_stops(0)
    await stage.made.exchange.heal()
    (asked,) = [row for row in await stage.made.exchange.requests("POST", ORDER, since) if row["status"] != 200]
    assert asked["parameters"]["symbol"] == lesson.symbol
    assert len(await lesson.sent("POST", ORDER)) == 3, "the entry, the close by hand, and the one that was refused"
    for name, severity in (("close_refused", "critical"), ("foreign_fill", "warning")):
        assert await alerts(stage.made, name, severity) == 1, name


async def test_i95_a_close_takes_off_exactly_the_sender_s_share(stage: Stage) -> None:
    lesson = await stage.lesson("I95USDT")
    await lesson.opened("A", quantity="2")
    await lesson.opened("B", quantity="3")
    await lesson.accepted("close", "A")
    await lesson.until_held(3)
    await lesson.until_booked(3)
    await stage.publish(lesson.document("close", "B", quantity="1"))
    await lesson.until_held(2)
    (row,) = await lesson.until_protected("B")
    assert row["quantity"] == "2"
    await lesson.accepted("close", "B")
    await lesson.until_held(0)
    await lesson.until_stops(0)


# ---------------------------------------------------------------- every way, and every form


@pytest.mark.parametrize(
    ("symbol", "subject"),
    [("I86USDT", None), ("I87USDT", signal_subject("I87USDT")), ("I88USDT", SIGNALS)],
    ids=["HTTP", "NATS", "NATS, bare subject"],
)
async def test_i86_i87_one_signal_is_one_order_at_the_exchange(stage: Stage, symbol: str, subject: str | None) -> None:
    lesson = await stage.lesson(symbol)
    document = lesson.document(signal_id=symbol, quantity="1")
    if subject is None:
        assert (await stage.made.engine.accept(document))["orders"]
    else:
        await stage.client.publish(subject, json.dumps(document).encode())
    await lesson.until_held(1)
    decision = await stage.decided(symbol)
    (order,) = await bought(lesson)
    assert decision["outcome"] == "accepted"
    assert decision["orders"] == [order["parameters"]["newclientorderid"]]
    assert one(await lesson.until_stops(2))["symbol"] == symbol


async def test_i88_when_it_is_ready_the_broker_knows_of_its_interest_in_every_shard(stage: Stage) -> None:
    """Each consumer is asked from this side, and a signal of each shard arrives, by either subject."""
    jetstream = stage.client.jetstream(timeout=PATIENCE_S)
    assert (await stage.made.engine.readiness())[0] == 200
    consumers = [(SIGNALS_STREAM, f"engine-shard-{shard}") for shard in range(SHARDS)] + [
        (BARE_STREAM, "engine-router")
    ]
    for stream, durable in consumers:

        async def asked_for(stream: str = stream, durable: str = durable) -> bool:
            return bool((await jetstream.consumer_info(stream, durable)).num_waiting)

        # Each question ends some time, and the next one follows.
        await stage.made.until(asked_for, f"somebody to ask for what {durable} has")
    symbols = {shard_of(f"S{number}USDT", SHARDS): f"S{number}USDT" for number in range(100)}
    assert len(symbols) == SHARDS
    for symbol in symbols.values():
        for subject in (signal_subject(symbol), SIGNALS):
            document = {"symbol": symbol, "strategy_id": "A", "action": "hold", "confidence": 1}
            told = document | {"signal_id": f"i88-{symbol}-{subject}", "timestamp": SystemClock().now_ms()}
            await stage.client.publish(subject, json.dumps(told).encode())
    for symbol in symbols.values():
        await stage.made.engine.until_rows("/decisions", lambda rows: len(rows) == 2, symbol=symbol)


async def test_i78_a_time_in_any_form_is_understood_or_refused_out_loud(stage: Stage) -> None:
    lesson = await stage.lesson("I78USDT")
    now = datetime.now(UTC)
    forms = {
        "naive": now.replace(tzinfo=None).isoformat(),
        "Z": iso_millis(SystemClock().now_ms()),
        "offset": now.astimezone(timezone(timedelta(hours=-3))).isoformat(),
        "seconds": int(now.timestamp()),
        "seconds in parts": round(now.timestamp(), 3),
        "seconds as text": str(int(now.timestamp())),
        "milliseconds": int(now.timestamp() * 1000),
        "milliseconds as text": str(int(now.timestamp() * 1000)),
    }
    for name, form in forms.items():
        await stage.publish(lesson.document(signal_id=f"nats {name}", timestamp=form, quantity="1"))
        await lesson.accepted(signal_id=f"http {name}", timestamp=form, quantity="1")
    for name in forms:
        assert (await stage.decided(f"nats {name}"))["outcome"] == "accepted"
    await lesson.until_held(2 * len(forms))

    local = (now + timedelta(hours=3)).replace(tzinfo=None).isoformat()
    assert await lesson.refused(timestamp=local, quantity="1") == "future_signal", "a local time without its offset"
    for form in UNREADABLE:
        answer = await stage.made.engine.send(lesson.document(timestamp=form))
        assert answer.status_code == 422, form
        assert "timestamp" in answer.json()["detail"]
        await stage.publish(lesson.document(timestamp=form))
    parked = await _parked(stage, lesson.symbol, len(UNREADABLE))
    assert all("timestamp" in reason for reason in parked)


async def _parked(stage: Stage, symbol: str, count: int) -> list[str]:
    """Wait until so many messages of a symbol lie in the dead letter stream; why each does."""
    jetstream = stage.client.jetstream(timeout=PATIENCE_S)

    async def reasons() -> list[str]:
        last = (await jetstream.stream_info("SIGNALS_DEAD")).state.last_seq
        messages = [await jetstream.get_msg("SIGNALS_DEAD", sequence) for sequence in range(1, last + 1)]
        assert all(Header.MSG_ID in (message.headers or {}) for message in messages)
        found = [message for message in messages if (message.headers or {})["Original-Subject"].endswith(symbol)]
        return [(message.headers or {})["Reason"] for message in found] if len(found) >= count else []

    found: list[str] = await stage.made.until(reasons, f"{count} dead letters of {symbol}")
    assert len(found) == count
    return found
