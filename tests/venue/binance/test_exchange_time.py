"""The exchange's clock as it is known here: never further off than is said, whatever the network does."""

import math
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.clock import ManualClock, SystemClock
from shared.errors import RetrySafe
from tests.venue.binance.wire import Wire, answering, serving
from tradeengine.venue.binance.budget import Priority
from tradeengine.venue.binance.endpoints import PLACE, TIME
from tradeengine.venue.binance.exchange_time import DRIFT, MOST_ERROR_MS, ExchangeTime

ORDERED = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01", "newClientOrderId": "te-1"}
T0 = 1_767_268_800_000


class World:
    """A machine and an exchange whose clocks run apart, in milliseconds of true time."""

    def __init__(self, ahead_ms: float, drift: float) -> None:
        self.clock = ManualClock(T0)
        self.time = ExchangeTime(self.clock)
        self._ahead_ms = ahead_ms
        self._drift = drift

    def exchange_ms(self) -> float:
        """What the exchange's clock shows now."""
        passed = self.clock.now_ms() - T0
        return T0 + self._ahead_ms + passed * (1 + self._drift)

    def wait(self, ms: int) -> None:
        self.clock.set(self.clock.now_ms() + ms)

    def measure(self, there_ms: int, back_ms: int) -> None:
        asked = self.clock.monotonic()
        self.wait(there_ms)
        served = int(self.exchange_ms())
        self.wait(back_ms)
        self.time.measured(served, asked, self.clock.monotonic())

    def believed_ms(self) -> float:
        return self.clock.now_ms() + self.time.offset_ms


ways = st.tuples(st.integers(0, 5_000), st.integers(0, 5_000), st.integers(0, 600_000))


@given(
    ahead_ms=st.floats(-1e7, 1e7),
    drift=st.floats(-DRIFT, DRIFT),
    measurements=st.lists(ways, min_size=1, max_size=12),
    window_ms=st.integers(500, 10_000),
)
def test_the_error_is_never_larger_than_said_and_the_window_never_longer(
    ahead_ms: float, drift: float, measurements: list[tuple[int, int, int]], window_ms: int
) -> None:
    world = World(ahead_ms, drift)
    for there_ms, back_ms, pause_ms in measurements:
        world.measure(there_ms, back_ms)
        world.wait(pause_ms)
        # One for what an offset in whole milliseconds leaves out.
        assert abs(world.believed_ms() - world.exchange_ms()) <= world.time.error_ms + 1
        timestamp_ms = int(world.believed_ms())
        until = world.time.taken_until(timestamp_ms, window_ms)
        # When the exchange's clock has really come to the end of the window.
        really = world.clock.monotonic() + (timestamp_ms + window_ms - world.exchange_ms()) / 1000
        assert until >= really - (window_ms + 2 * world.time.error_ms) / 1000 * DRIFT - 0.001


def test_before_a_measurement_nothing_is_known() -> None:
    time = ExchangeTime(ManualClock(T0))
    assert (time.error_ms, time.offset_ms, time.taken_until(T0, 2_000)) == (math.inf, 0, math.inf)
    assert "not known" in str(time.trouble)


def test_half_a_round_trip_is_the_error_and_it_grows_with_age() -> None:
    world = World(5_000, 0)
    world.measure(10, 30)
    assert world.time.error_ms == pytest.approx(20.5)
    world.wait(60_000)
    assert world.time.error_ms == pytest.approx(20.5 + 30)
    assert world.time.trouble is None
    world.wait(2_000_000)
    assert world.time.error_ms > MOST_ERROR_MS
    assert "measured again" in str(world.time.trouble)


def test_a_slow_answer_does_not_make_the_clock_less_known_and_a_quick_one_makes_it_better() -> None:
    world = World(5_000, 0)
    world.measure(1_000, 3_000)
    assert world.time.trouble is not None
    world.measure(5, 5)
    quick = world.time.error_ms
    world.measure(1_000, 3_000)
    assert world.time.error_ms == pytest.approx(quick + 4_000 * DRIFT)


def test_a_clock_that_was_set_is_followed_at_once() -> None:
    world = World(0, 0)
    world.measure(5, 5)
    world._ahead_ms = 30_000
    world.measure(50, 50)
    assert world.believed_ms() == pytest.approx(world.exchange_ms(), abs=world.time.error_ms + 1)


# ---------------------------------------------------------------- on the wire


class SetClock(SystemClock):
    """The machine's wall clock, which somebody sets; what it measures intervals by goes on."""

    ahead_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.ahead_ms


async def test_a_wall_clock_that_is_set_changes_no_signature() -> None:
    async with serving() as wire:
        machine = wire.clock = SetClock()
        wire.handler = answering({"orderId": 1})
        rest = wire.rest()
        with patch("binance.base_client.time", SimpleNamespace(time=lambda: machine.now_ms() / 1000)):
            await rest.measure_clock()
            for ahead_ms in (0, 3_600_000, -3_600_000):
                machine.ahead_ms = ahead_ms
                await rest.call(PLACE, Priority.OPEN, **ORDERED)
                assert abs(int(wire.requests[-1][2]["timestamp"]) - SystemClock().now_ms()) < 1_000


async def test_an_order_that_meets_a_failing_clock_is_no_order() -> None:
    async with serving() as wire:
        wire.handler = answering({"orderId": 1})
        rest = wire.rest(fence=_refuse)
        with pytest.raises(RetrySafe):
            await rest.call(PLACE, Priority.OPEN, **ORDERED)
        await rest.call(TIME)
        assert _paths(wire) == ["/fapi/v1/time"]


def _refuse(_timestamp_ms: int, _recv_window_ms: int) -> None:
    raise RetrySafe("the exchange's time is not known")


def _paths(wire: Wire) -> list[str]:
    return [path for _, path, _ in wire.requests]


def test_a_machine_that_stood_still_learns_it_from_the_exchange_s_clock() -> None:
    """Its monotonic clock counted nothing meanwhile, and others may have taken over what it held."""
    world = World(ahead_ms=0, drift=0)
    leaps: list[float] = []
    world.time.on_leap = leaps.append
    world.measure(5, 5)
    world.wait(60_000)
    world.measure(5, 5)
    assert leaps == [], "clocks that run apart as clocks do are no leap"

    world._ahead_ms += 20_000
    world.measure(5, 5)
    assert leaps == [pytest.approx(20, abs=0.1)]
    world._ahead_ms -= 30_000
    world.measure(5, 5)
    assert len(leaps) == 1, "a clock that was set back hides no time"
