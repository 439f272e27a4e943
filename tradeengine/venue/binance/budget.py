"""Request weight and order counts: who may spend them, and when nobody may."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from contracts.enums import OrderPurpose
from shared.clock import Clock
from shared.errors import RetrySafe


class Priority(IntEnum):
    """What a request is for, most urgent first."""

    PROTECT = 0
    CLOSE = 1
    QUERY = 2
    OPEN = 3
    READ = 4


class _Allowance(NamedTuple):
    """What a priority may use of each limit, percent, and how long it waits for more, seconds."""

    share_pct: int
    patience_s: float


_ALLOWANCES: Mapping[Priority, _Allowance] = {
    Priority.PROTECT: _Allowance(100, 15),
    Priority.CLOSE: _Allowance(100, 15),
    Priority.QUERY: _Allowance(90, 15),
    # An opening that waits keeps what closes from leaving, and gets worse by the second.
    Priority.OPEN: _Allowance(80, 1),
    Priority.READ: _Allowance(70, 65),
}
_PAUSE_S = 0.05


class Limits(NamedTuple):
    """Limits of the exchange; the defaults are those that Binance docs, General Info, state."""

    weight_1m: int = 2400
    orders_10s: int = 300
    orders_1m: int = 1200


class Usage(NamedTuple):
    """What was used of the limits in the intervals under way.

    Parameters
    ----------
    stopped_s
        How long nothing may be sent yet, seconds; zero while requests may go.
    """

    weight_1m: int
    order_count_10s: int
    order_count_1m: int
    limits: Limits
    stopped_s: float


@dataclass(slots=True)
class _Window:
    """A count that starts anew with every interval of the clock, as the exchange counts."""

    length_ms: int
    limit: int
    used: int = 0
    pending: int = 0
    _index: int = -1

    def at(self, now_ms: int) -> "_Window":
        index = now_ms // self.length_ms
        if index != self._index:
            # What is under way will be counted in the new interval.
            self._index, self.used = index, self.pending
        return self

    def seen_at(self, now_ms: int) -> int:
        """The count, for those who only look: they may do so from any thread."""
        return self.used if now_ms // self.length_ms == self._index else self.pending

    def rest_s(self, now_ms: int) -> float:
        return (self.length_ms - now_ms % self.length_ms) / 1000

    def fits(self, amount: int, share_pct: int) -> bool:
        return not amount or (self.used + amount) * 100 <= self.limit * share_pct

    def fits_share(self, amount: int, share_pct: int, share: tuple[int, int]) -> bool:
        part, whole = share
        return not amount or not self.used or (self.used + amount) * 100 * whole <= self.limit * share_pct * part

    def take(self, amount: int) -> None:
        self.used += amount
        self.pending += amount

    def settle(self, amount: int) -> None:
        self.pending -= amount

    def adopt(self, counted: int) -> None:
        """Take the exchange's own count, to which what is still under way is added."""
        self.used = counted + self.pending


class Budget:
    """Deals out request weight and order counts by priority, and stops everything when the exchange asks for it.

    The exchange counts orders by account and weight by address, and says with its answers what was used of them,
    whoever used it; see :meth:`adopt`. Where several processes trade the account, openings keep to a share besides, see
    :meth:`set_share`, so that they cannot all use up the same rest before an answer tells.

    Parameters
    ----------
    clock
        What waiting waits on. Intervals are those of the exchange's clock, see :attr:`offset_ms`.
    limits
        Limits that hold until :meth:`set_limits` brings the exchange's own.
    """

    def __init__(self, clock: Clock, limits: Limits | None = None) -> None:
        self._clock = clock
        self._limits = limits or Limits()
        self._weight = _Window(60_000, self._limits.weight_1m)
        self._orders_10s = _Window(10_000, self._limits.orders_10s)
        self._orders_1m = _Window(60_000, self._limits.orders_1m)
        # Openings of this process alone.
        self._own_10s = _Window(10_000, self._limits.orders_10s)
        self._own_1m = _Window(60_000, self._limits.orders_1m)
        self.share = (1, 1)
        """Part and whole of what openings may use, see :meth:`set_share`."""
        self._stopped_until = 0.0
        self.offset_ms = 0
        """What the exchange's clock is ahead of ours, milliseconds."""

    def set_limits(self, limits: Limits) -> None:
        """Hold other limits from now on."""
        self._limits = limits
        self._weight.limit, self._orders_10s.limit, self._orders_1m.limit = limits
        self._own_10s.limit, self._own_1m.limit = limits.orders_10s, limits.orders_1m

    def set_share(self, part: int, whole: int) -> None:
        """Let openings of this process use no more than ``part / whole`` of what openings may use of the order limits.

        One may leave in each interval all the same, so that a small limit dealt among many stops nobody. Closing and
        protecting are not held to it: their reserve is whoever's needs it.

        Parameters
        ----------
        part, whole
            ``0 <= part <= whole``, ``whole > 0``; the parts of all processes together are the whole at most.
        """
        self.share = (part, whole)

    @asynccontextmanager
    async def spend(self, priority: Priority, weight: int, orders: int = 0) -> AsyncIterator[None]:
        """Wait until a request may go, and count it; it is made inside.

        Parameters
        ----------
        priority
            Decides how much of each limit it may use, and how long it waits.
        weight
            Request weight.
        orders
            What it counts against the limits of orders.

        Raises
        ------
        RetrySafe
            If it may not go within the priority's patience. Nothing was sent.
        """
        await self._admit(priority, weight, orders)
        own = orders if priority is Priority.OPEN else 0
        costs = (
            *((self._weight, weight), (self._orders_10s, orders), (self._orders_1m, orders)),
            *((self._own_10s, own), (self._own_1m, own)),
        )
        for window, amount in costs:
            window.take(amount)
        try:
            yield
        finally:
            for window, amount in costs:
                window.settle(amount)

    async def _admit(self, priority: Priority, weight: int, orders: int) -> None:
        share_pct, patience_s = _ALLOWANCES[priority]
        deadline = self._clock.monotonic() + patience_s
        own = orders if priority is Priority.OPEN else 0
        while wait_s := self._wait_s(share_pct, weight, orders, own):
            left_s = deadline - self._clock.monotonic()
            if left_s < min(wait_s, _PAUSE_S) or (wait_s > left_s and self.stopped_s > left_s):
                raise RetrySafe(
                    f"no request of priority {priority.name} may go for {wait_s:.1f} s: {self._why()}; it was not sent"
                )
            await self._clock.sleep(min(wait_s, left_s) + _PAUSE_S)

    def _wait_s(self, share_pct: int, weight: int, orders: int, own: int) -> float:
        """Seconds until it is worth asking again, zero if a request may go now."""
        if self.stopped_s:
            return self.stopped_s
        now_ms = self._now_ms()
        waits = [
            window.rest_s(now_ms)
            for window, amount in ((self._weight, weight), (self._orders_10s, orders), (self._orders_1m, orders))
            if not window.at(now_ms).fits(amount, share_pct)
        ]
        waits += [
            window.rest_s(now_ms)
            for window in (self._own_10s, self._own_1m)
            if not window.at(now_ms).fits_share(own, share_pct, self.share)
        ]
        return max(waits, default=0.0)

    def adopt(self, weight_1m: int | None, order_count_10s: int | None, order_count_1m: int | None) -> None:
        """Take over what the exchange says was used; ``None`` where an answer did not say."""
        now_ms = self._now_ms()
        for window, counted in (
            (self._weight, weight_1m),
            (self._orders_10s, order_count_10s),
            (self._orders_1m, order_count_1m),
        ):
            if counted is not None:
                window.at(now_ms).adopt(counted)

    def stop(self, seconds: float) -> None:
        """Send nothing for so long: the exchange said 429 or 418."""
        self._stopped_until = max(self._stopped_until, self._clock.monotonic() + seconds)

    @property
    def stopped_s(self) -> float:
        """How long nothing may be sent yet, seconds."""
        return max(0.0, self._stopped_until - self._clock.monotonic())

    def usage(self) -> Usage:
        """What is used now, for metrics and health."""
        now_ms = self._now_ms()
        return Usage(
            self._weight.seen_at(now_ms),
            self._orders_10s.seen_at(now_ms),
            self._orders_1m.seen_at(now_ms),
            self._limits,
            self.stopped_s,
        )

    def _now_ms(self) -> int:
        return self._clock.now_ms() + self.offset_ms

    def _why(self) -> str:
        if self.stopped_s:
            return f"the exchange asked for silence for {self.stopped_s:.1f} s more"
        used, (part, whole) = self.usage(), self.share
        return (
            f"used {used.weight_1m} of {used.limits.weight_1m} weight and {used.order_count_1m} of "
            f"{used.limits.orders_1m} orders in this minute, {used.order_count_10s} of {used.limits.orders_10s} "
            "orders in these 10 s"
        ) + (f", {self._own_10s.used} of them opened here, where {part} of {whole} shards are" if part < whole else "")


def priority_of(purpose: OrderPurpose) -> Priority:
    """Priority of placing an order."""
    if purpose.opening:
        return Priority.OPEN
    return Priority.PROTECT if purpose.protective else Priority.CLOSE
