"""Cover: which stop and target a position names."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from contracts.enums import OrderPurpose, OrderStatus
from tradeengine.projection.changes import DropProtection, Key, Patch
from tradeengine.projection.tables import ORDERS, POSITIONS, STRATEGY_POSITIONS

Read = Callable[[str, Key, Sequence[str]], dict[str, Any] | None]
"""Reads columns of a row by table and key; ``None`` if there is no such row."""

_LIVE = (OrderStatus.PLANNED, OrderStatus.OPEN)
_STOP = {POSITIONS.name: "stop_loss_order_id", STRATEGY_POSITIONS.name: "sl_order_id"}
_TARGET = {POSITIONS.name: "take_profit_order_id", STRATEGY_POSITIONS.name: "tp_order_id"}


def named_in(purpose: OrderPurpose) -> Mapping[str, str]:
    """Columns that name a position's stop or target, by table."""
    return _STOP if purpose is OrderPurpose.STOP_LOSS else _TARGET


def in_force(change: DropProtection, read: Read) -> list[Patch]:
    """Changes that let a position name what is in force once one of its orders rests no more.

    That is the newest order before it that is alive and has not been told to leave. A closed position, and one that
    names another order, stay as they are.
    """
    order = read(ORDERS.name, (change.order_id,), ("purpose", "strategy_position_id", "replaces_order_id"))
    if order is None or not OrderPurpose(order["purpose"]).protective:
        return []
    key, columns = (order["strategy_position_id"],), named_in(OrderPurpose(order["purpose"]))
    position = read(POSITIONS.name, key, ("status", columns[POSITIONS.name]))
    if position is None or position["status"] == "closed" or position[columns[POSITIONS.name]] != change.order_id:
        return []
    named = _alive(order["replaces_order_id"], read)
    return [Patch(table, key, {column: named}) for table, column in columns.items()]


def _alive(order_id: str | None, read: Read) -> str | None:
    """The order, or the newest of those that it was to replace one after the other, that still protects."""
    while order_id is not None:
        order = read(ORDERS.name, (order_id,), ("status", "cancel_reason", "replaces_order_id"))
        if order is None:
            return None
        if order["status"] in _LIVE and order["cancel_reason"] is None:
            return order_id
        order_id = order["replaces_order_id"]
    return None
