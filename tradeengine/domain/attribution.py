"""Attribution: whose a fill is, and what it does to everybody's books."""

from collections.abc import Sequence
from decimal import Decimal

from contracts.enums import CloseReason, FillOrigin, OrderPurpose
from contracts.signal import EXTERNAL
from tradeengine.domain import events as ev
from tradeengine.domain.books import Books
from tradeengine.domain.ids import uuid_of
from tradeengine.domain.inputs import FillReported
from tradeengine.domain.money import ZERO, split, split_in_steps
from tradeengine.domain.orders import ApprovedOrder, LiveOrder
from tradeengine.domain.position import Leg, StrategyPosition
from tradeengine.domain.state import ShardState

Parts = Sequence[tuple[StrategyPosition, Decimal]]
"""Positions, and how much of a fill is each one's, base asset."""


def holder(state: ShardState, leg: Leg, fill: FillReported, order: LiveOrder | None) -> StrategyPosition:
    """The position that a fill belongs to, a new one if its strategy holds nothing; without an order, external's."""
    owner = order.order.strategy_id if order else EXTERNAL
    return leg.strategies.get(owner) or StrategyPosition(
        position_id=uuid_of(state.journal_id, str(state.shard), fill.symbol, fill.position_side, fill.trade_id),
        strategy_id=owner,
        symbol=fill.symbol,
        side=fill.position_side,
        signal_id=order.order.signal_id if order else "",
        entry_order_id=fill.client_order_id,
        opened_ms=fill.time_ms,
    )


def givers(state: ShardState, leg: Leg, fill: FillReported) -> Parts:
    """Who gives how much of a closing fill that is nobody's: ``external`` what it holds, the others the rest.

    The others give in proportion to what they hold, in whole steps, for less could never be closed. What the exchange
    forces, it takes from all alike.
    """
    instrument = state.instruments.get(fill.symbol)
    step = instrument.step_size if instrument else ZERO
    external = leg.strategies.get(EXTERNAL) if fill.origin is FillOrigin.ORDER else None
    own = min(fill.quantity, max(external.quantity, ZERO)) if external else ZERO
    first = [(external, own)] if external and own else []
    others = [held for held in leg.strategies.values() if held is not external and held.quantity > ZERO]
    if fill.quantity <= own:
        return first
    parts = split_in_steps(fill.quantity - own, [held.quantity for held in others], step)
    return [*first, *[(held, part) for held, part in zip(others, parts, strict=True) if part]]


def opened(
    state: ShardState, leg: Leg, fill: FillReported, parts: Parts, order: LiveOrder | None, *, reconciled: bool = False
) -> ev.OrderFilled:
    """The event of a fill that adds to the leg."""
    asset = _settle_asset(state, fill)
    fees = split(fill.fee, [quantity for _, quantity in parts])
    shares = []
    for (position, quantity), fee in zip(parts, fees, strict=True):
        after = _after(position.books, fill, quantity, fee, asset)
        shares.append(_share(position, quantity, fee, after, None if after.quantity else CloseReason.MANUAL))
    after = _after(leg.books, fill, fill.quantity, fill.fee, asset)
    return _event(leg, fill, order, after, shares, asset, reconciled=reconciled)


def closed(
    state: ShardState, leg: Leg, fill: FillReported, parts: Parts, order: LiveOrder | None, *, reconciled: bool = False
) -> ev.OrderFilled:
    """The event of a fill that takes off the leg."""
    asset = _settle_asset(state, fill)
    fees = split(fill.fee, [quantity for _, quantity in parts])
    reason = close_reason(fill, order)
    shares = [
        _share(position, quantity, fee, _after(position.books, fill, quantity, fee, asset), reason)
        for (position, quantity), fee in zip(parts, fees, strict=True)
    ]
    after = _after(leg.books, fill, fill.quantity, fill.fee, asset)
    return _event(leg, fill, order, after, shares, asset, reconciled=reconciled)


def _settle_asset(state: ShardState, fill: FillReported) -> str:
    instrument = state.instruments.get(fill.symbol)
    return instrument.settle_asset if instrument else fill.fee_asset


def _after(books: Books, fill: FillReported, quantity: Decimal, fee: Decimal, settle_asset: str) -> Books:
    """Books after a part of a fill; a fee in another asset than the quote currency stands beside the sums."""
    change = books.opened if fill.side is fill.position_side.opening else books.closed
    if fill.fee_asset == settle_asset or not fee:
        return change(fill.position_side, quantity, fill.price, fee)
    return change(fill.position_side, quantity, fill.price, ZERO).charged(fill.fee_asset, fee)


_FORCED = {
    FillOrigin.LIQUIDATION: CloseReason.LIQUIDATION,
    FillOrigin.ADL: CloseReason.LIQUIDATION,
    FillOrigin.SETTLEMENT: CloseReason.EMERGENCY,
}
_ASKED = {
    OrderPurpose.STOP_LOSS: CloseReason.STOP_LOSS,
    OrderPurpose.TAKE_PROFIT: CloseReason.TAKE_PROFIT,
    OrderPurpose.FLATTEN: CloseReason.EMERGENCY,
}


def close_reason(fill: FillReported, order: LiveOrder | None) -> CloseReason:
    """Why a closing fill closes."""
    return _FORCED.get(fill.origin, CloseReason.MANUAL) if order is None else order_reason(order.order)


def order_reason(order: ApprovedOrder) -> CloseReason:
    """Why the fills of a closing order close."""
    return order.close_reason or _ASKED.get(order.purpose, CloseReason.MANUAL)


def _share(
    position: StrategyPosition, quantity: Decimal, fee: Decimal, after: Books, reason: CloseReason | None
) -> ev.FillShare:
    return ev.FillShare(
        strategy_id=position.strategy_id,
        position_id=position.position_id,
        quantity=quantity,
        fee=fee,
        signal_id=position.signal_id,
        opened_ms=position.opened_ms,
        after=after,
        realized=after.realized - position.books.realized,
        close_reason=reason,
    )


def _event(
    leg: Leg,
    fill: FillReported,
    order: LiveOrder | None,
    after: Books,
    shares: Sequence[ev.FillShare],
    settle_asset: str,
    *,
    reconciled: bool,
) -> ev.OrderFilled:
    return ev.OrderFilled(
        time_ms=fill.time_ms,
        client_order_id=fill.client_order_id,
        trade_id=fill.trade_id,
        symbol=fill.symbol,
        side=fill.side,
        position_side=fill.position_side,
        opening=fill.side is fill.position_side.opening,
        quantity=fill.quantity,
        price=fill.price,
        fee=fill.fee,
        fee_asset=fill.fee_asset,
        maker=fill.maker,
        before=leg.quantity,
        after=after,
        opened_ms=leg.opened_ms if leg.strategies else fill.time_ms,
        order_remaining=order.remaining - fill.quantity if order else ZERO,
        sequence=leg.sequence + 1,
        shares=tuple(shares),
        realized=after.realized - leg.books.realized,
        reconciled=reconciled,
        settle_asset=settle_asset,
    )
