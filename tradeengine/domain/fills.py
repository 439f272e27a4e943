"""Fills: attribute what the venue executed to the strategies that it belongs to."""

from decimal import Decimal

from contracts.enums import CloseReason, OrderPurpose
from contracts.signal import EXTERNAL
from tradeengine.domain import events as ev
from tradeengine.domain.books import Books
from tradeengine.domain.exits import cancel_surplus
from tradeengine.domain.ids import uuid_of
from tradeengine.domain.inputs import FillReported, trade_key
from tradeengine.domain.money import ZERO, split, split_in_steps
from tradeengine.domain.orders import LiveOrder
from tradeengine.domain.position import Leg, StrategyPosition
from tradeengine.domain.protection import withdraw
from tradeengine.domain.risk import market_orders
from tradeengine.domain.state import ShardState


def decide_fill(state: ShardState, fill: FillReported) -> list[ev.AnyEvent]:
    """Book one fill, once, whatever its order.

    A fill belongs to the strategy of its order, whatever that still holds (see :mod:`.overdraft`). A fill of an order
    that is not known (a manual trade, a liquidation) belongs to :data:`EXTERNAL`; where it closes more than that
    holds, the others give in proportion.
    """
    live = state.orders.get(fill.client_order_id)
    # A venue may name an order's trades again for as long as the order lives; the memory of all trades is shorter.
    if trade_key(fill.symbol, fill.trade_id) in state.trades or (live is not None and fill.trade_id in live.trades):
        return [_ignored(fill, "booked before")]
    opening = fill.side is fill.position_side.opening
    leg = state.leg(fill.symbol, fill.position_side) or Leg(symbol=fill.symbol, side=fill.position_side)
    if opening:
        return [_opened(state, leg, fill, live), *_close_unwanted(state, leg, fill, live)]
    if live is None and leg.quantity < fill.quantity:
        return [_ignored(fill, f"closes {fill.quantity} of {leg.key}, which holds {leg.quantity}")]
    filled = _closed(state, leg, fill, live)
    ended = [leg.strategies.get(share.strategy_id) for share in filled.shares if share.after.quantity <= ZERO]
    emptied = [position for position in ended if position is not None]
    # What is left of the order itself would sell what others hold.
    unfinished = live is not None and not live.status.terminal and live.remaining > fill.quantity
    but = "" if unfinished else fill.client_order_id
    withdrawn = [e for p in emptied for e in withdraw(state, p, but, fill.time_ms)]
    return [filled, *withdrawn, *[e for share in filled.shares for e in _too_much(state, leg, fill, share)]]


def _too_much(state: ShardState, leg: Leg, fill: FillReported, share: ev.FillShare) -> list[ev.AnyEvent]:
    """Closing orders under way that now ask for more than their strategy holds."""
    position = leg.strategies.get(share.strategy_id)
    if position is None or share.after.quantity <= ZERO:
        return []
    own = share.quantity if fill.client_order_id in position.closing_orders else ZERO
    if position.closing - own <= share.after.quantity:
        return []
    return cancel_surplus(state, position, fill.client_order_id, fill.time_ms)


def _close_unwanted(state: ShardState, leg: Leg, fill: FillReported, live: LiveOrder | None) -> list[ev.AnyEvent]:
    """What filled and is not wanted any more, or puts back more than is missing, is sold again."""
    if live is None or not (live.unwanted or live.order.purpose is OrderPurpose.RESTORE):
        return []
    holder = _holder(state, leg, fill, live)
    excess = fill.quantity + min(holder.quantity, ZERO)
    orders = market_orders(state, holder, OrderPurpose.CLOSE, excess, live.order.signal_id, fill.time_ms)
    return [ev.OrderPlanned(time_ms=fill.time_ms, order=order) for order in orders]


def _opened(state: ShardState, leg: Leg, fill: FillReported, live: LiveOrder | None) -> ev.OrderFilled:
    holder = _holder(state, leg, fill, live)
    after = holder.books.opened(fill.position_side, fill.quantity, fill.price, fill.fee)
    share = _share(holder, fill.quantity, fill.fee, after, None if after.quantity else CloseReason.MANUAL)
    return _event(leg, fill, live, leg.books.opened(fill.position_side, fill.quantity, fill.price, fill.fee), (share,))


def _closed(state: ShardState, leg: Leg, fill: FillReported, live: LiveOrder | None) -> ev.OrderFilled:
    givers = _givers(state, leg, fill, live)
    fees = split(fill.fee, [quantity for _, quantity in givers])
    reason = _close_reason(live)
    shares = [
        _share(holder, quantity, fee, holder.books.closed(fill.position_side, quantity, fill.price, fee), reason)
        for (holder, quantity), fee in zip(givers, fees, strict=True)
    ]
    after = leg.books.closed(fill.position_side, fill.quantity, fill.price, fill.fee)
    return _event(leg, fill, live, after, tuple(shares))


def _holder(state: ShardState, leg: Leg, fill: FillReported, live: LiveOrder | None) -> StrategyPosition:
    """The position that a fill belongs to, a new one if its strategy holds nothing."""
    owner = live.order.strategy_id if live else EXTERNAL
    return leg.strategies.get(owner) or StrategyPosition(
        position_id=uuid_of(state.journal_id, str(state.shard), fill.symbol, fill.position_side, fill.trade_id),
        strategy_id=owner,
        symbol=fill.symbol,
        side=fill.position_side,
        signal_id=live.order.signal_id if live else "",
        entry_order_id=fill.client_order_id,
        opened_ms=fill.time_ms,
    )


def _share(
    holder: StrategyPosition, quantity: Decimal, fee: Decimal, after: Books, reason: CloseReason | None
) -> ev.FillShare:
    return ev.FillShare(
        strategy_id=holder.strategy_id,
        position_id=holder.position_id,
        quantity=quantity,
        fee=fee,
        signal_id=holder.signal_id,
        opened_ms=holder.opened_ms,
        after=after,
        realized=after.realized - holder.books.realized,
        close_reason=reason,
    )


def _givers(
    state: ShardState, leg: Leg, fill: FillReported, live: LiveOrder | None
) -> list[tuple[StrategyPosition, Decimal]]:
    """Who gives how much of a closing fill: its owner all of it, or of a foreign one ``external`` what it holds.

    The rest of a foreign fill falls to the others in proportion, in whole steps, for less could never be closed.
    """
    if live is not None:
        return [(_holder(state, leg, fill, live), fill.quantity)]
    instrument = state.instruments.get(fill.symbol)
    step = instrument.step_size if instrument else ZERO
    external = leg.strategies.get(EXTERNAL)
    own = min(fill.quantity, max(external.quantity, ZERO)) if external else ZERO
    givers = [(external, own)] if external and own else []
    others = [held for held in leg.strategies.values() if held is not external and held.quantity > ZERO]
    if fill.quantity > own:
        parts = split_in_steps(fill.quantity - own, [held.quantity for held in others], step)
        givers += [(held, part) for held, part in zip(others, parts, strict=True) if part]
    return givers


def _close_reason(live: LiveOrder | None) -> CloseReason:
    if live is None:
        return CloseReason.MANUAL
    match live.order.purpose:
        case OrderPurpose.STOP_LOSS:
            return CloseReason.STOP_LOSS
        case OrderPurpose.TAKE_PROFIT:
            return CloseReason.TAKE_PROFIT
        case OrderPurpose.FLATTEN:
            return CloseReason.EMERGENCY
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
        opened_ms=leg.opened_ms if leg.strategies else fill.time_ms,
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
