"""Funding: what a settlement pays or charges each leg, and each strategy on it."""

from decimal import Decimal

from contracts.enums import PositionSide
from tradeengine.domain import events as ev
from tradeengine.domain.inputs import FundingSettled
from tradeengine.domain.money import split
from tradeengine.domain.state import ShardState


def funding_amount(side: PositionSide, quantity: Decimal, mark_price: Decimal, rate: Decimal) -> Decimal:
    """Funding of a position in quote currency, positive is received: ``-sign × quantity × mark × rate``."""
    paid = quantity * mark_price * rate
    return -paid if side is PositionSide.LONG else paid


def decide_funding(state: ShardState, settled: FundingSettled) -> list[ev.AnyEvent]:
    """Book a settlement on every leg of the symbol, shared by what each strategy holds."""
    booked: list[ev.AnyEvent] = []
    for side in PositionSide:
        leg = state.leg(settled.symbol, side)
        if leg is None or leg.quantity <= 0:
            continue
        amount = funding_amount(side, leg.quantity, settled.mark_price, settled.rate)
        # Those that owe come first, so that what is left to share out never passes through nothing.
        holders = sorted(leg.strategies.values(), key=lambda holder: holder.quantity >= 0)
        parts = split(amount, [holder.quantity for holder in holders])
        booked.append(
            ev.FundingBooked(
                time_ms=settled.time_ms,
                symbol=settled.symbol,
                position_side=side,
                rate=settled.rate,
                mark_price=settled.mark_price,
                amount=amount,
                after=leg.books.funded(amount),
                shares=tuple(
                    [
                        ev.FundingShare(
                            strategy_id=holder.strategy_id,
                            position_id=holder.position_id,
                            amount=part,
                            after=holder.books.funded(part),
                        )
                        for holder, part in zip(holders, parts, strict=True)
                    ]
                ),
            )
        )
    return booked
