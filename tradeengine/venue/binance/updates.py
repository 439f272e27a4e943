"""Messages of the user stream about orders, read in full before anything follows from them."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from contracts.enums import FillOrigin, OrderStatus, Refusal, Side
from tradeengine.domain.money import ZERO
from tradeengine.venue.binance.rows import STATUSES, Row, Unreadable, integer, number, side, text

_EXECUTIONS = ("TRADE", "CALCULATED")
_ORIGINS: Mapping[str, FillOrigin] = {
    "autoclose-": FillOrigin.LIQUIDATION,
    "adl_autoclose": FillOrigin.ADL,
    "settlement_autoclose-": FillOrigin.SETTLEMENT,
    "delivery_autoclose-": FillOrigin.SETTLEMENT,
}
_EXPIRY_REASONS: Mapping[str, str] = {
    "1": "self-trade prevention",
    "2": "rest of an IOC order",
    "3": "rest of an IOC order, self-trade prevention",
    "4": "another closing order went first, or it would have reversed the position",
    "5": "account liquidated",
    "6": "its position is gone",
    "7": "symbol delisted",
    "8": "its first order expired after the stop was triggered",
    "9": "rest of a market order",
}
"""Binance docs, "Event: Order Update", field ``er``."""
ALGO_STATUSES: Mapping[str, OrderStatus] = {
    "NEW": OrderStatus.OPEN,
    "CANCELED": OrderStatus.CANCELLED,
    "EXPIRED": OrderStatus.EXPIRED,
    "REJECTED": OrderStatus.REJECTED,
    # The order that it became ended, and tells it itself; only without one there is nothing more to come.
    "FINISHED": OrderStatus.CANCELLED,
}
"""States of a conditional order in ours; Binance docs, "Event: Algo Order Update". While it triggers it has none."""


class Execution(NamedTuple):
    """A trade, as an order's message tells it.

    Parameters
    ----------
    trade_id
        Zero where the exchange names none.
    leg
        LONG, SHORT, or BOTH in one-way mode.
    reducing
        In one-way mode: whether it reduced the position.
    happened_ms
        Exchange's clock.
    """

    trade_id: int
    side: Side
    leg: str
    reducing: bool
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_asset: str
    maker: bool
    happened_ms: int


class OrderUpdate(NamedTuple):
    """``ORDER_TRADE_UPDATE``; Binance docs, "Event: Order Update".

    Parameters
    ----------
    status
        ``None`` for a state that the documents did not know.
    executed
        Quantity executed in all, base asset.
    execution
        The trade that it tells of, if it does.
    """

    symbol: str
    order_id: int
    client_id: str
    status: OrderStatus | None
    executed: Decimal
    reason: str | None
    execution: Execution | None


class AlgoUpdate(NamedTuple):
    """``ALGO_UPDATE``; Binance docs, "Event: Algo Order Update".

    Parameters
    ----------
    spawned_id
        Id of the order that it became, ``None`` before it triggers.
    executed
        What that order executed, base asset; ``None`` where the message does not say.
    """

    symbol: str
    algo_id: int
    client_id: str
    state: str
    spawned_id: int | None
    executed: Decimal | None
    reason: str | None


def read_order(payload: Row) -> OrderUpdate:
    """Read an order's message.

    Raises
    ------
    Unreadable
        If it lacks what it must have.
    """
    row = inner(payload, "o")
    status = STATUSES.get(text(row, "X"))
    return OrderUpdate(
        symbol=text(row, "s"),
        order_id=integer(row, "i"),
        client_id=text(row, "c"),
        status=status,
        executed=number(row, "z"),
        reason=_EXPIRY_REASONS.get(str(row.get("er"))) if status is OrderStatus.EXPIRED else None,
        execution=_execution(row),
    )


def read_algo(payload: Row) -> AlgoUpdate:
    """Read a conditional order's message.

    Raises
    ------
    Unreadable
        If it lacks what it must have.
    """
    row = inner(payload, "o")
    return AlgoUpdate(
        symbol=text(row, "s"),
        algo_id=integer(row, "aid"),
        client_id=text(row, "caid"),
        state=text(row, "X"),
        spawned_id=integer(row, "ai") if _is_there(row, "ai") else None,
        executed=number(row, "aq") if _is_there(row, "aq") else None,
        reason=str(row["rm"]) if _is_there(row, "rm") else None,
    )


def origin_of(client_order_id: str) -> FillOrigin:
    """Who caused an order, by the prefix of its client order id; Binance docs, "Event: Order Update"."""
    return next((origin for prefix, origin in _ORIGINS.items() if client_order_id.startswith(prefix)), FillOrigin.ORDER)


def refusal_of(reason: str | None) -> Refusal:
    """What follows from the text by which the matching engine refused a triggered order; there is no code."""
    said = (reason or "").lower()
    if "margin" in said or "insufficient" in said:
        return Refusal.NO_MARGIN
    return Refusal.NO_POSITION if "reduce" in said else Refusal.OTHER


def inner(payload: Row, name: str) -> Row:
    """Read an object inside a message.

    Raises
    ------
    Unreadable
        If there is none.
    """
    value: Any = payload.get(name)
    if not isinstance(value, Mapping):
        raise Unreadable(f"{name} is {value!r} in a message {payload.get('e')}: expected an object")
    return value


def _execution(row: Row) -> Execution | None:
    # Liquidations come with messages that executed nothing as well.
    quantity = figure_or_zero(row, "l")
    if row.get("x") not in _EXECUTIONS or not quantity:
        return None
    return Execution(
        trade_id=integer(row, "t"),
        side=side(row, "S"),
        leg=text(row, "ps"),
        reducing=row.get("R") is True or bool(figure_or_zero(row, "rp")),
        quantity=quantity,
        price=number(row, "L"),
        fee=figure_or_zero(row, "n"),
        fee_asset=str(row.get("N") or ""),
        maker=row.get("m") is True,
        happened_ms=integer(row, "T"),
    )


def _is_there(row: Row, name: str) -> bool:
    return row.get(name) not in (None, "")


def figure_or_zero(row: Row, name: str) -> Decimal:
    """A figure that may be absent, ``null`` or empty: older messages, and executions without a fee.

    Raises
    ------
    Unreadable
        If it is there and no finite number.
    """
    return number(row, name) if _is_there(row, name) else ZERO
