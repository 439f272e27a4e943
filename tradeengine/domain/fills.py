"""Fills: book what the venue executed, once, to those whom it belongs to."""

from contracts.enums import FillOrigin, OrderPurpose, Severity
from contracts.signal import EXTERNAL
from tradeengine.domain import events as ev
from tradeengine.domain.attribution import closed, givers, holder, opened
from tradeengine.domain.exits import cancel_surplus
from tradeengine.domain.inputs import FillReported, trade_key
from tradeengine.domain.money import ZERO
from tradeengine.domain.orders import LiveOrder
from tradeengine.domain.position import Leg
from tradeengine.domain.protection import withdraw
from tradeengine.domain.risk import market_orders
from tradeengine.domain.state import ShardState

FOREIGN_FILL = "foreign_fill"
FORCED_CLOSE = "forced_close"
LATE_FILL = "late_fill"


def decide_fill(state: ShardState, fill: FillReported) -> list[ev.AnyEvent]:
    """Book one fill, once, whatever its order.

    A fill belongs to the strategy of its order, whatever that still holds (see :mod:`.overdraft`), and though the
    order had been given up. A fill of an order that is not known (a manual trade, a liquidation) belongs to
    :data:`EXTERNAL`; where it closes more than that holds, the others give in proportion.
    """
    order = state.orders.get(fill.client_order_id) or state.ended.get(fill.client_order_id)
    # A venue may name an order's trades again for as long as the order lives; the memory of all trades is shorter.
    if trade_key(fill.symbol, fill.trade_id) in state.trades or (order is not None and fill.trade_id in order.trades):
        return [_ignored(fill, "booked before")]
    leg = state.leg(fill.symbol, fill.position_side) or Leg(symbol=fill.symbol, side=fill.position_side)
    if fill.side is fill.position_side.opening:
        parts = [(holder(state, leg, fill, order), fill.quantity)]
        filled = opened(state, leg, fill, parts, order)
        return [filled, *_close_unwanted(state, leg, fill, order), *_alerts(state, fill, filled)]
    if order is None and leg.quantity < fill.quantity:
        return [_ignored(fill, f"closes {fill.quantity} of {leg.key}, which holds {leg.quantity}")]
    own = [(holder(state, leg, fill, order), fill.quantity)] if order else None
    filled = closed(state, leg, fill, own or givers(state, leg, fill), order)
    # What is left of the order itself would sell what others hold.
    unfinished = order is not None and not order.status.terminal and order.remaining > fill.quantity
    withdrawn = withdraw_emptied(state, leg, filled, but="" if unfinished else fill.client_order_id)
    surplus = [event for share in filled.shares for event in _too_much(state, leg, fill, share)]
    return [filled, *withdrawn, *surplus, *_alerts(state, fill, filled)]


def withdraw_emptied(state: ShardState, leg: Leg, filled: ev.OrderFilled, but: str) -> list[ev.AnyEvent]:
    """Cancel what could still reduce the positions that a closing fill leaves empty, other than the order ``but``."""
    emptied = [leg.strategies.get(share.strategy_id) for share in filled.shares if share.after.quantity <= ZERO]
    return [e for position in emptied if position for e in withdraw(state, position, but, filled.time_ms)]


def _too_much(state: ShardState, leg: Leg, fill: FillReported, share: ev.FillShare) -> list[ev.AnyEvent]:
    """Closing orders under way that now ask for more than their strategy holds."""
    position = leg.strategies.get(share.strategy_id)
    if position is None or share.after.quantity <= ZERO:
        return []
    own = share.quantity if fill.client_order_id in position.closing_orders else ZERO
    if position.closing - own <= share.after.quantity:
        return []
    return cancel_surplus(state, position, fill.client_order_id, fill.time_ms)


def _close_unwanted(state: ShardState, leg: Leg, fill: FillReported, order: LiveOrder | None) -> list[ev.AnyEvent]:
    """What filled and is not wanted any more, or puts back more than is missing, is sold again."""
    if order is None or not (order.unwanted or order.order.purpose is OrderPurpose.RESTORE):
        return []
    position = holder(state, leg, fill, order)
    excess = fill.quantity + min(position.quantity, ZERO)
    orders = market_orders(state, position, OrderPurpose.CLOSE, excess, order.order.signal_id, fill.time_ms)
    return [ev.OrderPlanned(time_ms=fill.time_ms, order=order) for order in orders]


def _alerts(state: ShardState, fill: FillReported, filled: ev.OrderFilled) -> list[ev.AnyEvent]:
    """Somebody should know when the engine did not ask for a fill, or had given its order up."""
    if fill.client_order_id in state.orders:
        return []
    what = f"{fill.quantity} {fill.symbol} {fill.position_side} at {fill.price} (order {fill.client_order_id})"
    owners = ", ".join(f"{share.strategy_id} {share.quantity}" for share in filled.shares)
    late = state.ended.get(fill.client_order_id)
    strategy_id = None
    if late is not None:
        name, severity, strategy_id = LATE_FILL, Severity.WARNING, late.order.strategy_id
        text = f"an order that had ended was executed all the same: {what}, booked to {owners}; nothing is to be done"
    elif fill.origin is not FillOrigin.ORDER:
        name, severity = FORCED_CLOSE, Severity.CRITICAL
        text = f"the exchange closed {what} by {fill.origin}, taken from {owners}; look at margin and exposure"
    elif filled.opening or any(share.strategy_id != EXTERNAL for share in filled.shares):
        name, severity = FOREIGN_FILL, Severity.WARNING
        done = "opened" if filled.opening else "closed"
        text = f"somebody else {done} {what}, booked to {owners}; trade on an account that only the engine uses"
    else:
        return []
    return [
        ev.AlertRaised(
            time_ms=fill.time_ms,
            name=name,
            severity=severity,
            text=text,
            symbol=fill.symbol,
            position_side=fill.position_side,
            strategy_id=strategy_id,
        )
    ]


def _ignored(fill: FillReported, reason: str) -> ev.FillIgnored:
    return ev.FillIgnored(
        time_ms=fill.time_ms,
        client_order_id=fill.client_order_id,
        trade_id=fill.trade_id,
        symbol=fill.symbol,
        reason=reason,
    )
