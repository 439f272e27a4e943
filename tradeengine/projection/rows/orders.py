"""Rows of ``orders``, and the stop and target that positions name."""

from decimal import Decimal

from contracts.enums import CloseReason, OrderStatus
from tradeengine.domain.attribution import order_reason
from tradeengine.domain.events import CancelPlanned, OrderAmended, OrderEnded, OrderFilled, OrderOpened, OrderPlanned
from tradeengine.domain.money import ZERO
from tradeengine.domain.position import leg_key
from tradeengine.projection.changes import Amend, Change, DropProtection, Patch, Put, Reference
from tradeengine.projection.cover import named_in
from tradeengine.projection.rows.source import Source
from tradeengine.projection.tables import ORDERS, POSITIONS

_PROTECTED = (CloseReason.STOP_LOSS, CloseReason.TAKE_PROFIT)


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
        "close_reason": None if order.purpose.opening else order_reason(order),
        "type": order.kind,
        "time_in_force": order.time_in_force,
        "quantity": order.quantity,
        "price": order.price,
        "trigger_price": order.trigger_price,
        "callback_pct": order.callback_pct,
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
    key = (order.client_order_id,)
    if order.position_id is None or not order.purpose.protective:
        return [Put(ORDERS.name, key, values)]
    columns, position = named_in(order.purpose), (order.position_id,)
    former = Reference(POSITIONS.name, position, columns[POSITIONS.name])
    return [
        Put(ORDERS.name, key, values, {"replaces_order_id": former}),
        *[Patch(table, position, {column: order.client_order_id}) for table, column in columns.items()],
    ]


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
        "refusal": event.refusal,
        "ended_at": event.time_ms,
        "updated_at": event.time_ms,
    }
    dropped = [DropProtection(event.client_order_id)] if event.purpose.protective else []
    return [Patch(ORDERS.name, (event.client_order_id,), values), *dropped]


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


def spent(event: OrderFilled) -> list[Change]:
    """A stop or target that has filled while a part of its position stays open, after all other changes."""
    leaves_some = any(share.after.quantity and share.close_reason in _PROTECTED for share in event.shares)
    return [DropProtection(event.client_order_id)] if leaves_some and not event.order_remaining else []
