"""Fills: attribute what the venue executed to the strategies that it belongs to."""

from decimal import Decimal

from contracts.enums import CloseReason, OrderPurpose
from tradeengine.domain import events as ev
from tradeengine.domain.books import EMPTY, Books
from tradeengine.domain.ids import uuid_of
from tradeengine.domain.inputs import FillReported, trade_key
from tradeengine.domain.money import ZERO, split
from tradeengine.domain.orders import LiveOrder
from tradeengine.domain.position import Leg, StrategyPosition
from tradeengine.domain.protection import withdraw
from tradeengine.domain.risk import approve_reducing, reducing_draft
from tradeengine.domain.state import ShardState

EXTERNAL = "external"
"""Strategy that owns what no strategy of the engine asked for."""


def decide_fill(state: ShardState, fill: FillReported) -> list[ev.AnyEvent]:
    """Book one fill, once, whatever its order.

    A fill belongs to the strategy of its order. A fill of an order that is not known (a manual trade, a liquidation)
    belongs to :data:`EXTERNAL`; where it closes more than that holds, the others give in proportion.
    """
    if trade_key(fill.symbol, fill.trade_id) in state.trades:
        return [_ignored(fill, "booked before")]
    opening = fill.side is fill.position_side.opening
    live = state.orders.get(fill.client_order_id)
    leg = state.leg(fill.symbol, fill.position_side) or Leg(symbol=fill.symbol, side=fill.position_side)
    if opening:
        return [_opened(state, leg, fill, live), *_close_unwanted(state, fill, live)]
    if leg.quantity < fill.quantity:
        return [_ignored(fill, f"closes {fill.quantity} of {leg.key}, which holds {leg.quantity}")]
    filled = _closed(leg, fill, live)
    emptied = [leg.strategies[share.strategy_id] for share in filled.shares if not share.after.quantity]
    # What is left of the order itself would sell what others hold.
    unfinished = live is not None and not live.status.terminal and live.remaining > fill.quantity
    but = "" if unfinished else fill.client_order_id
    return [filled, *[e for p in emptied for e in withdraw(state, p, but, fill.time_ms)]]


def _close_unwanted(state: ShardState, fill: FillReported, live: LiveOrder | None) -> list[ev.AnyEvent]:
    """An entry filled although its strategy has asked to be out: what it bought is sold again."""
    if live is None or not live.unwanted:
        return []
    order = live.order
    draft = reducing_draft(
        order.strategy_id, order.signal_id, order.symbol, order.position_side, OrderPurpose.CLOSE, fill.quantity
    )
    approved = approve_reducing(state, draft, state.orders_planned, fill.time_ms)
    return [ev.OrderPlanned(time_ms=fill.time_ms, order=approved)]


def _opened(state: ShardState, leg: Leg, fill: FillReported, live: LiveOrder | None) -> ev.OrderFilled:
    owner = live.order.strategy_id if live else EXTERNAL
    held = leg.strategies.get(owner)
    if held is None:
        signal_id = live.order.signal_id if live else ""
        position_id, opened_ms, books = _position_id(state, fill), fill.time_ms, EMPTY
    else:
        signal_id, position_id, opened_ms, books = held.signal_id, held.position_id, held.opened_ms, held.books
    share = ev.FillShare(
        strategy_id=owner,
        position_id=position_id,
        quantity=fill.quantity,
        fee=fill.fee,
        signal_id=signal_id,
        opened_ms=opened_ms,
        after=books.opened(fill.quantity, fill.price, fill.fee),
    )
    return _event(leg, fill, live, leg.books.opened(fill.quantity, fill.price, fill.fee), (share,))


def _position_id(state: ShardState, fill: FillReported) -> str:
    return uuid_of(state.journal_id, str(state.shard), fill.symbol, fill.position_side, fill.trade_id)


def _closed(leg: Leg, fill: FillReported, live: LiveOrder | None) -> ev.OrderFilled:
    owner = live.order.strategy_id if live else EXTERNAL
    givers = _givers(leg, owner, fill.quantity)
    fees = split(fill.fee, [quantity for _, quantity in givers])
    reason = _close_reason(live)
    shares = [
        _closing_share(fill, position, quantity, fee, reason)
        for (position, quantity), fee in zip(givers, fees, strict=True)
    ]
    after = leg.books.closed(fill.position_side, fill.quantity, fill.price, fill.fee)
    return _event(leg, fill, live, after, tuple(shares))


def _closing_share(
    fill: FillReported, position: StrategyPosition, quantity: Decimal, fee: Decimal, reason: CloseReason
) -> ev.FillShare:
    after = position.books.closed(fill.position_side, quantity, fill.price, fee)
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


def _givers(leg: Leg, owner: str, quantity: Decimal) -> list[tuple[StrategyPosition, Decimal]]:
    """Who gives how much of a closing fill: the owner first, then ``external``, then the others in proportion."""
    givers: list[tuple[StrategyPosition, Decimal]] = []
    rest = quantity
    for name in dict.fromkeys((owner, EXTERNAL)):
        position = leg.strategies.get(name)
        if position is not None and rest:
            part = min(rest, position.quantity)
            givers.append((position, part))
            rest -= part
    if rest:
        others = [p for p in leg.strategies.values() if p.strategy_id not in (owner, EXTERNAL)]
        parts = split(rest, [p.quantity for p in others])
        givers += [(p, part) for p, part in zip(others, parts, strict=True) if part]
    return givers


def _close_reason(live: LiveOrder | None) -> CloseReason:
    if live is None:
        return CloseReason.MANUAL
    match live.order.purpose:
        case OrderPurpose.STOP_LOSS:
            return CloseReason.STOP_LOSS
        case OrderPurpose.TAKE_PROFIT:
            return CloseReason.TAKE_PROFIT
        case _:
            return CloseReason.MANUAL


def _event(
    leg: Leg, fill: FillReported, live: LiveOrder | None, after: Books, shares: tuple[ev.FillShare, ...]
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
        opened_ms=leg.opened_ms if leg.quantity else fill.time_ms,
        order_remaining=live.remaining - fill.quantity if live else ZERO,
        sequence=leg.sequence + 1,
        shares=shares,
        realized=after.realized - leg.books.realized,
    )


def _ignored(fill: FillReported, reason: str) -> ev.FillIgnored:
    return ev.FillIgnored(
        time_ms=fill.time_ms,
        client_order_id=fill.client_order_id,
        trade_id=fill.trade_id,
        symbol=fill.symbol,
        reason=reason,
    )
