"""The exchange window: no order leaves that the exchange could still take when the shard's lease has ended.

An exchange knows no fencing tokens, and a client order id is unique among open orders only. But it refuses a signed
request that is older than its ``recvWindow`` (Binance docs, General Info, "Timing Security"). So a request is signed
first; then it is checked that the lease outlives the last moment at which the exchange may take it; then it leaves. A
process that freezes anywhere, before the check or after it, cannot land an order once another works on its shard.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal
from typing import Final

from shared.clock import Clock
from shared.errors import Fenced, RetrySafe
from tradeengine.domain.orders import ApprovedOrder, OrderName
from tradeengine.runtime.ownership import Ownership
from tradeengine.venue.base import OrderDoor, Report

MARGIN_S: Final = 0.25
"""What the lease must last longer than the window. Rates of two machines' clocks are the keeper's concern; this is for
what the reading of a clock may be late by."""

LEASE_OVER: Final = "lease_over"
WINDOW_TOO_LONG: Final = "window_too_long"


class ShardFence:
    """One shard's lease, as orders are held against it.

    Parameters
    ----------
    epoch
        Fencing token of the lease that the shard is worked on under: any other lease counts for nothing.
    refusals
        Counts what is kept here, by :data:`LEASE_OVER` and :data:`WINDOW_TOO_LONG`.
    """

    def __init__(self, ownership: Ownership, shard: int, epoch: int, clock: Clock, refusals: "Counter[str]") -> None:
        self._ownership = ownership
        self._shard = shard
        self._epoch = epoch
        self._clock = clock
        self._refusals = refusals

    def check(self, taken_until: float | None = None) -> None:
        """Let a request leave, or not.

        Parameters
        ----------
        taken_until
            Monotonic time, seconds, after which the venue surely does not take the request any more; now, if not given.

        Raises
        ------
        Fenced
            If the lease is over: whatever is known of the shard is worthless.
        RetrySafe
            If the lease is held, and ends too soon: once it is renewed the request may leave. An order is better late
            by that than a shard dropped because the lease store was slow.
        """
        now = self._clock.monotonic()
        held = self._ownership.held.get(self._shard)
        if held is None or held.epoch != self._epoch or held.until <= now:
            self._refusals[LEASE_OVER] += 1
            raise Fenced(
                f"the lease of shard {self._shard} with epoch {self._epoch} is over, so nothing of it may leave: drop "
                "the shard; who holds it now asks the venue what became of its orders"
            )
        needed = max(0.0, taken_until - now) if taken_until is not None else 0.0
        if held.until < now + needed + MARGIN_S:
            self._refusals[WINDOW_TOO_LONG] += 1
            raise RetrySafe(
                f"the lease of shard {self._shard} lasts {held.until - now:.2f} s, and the venue may take this request "
                f"for {needed:.2f} s: it was not sent; send it again when the lease is renewed"
            )


_sending: ContextVar[ShardFence | None] = ContextVar("sending", default=None)


@contextmanager
def _sending_under(fence: ShardFence) -> Iterator[None]:
    token = _sending.set(fence)
    try:
        yield
    finally:
        _sending.reset(token)


def window_fence(taken_until: float) -> None:
    """Hold an order's signed request against the lease of the shard that sends it; for venues to call.

    Parameters
    ----------
    taken_until
        As for :meth:`ShardFence.check`.

    Raises
    ------
    Fenced
        If the lease is over, or if no shard sends: an order of nobody's must not leave.
    RetrySafe
        If the lease ends too soon.
    """
    fence = _sending.get()
    if fence is None:
        raise Fenced("an order was about to leave outside of any shard; send orders through the door of their shard")
    fence.check(taken_until)


class FencedDoor:
    """A venue's door for one shard: what changes anything passes while the shard's lease holds; questions always do.

    The door itself checks before the venue is called, which is all that a venue without a wire needs. A venue with one
    calls :func:`window_fence` once the request is signed.
    """

    def __init__(self, venue: OrderDoor, fence: ShardFence) -> None:
        self._venue = venue
        self._fence = fence
        self.settle_s = venue.settle_s

    def mark_price(self, symbol: str) -> Decimal | None:
        """Newest price known, ``None`` while there is none."""
        return self._venue.mark_price(symbol)

    async def place(self, order: ApprovedOrder) -> None:
        """Send an order; see :meth:`tradeengine.venue.base.OrderDoor.place`.

        Raises
        ------
        Fenced, RetrySafe
            As :meth:`ShardFence.check`.
        """
        self._fence.check()
        with _sending_under(self._fence):
            await self._venue.place(order)

    async def cancel(self, order: ApprovedOrder | OrderName) -> None:
        """Ask for the end of an order; see :meth:`tradeengine.venue.base.OrderDoor.cancel`.

        A late cancel would take a stop away from who counts on it, so it is fenced as an order is.

        Raises
        ------
        Fenced, RetrySafe
            As :meth:`ShardFence.check`.
        """
        self._fence.check()
        with _sending_under(self._fence):
            await self._venue.cancel(order)

    async def query(self, order: ApprovedOrder) -> Sequence[Report] | None:
        """What the venue knows of an order."""
        return await self._venue.query(order)
