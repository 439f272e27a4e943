"""Funding: what a settlement pays or charges each leg, and each strategy on it."""

from decimal import Decimal

from contracts.enums import PositionSide
from tradeengine.domain import events as ev
from tradeengine.domain.books import EMPTY
from tradeengine.domain.inputs import FundingSettled, trade_key
from tradeengine.domain.money import ZERO, split
from tradeengine.domain.position import Leg
from tradeengine.domain.state import ShardState


def funding_amount(side: PositionSide, quantity: Decimal, mark_price: Decimal, rate: Decimal) -> Decimal:
    """Funding of a position in quote currency, positive is received: ``-sign × quantity × mark × rate``."""
    paid = quantity * mark_price * rate
    return -paid if side is PositionSide.LONG else paid


def decide_funding(state: ShardState, settled: FundingSettled) -> list[ev.AnyEvent]:
    """Book a settlement on the legs that it is of, shared by what each strategy holds.

    What the exchange says that it booked is the truth. Where it says one sum for both legs, each has what the rate
    makes of it, and the greater leg takes what that leaves. A settlement with a number is booked once; where nothing is
    held any more, it is noted as nobody's.
    """
    if settled.id is not None and trade_key(settled.symbol, settled.id) in state.settlements:
        return []
    sides = (settled.position_side,) if settled.position_side else tuple(PositionSide)
    legs = [leg for side in sides if (leg := state.leg(settled.symbol, side)) and leg.quantity > ZERO]
    amounts = [funding_amount(leg.side, leg.quantity, settled.mark_price, settled.rate) for leg in legs]
    if settled.amount is not None and legs:
        greatest = max(range(len(legs)), key=lambda place: legs[place].quantity)
        amounts[greatest] += settled.amount - sum(amounts, ZERO)
    if not legs and settled.id is not None:
        return [_event(settled, sides[0], settled.amount or ZERO, None)]
    return [_event(settled, leg.side, amount, leg) for leg, amount in zip(legs, amounts, strict=True)]


def _event(settled: FundingSettled, side: PositionSide, amount: Decimal, leg: Leg | None) -> ev.FundingBooked:
    return ev.FundingBooked(
        time_ms=settled.time_ms,
        symbol=settled.symbol,
        position_side=side,
        rate=settled.rate,
        mark_price=settled.mark_price,
        amount=amount,
        after=leg.books.funded(amount) if leg else EMPTY,
        shares=_shares(leg, amount) if leg else (),
        id=settled.id,
    )


def _shares(leg: Leg, amount: Decimal) -> tuple[ev.FundingShare, ...]:
    # Those that owe come first, so that what is left to share out never passes through nothing.
    holders = sorted(leg.strategies.values(), key=lambda holder: holder.quantity >= 0)
    parts = split(amount, [holder.quantity for holder in holders])
    return tuple(
        [
            ev.FundingShare(
                strategy_id=holder.strategy_id,
                position_id=holder.position_id,
                amount=part,
                after=holder.books.funded(part),
            )
            for holder, part in zip(holders, parts, strict=True)
        ]
    )
