"""Demand: what an opening takes of the account's limits, which other shards share."""

from collections.abc import Iterable
from decimal import Decimal, localcontext
from typing import Final, NamedTuple

from msgspec import structs

from contracts.enums import OrderPurpose, Reason
from tradeengine.domain.allowance import needed
from tradeengine.domain.event import Event
from tradeengine.domain.events import OrderPlanned, SignalDecided
from tradeengine.domain.inputs import SignalReceived
from tradeengine.domain.money import MONEY
from tradeengine.domain.signals import decide_signal
from tradeengine.domain.state import ShardState

SHARED_LIMITS: Final = frozenset({Reason.EXPOSURE_LIMIT, Reason.PROTECTION_LIMIT, Reason.ACCOUNT_UNKNOWN})
"""Reasons of refusals that another process may do away with."""

_ENDLESS: Final = Decimal("Infinity")
_MANY: Final = 1_000_000


class Demand(NamedTuple):
    """What an order takes.

    Parameters
    ----------
    exposure
        Notional, in quote currency.
    conditional
        Conditional orders: its own, or those of its stop and target.
    """

    exposure: Decimal
    conditional: int


def lacks_room(decided: Iterable[Event]) -> bool:
    """Whether a decision refuses an opening for a limit that the whole account shares."""
    return any(isinstance(event, SignalDecided) and event.reason in SHARED_LIMITS for event in decided)


def demand(state: ShardState, signal: SignalReceived) -> Demand | None:
    """What a signal would take if those limits let it pass; ``None`` if it would open nothing even then."""
    context = structs.replace(signal.context, exposure_room=_ENDLESS, conditional_room=_MANY, account_unknown=None)
    with localcontext(MONEY):
        for event in decide_signal(state, structs.replace(signal, context=context)):
            if isinstance(event, OrderPlanned) and event.order.purpose is OrderPurpose.OPEN:
                order = event.order
                price = order.price or order.trigger_price or signal.reference_price or Decimal(0)
                leg = state.leg(order.symbol, order.position_side)
                return Demand(order.quantity * price, needed(state.config, leg, order))
    return None
