"""Reading single values and rows of the exchange's answers."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from contracts.enums import FillOrigin, OrderStatus, PositionSide, Side
from shared.errors import RetrySafe
from tradeengine.domain.inputs import FillReported

Row = Mapping[str, Any]

STATUSES: Mapping[str, OrderStatus] = {
    "NEW": OrderStatus.OPEN,
    "PARTIALLY_FILLED": OrderStatus.OPEN,
    "PENDING_CANCEL": OrderStatus.OPEN,
    "NEW_INSURANCE": OrderStatus.OPEN,
    "NEW_ADL": OrderStatus.OPEN,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELLED,
    "REJECTED": OrderStatus.REJECTED,
    "EXPIRED": OrderStatus.EXPIRED,
    "EXPIRED_IN_MATCH": OrderStatus.EXPIRED,
}
"""Order states of the exchange (Binance docs, "Common Definition" and user data streams) in ours."""


class Unreadable(RetrySafe):
    """The exchange answered, and the answer is not what its documents promise: nothing may be concluded from it."""


def number(row: Row, field: str) -> Decimal:
    """A figure of a row, exactly: the exchange sends text mostly, and JSON numbers at times.

    Raises
    ------
    Unreadable
        If it is missing or no finite number.
    """
    value = row.get(field)
    try:
        # A float would have lost digits already, so there is none to accept.
        figure = Decimal(value) if isinstance(value, str | int | Decimal) and not isinstance(value, bool) else None
    except InvalidOperation:
        figure = None
    if figure is None or not figure.is_finite():
        raise Unreadable(f"{field} is {value!r} in {_shown(row)}: expected a number")
    return figure


def integer(row: Row, field: str) -> int:
    """An id or a time of a row; ids have up to 64 bits.

    Raises
    ------
    Unreadable
        If it is missing or no whole number.
    """
    value = row.get(field)
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Unreadable(f"{field} is {value!r} in {_shown(row)}: expected a whole number")
    return value


def text(row: Row, field: str) -> str:
    """A text of a row that must be there.

    Raises
    ------
    Unreadable
        If it is missing, empty or no text.
    """
    value = row.get(field)
    if not isinstance(value, str) or not value:
        raise Unreadable(f"{field} is {value!r} in {_shown(row)}: expected a text")
    return value


def side(row: Row, field: str = "side") -> Side:
    """Direction of a row.

    Raises
    ------
    Unreadable
        If it is neither BUY nor SELL.
    """
    value = row.get(field)
    try:
        return Side(str(value))
    except ValueError:
        raise Unreadable(f"{field} is {value!r} in {_shown(row)}: expected BUY or SELL") from None


def rows(answer: Any, what: str) -> list[dict[str, Any]]:
    """A list of rows.

    Parameters
    ----------
    what
        What was asked for, for the error.

    Raises
    ------
    Unreadable
        If the answer is anything else.
    """
    if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
        raise Unreadable(f"{what}: expected a list of objects, got {str(answer)[:200]!r}")
    return answer


def leg(position_side: str, traded: Side, *, reducing: bool) -> PositionSide:
    """Leg that an execution belongs to.

    Parameters
    ----------
    position_side
        As the exchange states it: LONG or SHORT, and BOTH in one-way mode.
    reducing
        In one-way mode: whether the order may only reduce.
    """
    if position_side in (PositionSide.LONG, PositionSide.SHORT):
        return PositionSide(position_side)
    opened = PositionSide.LONG if traded is Side.BUY else PositionSide.SHORT
    return opened.opposite if reducing else opened


def fill_of_trade(
    row: Row,
    client_order_id: str,
    position_side: PositionSide,
    time_ms: int,
    origin: FillOrigin = FillOrigin.ORDER,
) -> FillReported:
    """A row of ``userTrades`` as a fill.

    Parameters
    ----------
    client_order_id
        Whose it is; the row itself names the exchange's order id only.
    time_ms
        Engine's time of the report.
    origin
        Who caused it.

    Raises
    ------
    Unreadable
        If the row lacks what a fill needs.
    """
    return FillReported(
        time_ms=time_ms,
        client_order_id=client_order_id,
        trade_id=str(integer(row, "id")),
        symbol=text(row, "symbol"),
        side=side(row),
        position_side=position_side,
        quantity=number(row, "qty"),
        price=number(row, "price"),
        fee=number(row, "commission"),
        fee_asset=text(row, "commissionAsset"),
        maker=row.get("maker") is True,
        origin=origin,
    )


def _shown(row: Row) -> str:
    return str(dict(row))[:300]
