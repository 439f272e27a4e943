import asyncio
from collections.abc import Iterator
from decimal import Decimal
from itertools import count

import pytest

from contracts.signal import Signal
from shared.clock import ManualClock
from shared.errors import OutcomeUnknown, Rejected, RetrySafe
from tests.support.builders import T0
from tests.support.deadline import PATIENCE_S
from tradeengine.runtime.demo.presets import tick_strategies
from tradeengine.runtime.demo.runner import Demo
from tradeengine.runtime.demo.writer import Document
from tradeengine.venue.paper.instruments import DEMO_INSTRUMENTS
from tradeengine.venue.paper.prices import PriceGenerator

START = {"BTCUSDT": Decimal(45_000), "ETHUSDT": Decimal(2_500)}


class Counting:
    """One price a round: 1, 2, 3, …"""

    def __init__(self) -> None:
        self._next = count(1)

    def step(self) -> Iterator[tuple[str, Decimal]]:
        yield "BTCUSDT", Decimal(next(self._next))


class Echo:
    """Signals each price it hears, twice."""

    def on_price(self, symbol: str, price: Decimal, time_ms: int) -> list[Document]:
        return [{"signal_id": f"{price}{half}", "time_ms": time_ms} for half in "ab"]


class Wire:
    """A transport that fails as it is told to."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.tried: list[str] = []
        self.trouble: Exception | None = None

    async def publish(self, document: Document) -> None:
        self.tried.append(document["signal_id"])
        if self.trouble is not None:
            raise self.trouble
        self.sent.append(document["signal_id"])


def demo(wire: Wire, posted: list[tuple[str, Decimal]]) -> Demo:
    return Demo(
        strategies=[Echo()],
        prices=Counting(),
        post_price=lambda symbol, price: posted.append((symbol, price)),
        publish=wire.publish,
        clock=ManualClock(T0),
        pause_s=1,
    )


async def test_a_round_posts_the_price_and_sends_what_is_made_of_it() -> None:
    wire, posted = Wire(), list[tuple[str, Decimal]]()
    show = demo(wire, posted)

    await show.play_round()
    await show.play_round()

    assert posted == [("BTCUSDT", Decimal(1)), ("BTCUSDT", Decimal(2))]
    assert wire.sent == ["1a", "1b", "2a", "2b"]


@pytest.mark.parametrize(
    "trouble", [RetrySafe("full"), OutcomeUnknown("lost"), TimeoutError(), ConnectionError("away")]
)
async def test_what_could_not_be_sent_is_sent_again_in_order_and_prices_go_on(trouble: Exception) -> None:
    wire, posted = Wire(), list[tuple[str, Decimal]]()
    show = demo(wire, posted)

    wire.trouble = trouble
    for _ in range(3):
        await show.play_round()
    tried = list(wire.tried)
    wire.trouble = None
    await show.play_round()

    assert tried == ["1a", "1a", "1a"], "once a round"
    assert wire.sent == ["1a", "1b", "4a", "4b"], "strategies hear nothing while signals wait"
    assert [price for _, price in posted] == [1, 2, 3, 4]


async def test_a_signal_that_is_rejected_is_not_sent_again() -> None:
    wire, posted = Wire(), list[tuple[str, Decimal]]()
    show = demo(wire, posted)

    wire.trouble = Rejected("no such stream")
    await show.play_round()
    wire.trouble = None
    await show.play_round()

    assert wire.tried == ["1a", "1b", "2a", "2b"]


async def test_it_runs_until_it_is_cancelled_and_pauses_between_rounds() -> None:
    clock, documents, posted = ManualClock(T0), list[Document](), list[tuple[str, Decimal]]()
    enough = asyncio.Event()

    async def publish(document: Document) -> None:
        documents.append(document)
        if len(documents) == 20:
            enough.set()

    show = Demo(
        strategies=tick_strategies(),
        prices=PriceGenerator(5, DEMO_INSTRUMENTS, START, Decimal("0.0005")),
        post_price=lambda symbol, price: posted.append((symbol, price)),
        publish=publish,
        clock=clock,
        pause_s=2,
    )
    task = asyncio.create_task(show.run())
    await asyncio.wait_for(enough.wait(), timeout=PATIENCE_S)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert task.cancelled()
    signals = [Signal.from_document(document) for document in documents]
    assert {signal.strategy_id for signal in signals} == {"moving-average", "mean-reversion", "breakout"}
    assert {symbol for symbol, _ in posted} == set(START)
    rounds = len(posted) // len(START)
    assert clock.now_ms() == T0 + 2000 * rounds
