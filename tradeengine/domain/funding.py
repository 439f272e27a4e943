"""Funding: what a settlement pays or charges each leg, and each strategy on it."""

from collections.abc import Sequence
from decimal import Decimal

from contracts.enums import PositionSide
from tradeengine.domain import events as ev
from tradeengine.domain.books import EMPTY
from tradeengine.domain.inputs import FundingSettled, trade_key
from tradeengine.domain.money import ZERO, split
from tradeengine.domain.position import Leg
from tradeengine.domain.state import ShardState

REPORTED_MS = 5_000
"""How much later than an execution its report may be, milliseconds: by that positions are dated."""


def funding_amount(side: PositionSide, quantity: Decimal, mark_price: Decimal, rate: Decimal) -> Decimal:
    """Funding of a position in quote currency, positive is received: ``-sign × quantity × mark × rate``."""
    paid = quantity * mark_price * rate
    return -paid if side is PositionSide.LONG else paid


def decide_funding(state: ShardState, settled: FundingSettled) -> list[ev.AnyEvent]:
    """Book a settlement on the legs that it is of, shared by what each strategy holds.

    What the exchange says that it booked is the truth, and a settlement with a number is booked once. It is of legs
    that were held when it was settled; where none is, it is noted as nobody's. What was settled before the journal was
    opened is in the account that the books began with.
    """
    if settled.id is not None and trade_key(settled.symbol, settled.id) in state.settlements:
        return []
    if settled.settled_ms is not None and settled.settled_ms < state.began_ms:
        return []
    sides = (settled.position_side,) if settled.position_side else tuple(PositionSide)
    legs = [leg for side in sides if (leg := state.leg(settled.symbol, side)) and leg.quantity > ZERO]
    parts = _parts([leg for leg in legs if _was_held(leg.opened_ms, settled)], settled)
    if not parts and settled.id is not None:
        return [_event(settled, _payer(settled), settled.amount or ZERO, None)]
    return [_event(settled, leg.side, amount, leg) for leg, amount in parts]


def _was_held(opened_ms: int, settled: FundingSettled) -> bool:
    return settled.settled_ms is None or opened_ms <= settled.settled_ms + REPORTED_MS


def _parts(legs: Sequence[Leg], settled: FundingSettled) -> list[tuple[Leg, Decimal]]:
    """What each leg pays or receives.

    The exchange may list each leg for itself, or one sum for both, and does not name the leg: it is what comes nearest
    to what the rate makes of it, and never a leg that the rate would have charged for what was received. Where both are
    meant, the greater leg takes what the rate leaves.
    """
    parts = [(leg, _by_rate(leg, settled)) for leg in legs]
    amount = settled.amount
    if amount is None:
        return parts
    if settled.position_side is None:
        alone = [[part] for part in parts if part[1] * amount >= ZERO]
        together = [parts] if len(parts) > 1 else []
        parts = min([*together, *alone], key=lambda some: abs(amount - _sum(some)), default=[])
    if not parts:
        return []
    greatest = max(range(len(parts)), key=lambda place: parts[place][0].quantity)
    left = amount - _sum(parts)
    return [(leg, part + left if place == greatest else part) for place, (leg, part) in enumerate(parts)]


def _sum(parts: Sequence[tuple[Leg, Decimal]]) -> Decimal:
    return sum((amount for _, amount in parts), ZERO)


def _by_rate(leg: Leg, settled: FundingSettled) -> Decimal:
    if settled.rate is None or settled.mark_price is None:
        return ZERO
    return funding_amount(leg.side, leg.quantity, settled.mark_price, settled.rate)


def _payer(settled: FundingSettled) -> PositionSide:
    """Leg that a settlement must have been of, though nothing is held there any more."""
    if settled.position_side is not None:
        return settled.position_side
    received = (settled.rate or ZERO) * (settled.amount or ZERO) > ZERO
    return PositionSide.SHORT if received else PositionSide.LONG


def _event(settled: FundingSettled, side: PositionSide, amount: Decimal, leg: Leg | None) -> ev.FundingBooked:
    return ev.FundingBooked(
        time_ms=settled.time_ms,
        symbol=settled.symbol,
        position_side=side,
        rate=settled.rate,
        mark_price=settled.mark_price,
        amount=amount,
        after=leg.books.funded(amount) if leg else EMPTY,
        shares=_shares(leg, amount, settled) if leg else (),
        id=settled.id,
        settled_ms=settled.settled_ms,
    )


def _shares(leg: Leg, amount: Decimal, settled: FundingSettled) -> tuple[ev.FundingShare, ...]:
    everybody = list(leg.strategies.values())
    held = [holder for holder in everybody if _was_held(holder.opened_ms, settled)]
    if sum((holder.quantity for holder in held), ZERO) <= ZERO:
        held = everybody
    # Those that owe come first, so that what is left to share out never passes through nothing.
    holders = sorted(held, key=lambda holder: holder.quantity >= 0)
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
