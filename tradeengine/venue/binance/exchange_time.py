"""The exchange's clock, as far as it is known here: counted on the machine's monotonic clock, with a bound of error."""

import math
from collections.abc import Callable
from typing import Final, NamedTuple

import structlog

from shared.clock import Clock

MOST_ERROR_MS: Final = 1_000
"""Beyond this nothing is sent. The exchange refuses a request whose time lies more than a second ahead of its own
(Binance docs, General Info, "Timing Security"), and an order that got no answer counts as lost after a time that allows
for as much."""
DRIFT: Final = 0.000_5
"""Most that the two clocks' rates differ: time synchronisation changes that of a machine by 500 ppm at most."""

log = structlog.get_logger(__name__)


class _Reading(NamedTuple):
    """What the exchange's clock shows when the monotonic clock shows 0, milliseconds, give or take the error."""

    base_ms: float
    error_ms: float
    at: float

    def error_at(self, now: float) -> float:
        return self.error_ms + (now - self.at) * 1000 * DRIFT


class ExchangeTime:
    """What time it is at the exchange.

    A served time was read at the exchange somewhere between the question and the answer, so half the round trip is the
    error, whatever the way there and back took. The error grows with the age of the measurement. A new measurement that
    agrees with the former one replaces it only if it is the sharper one: a slow network makes the clock no worse known.
    One that disagrees does replace it: a clock was set.

    Requests are signed with the exchange's time counted on the monotonic clock, never with the machine's wall clock,
    which may be set at any time. No clock of another process is read: the exchange alone judges the age of a request.

    Where the error is beyond :data:`MOST_ERROR_MS`, orders and cancels are kept back, those that close and protect
    included. That loses nothing: a request with a wrong time is refused by the exchange anyway. And it keeps what
    counts: it is known when a request that got lost can have no effect any more, so nobody sends it a second time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._reading: _Reading | None = None
        self.on_leap: Callable[[float], None] = lambda seconds: None
        """Told when the exchange's clock has moved ahead, seconds: a machine that stood still did not count them."""

    def measured(self, served_ms: int, asked: float, answered: float) -> None:
        """Take an answer.

        Parameters
        ----------
        served_ms
            Exchange's clock, milliseconds since 1970 UTC, cut to whole ones.
        asked, answered
            Monotonic time before the question left and after the answer had come, seconds.
        """
        earliest, latest = served_ms - answered * 1000, served_ms + 1 - asked * 1000
        fresh = _Reading((earliest + latest) / 2, (latest - earliest) / 2, answered)
        held, leap_ms = self._reading, 0.0
        if held is not None:
            apart = abs(fresh.base_ms - held.base_ms)
            agrees = apart <= fresh.error_ms + held.error_at(answered)
            if agrees and held.error_at(answered) <= fresh.error_ms:
                return
            if not agrees:
                log.warning("exchange_clock_moved", by_ms=round(apart), action="the new time is taken")
                leap_ms = fresh.base_ms - held.base_ms
        self._reading = fresh
        if leap_ms > 0:
            self.on_leap(leap_ms / 1000)

    @property
    def error_ms(self) -> float:
        """Most by which :meth:`now_ms` is wrong, milliseconds; infinite before the first measurement."""
        return math.inf if self._reading is None else self._reading.error_at(self._clock.monotonic())

    @property
    def offset_ms(self) -> int:
        """What the exchange's clock is ahead of the machine's wall clock now, milliseconds; 0 before a measurement."""
        if self._reading is None:
            return 0
        return round(self._reading.base_ms + self._clock.monotonic() * 1000) - self._clock.now_ms()

    @property
    def trouble(self) -> str | None:
        """Why no order may be sent, ``None`` while the time is known well enough."""
        error_ms = self.error_ms
        if error_ms <= MOST_ERROR_MS:
            return None
        known = "not known" if math.isinf(error_ms) else f"known to {error_ms:.0f} ms only"
        return (
            f"the exchange's time is {known}, {MOST_ERROR_MS} ms are needed: no order is sent until it was measured "
            "again, which happens by itself; check the network to the exchange"
        )

    def taken_until(self, timestamp_ms: int, recv_window_ms: int) -> float:
        """When a request becomes too old for the exchange.

        Parameters
        ----------
        timestamp_ms
            The request's signed time.

        Returns
        -------
        float
            Monotonic time, seconds, after which the exchange surely refuses it; infinite before a measurement.
        """
        if self._reading is None:
            return math.inf
        # The exchange's clock may be behind what is believed by the whole error.
        slowest_ms = self._reading.base_ms - self.error_ms
        return (timestamp_ms + recv_window_ms - slowest_ms) / 1000
