"""Rows of ``orders``, and the order ids that positions show."""

from decimal import Decimal

from contracts.enums import OrderPurpose, OrderStatus
from tradeengine.domain.events import CancelPlanned, OrderAmended, OrderEnded, OrderFilled, OrderOpened, OrderPlanned
from tradeengine.domain.money import ZERO
from tradeengine.domain.position import leg_key
from tradeengine.projection.changes import Amend, Change, Patch, Put
from tradeengine.projection.rows.source import Source
from tradeengine.projection.tables import ORDERS, POSITIONS, STRATEGY_POSITIONS


def planned(source: Source, event: OrderPlanned) -> list[Change]:
    """A new order; a stop or target is named on its position."""
    order = event.order
    values = {
        "strategy_id": order.strategy_id,
        "signal_id": order.signal_id,
        "strategy_position_id": order.position_id,
        "exchange_position_key": leg_key(order.symbol, order.position_side),
        "symbol": order.symbol,
        "side": order.side,
        "position_side": order.position_side,
        "purpose": order.purpose,
        "type": order.kind,
        "time_in_force": order.time_in_force,
        "quantity": order.quantity,
        "price": order.price,
        "trigger_price": order.trigger_price,
        "status": OrderStatus.PLANNED,
        "filled_quantity": ZERO,
        "filled_value": ZERO,
        "remaining_quantity": order.quantity,
        "commission_total": ZERO,
        "created_at": event.time_ms,
        "updated_at": event.time_ms,
        "expires_at": order.expires_ms,
        **source.origin,
    }
    changes: list[Change] = [Put(ORDERS.name, (order.client_order_id,), values)]
    if order.position_id is not None and order.purpose.protective:
        key, is_stop = (order.position_id,), order.purpose is OrderPurpose.STOP_LOSS
        name = "stop_loss_order_id" if is_stop else "take_profit_order_id"
        changes.append(Patch(POSITIONS.name, key, {name: order.client_order_id}))
        name = "sl_order_id" if is_stop else "tp_order_id"
        changes.append(Patch(STRATEGY_POSITIONS.name, key, {name: order.client_order_id}))
    return changes


def opened(source: Source, event: OrderOpened) -> list[Change]:
    """The venue took the order."""
    values = {"status": OrderStatus.OPEN, "venue_order_id": event.venue_order_id, "updated_at": event.time_ms}
    return [Patch(ORDERS.name, (event.client_order_id,), values)]


def amended(source: Source, event: OrderAmended) -> list[Change]:
    """The order rests otherwise than it was planned."""
    values = {"quantity": event.quantity, "remaining_quantity": event.remaining, "updated_at": event.time_ms}
    if event.price is not None:
        values["price"] = event.price
    if event.trigger_price is not None:
        values["trigger_price"] = event.trigger_price
    return [Patch(ORDERS.name, (event.client_order_id,), values)]


def cancel_planned(source: Source, event: CancelPlanned) -> list[Change]:
    """The order is to be cancelled."""
    values = {"cancel_reason": event.why, "cancel_requested_at": event.time_ms, "updated_at": event.time_ms}
    return [Patch(ORDERS.name, (event.client_order_id,), values)]


def ended(source: Source, event: OrderEnded) -> list[Change]:
    """The order came to its end otherwise than by filling."""
    values = {
        "status": event.status,
        "reason": event.reason,
        "ended_at": event.time_ms,
        "updated_at": event.time_ms,
    }
    return [Patch(ORDERS.name, (event.client_order_id,), values)]


def filled(event: OrderFilled) -> list[Change]:
    """Execution of the order; a foreign one has no row and stays without."""
    key = (event.client_order_id,)
    values: dict[str, object] = {
        "remaining_quantity": event.order_remaining,
        "commission_asset": event.settle_asset,
        "updated_at": event.time_ms,
    }
    if event.opening:
        values["strategy_position_id"] = event.shares[0].position_id
    if not event.order_remaining:
        values |= {"status": OrderStatus.FILLED, "ended_at": event.time_ms}
    amounts: dict[str, Decimal | int] = {
        "filled_quantity": event.quantity,
        "filled_value": event.quantity * event.price,
        "commission_total": event.quote_fee(event.fee),
    }
    quotients = {"average_price": ("filled_value", "filled_quantity")}
    return [
        Amend(table=ORDERS.name, key=key, amounts=amounts, quotients=quotients),
        Patch(ORDERS.name, key, values),
    ]
