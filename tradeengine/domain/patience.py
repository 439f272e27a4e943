"""Patience: how long what a venue has refused waits before it is tried again, and how often the same is tried."""

from decimal import Decimal

import msgspec

from contracts.enums import OrderPurpose, Refusal
from tradeengine.domain.money import ZERO
from tradeengine.domain.orders import ApprovedOrder, OrderDraft

RETRY_MS = 10_000
"""Pause after a refusal, milliseconds."""

SLOW_MS = 60_000
"""Pause once a closing order has been refused more than :data:`MAX_SAME` times."""

FORBIDDEN_MS = 300_000
"""Pause after a refusal that asking again does not mend: key, account or symbol may not trade."""

ROUND_MS = 900_000
"""Pause once a stop or target has been refused :data:`MAX_SAME` times in the same form."""

MAX_SAME = 3
"""Most refusals in a row of one stop or target, in the same form, before it is given up for :data:`ROUND_MS`."""


class Refused(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a venue refused last of one thing that a position needs.

    Parameters
    ----------
    ms
        When, milliseconds since 1970 UTC.
    times
        How often in a row: of a stop or target, in the same form.
    quantity, trigger_price, callback_pct
        The form: base asset, price, fraction.
    waiting
        Whether nothing is under way for it now.
    """

    ms: int
    times: int = 1
    refusal: Refusal | None = None
    quantity: Decimal = ZERO
    trigger_price: Decimal | None = None
    callback_pct: Decimal | None = None
    waiting: bool = True

    def is_like(self, order: ApprovedOrder | OrderDraft) -> bool:
        """Whether an order has the form that was refused."""
        refused = (self.quantity, self.trigger_price, self.callback_pct)
        return refused == (order.quantity, order.trigger_price, order.callback_pct)

    def pause_ms(self, need: OrderPurpose) -> int:
        """Milliseconds from the refusal to the next attempt."""
        if need.protective and self.times >= MAX_SAME:
            return ROUND_MS
        if self.refusal is Refusal.NOT_ALLOWED:
            return FORBIDDEN_MS
        return SLOW_MS if self.times > MAX_SAME else RETRY_MS

    def is_due(self, need: OrderPurpose, time_ms: int, room_ms: int) -> bool:
        """Whether it may be tried again.

        Parameters
        ----------
        room_ms
            When a conditional order last left: what was refused for want of room may find it then.
        """
        waited = time_ms - self.ms
        if self.refusal is Refusal.TOO_MANY_ORDERS and room_ms > self.ms:
            return waited >= RETRY_MS
        return waited >= self.pause_ms(need)

    @property
    def wants_position(self) -> bool:
        """Whether it may have been refused because the exchange position held too little."""
        return self.refusal in (None, Refusal.NO_POSITION)


def need_of(purpose: OrderPurpose) -> OrderPurpose:
    """What an order is for, as far as refusals are remembered: all that closes at market is one need."""
    return OrderPurpose.CLOSE if purpose is OrderPurpose.FLATTEN else purpose


def refused_again(former: Refused | None, order: ApprovedOrder, refusal: Refusal | None, time_ms: int) -> Refused:
    """Remember that a venue refused an order, on top of what it had refused before."""
    counts = former is not None and (not order.purpose.protective or former.is_like(order))
    return Refused(
        ms=time_ms,
        times=former.times + 1 if former is not None and counts else 1,
        refusal=refusal,
        quantity=order.quantity,
        trigger_price=order.trigger_price,
        callback_pct=order.callback_pct,
    )
