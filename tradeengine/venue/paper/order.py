"""An order as the paper exchange holds it, and the price rules that it follows."""

from decimal import Decimal
from enum import Enum, IntEnum, auto

import msgspec

from contracts.enums import OrderKind, OrderStatus, PositionSide, Side, TimeInForce
from shared.errors import Rejected
from tradeengine.domain.money import MONEY, ZERO
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.venue.base import Report

AT_ONCE = (TimeInForce.IOC, TimeInForce.FOK)
"""Limit orders that fill at the first price that they meet or never."""

_STOPS = (OrderKind.STOP_MARKET, OrderKind.STOP)


class Rank(IntEnum):
    """Which orders come first when one price or one bar would execute several."""

    MARKET = auto()
    LIMIT = auto()
    ENTRY = auto()
    STOP = auto()
    TARGET = auto()


class Arrival(Enum):
    """What a limit order does at the first price that it meets."""

    FILL = auto()
    REST = auto()
    EXPIRE = auto()


class PaperOrder(msgspec.Struct, eq=False):
    """An order at the paper exchange, live or ended.

    Parameters
    ----------
    number
        Its place in the order of arrival.
    placed_ms
        When it arrived, milliseconds since 1970 UTC.
    limit_price, trigger_price
        The order's own, zero where its kind has none.
    rank
        Its place among orders that could execute at once; changes when it is triggered.
    triggers_on_rise
        For a conditional order: it waits for the price to rise, as a stop that buys or a target that sells.
    rested
        For a limit order: a price that it met did not fill it whole, so what fills later is its own, the maker's.
    arrived_within
        Start of the bar in which it arrived after the open, if it did: of that bar it has missed the open.
    reports
        Everything that was reported about it.
    """

    order: ApprovedOrder
    venue_order_id: str
    number: int
    placed_ms: int
    limit_price: Decimal
    trigger_price: Decimal
    rank: Rank
    triggers_on_rise: bool
    status: OrderStatus = OrderStatus.OPEN
    filled: Decimal = ZERO
    rested: bool = False
    arrived_within: int | None = None
    reports: list[Report] = []

    @property
    def remaining(self) -> Decimal:
        """Quantity that has not been executed."""
        return MONEY.subtract(self.order.quantity, self.filled)

    @property
    def waiting(self) -> bool:
        """Whether it still waits for its trigger price."""
        return self.rank > Rank.LIMIT

    @property
    def closing(self) -> bool:
        """Whether it reduces its leg."""
        return self.order.side is self.order.position_side.closing

    @property
    def owner(self) -> tuple[str, PositionSide]:
        """Whose position on the symbol it belongs to."""
        return self.order.strategy_id, self.order.position_side

    def trigger(self) -> None:
        """Turn the conditional order into the market or limit order that it stood for."""
        self.rank = Rank.LIMIT if self.order.kind.priced else Rank.MARKET

    def reached(self, price: Decimal) -> bool:
        """Whether a price triggers the conditional order, the trigger price itself included."""
        return price >= self.trigger_price if self.triggers_on_rise else price <= self.trigger_price

    def crossed(self, price: Decimal) -> bool:
        """Whether a price is as good as the limit or better."""
        return price <= self.limit_price if self.order.side is Side.BUY else price >= self.limit_price

    def arrive(self, price: Decimal, available: Decimal) -> Arrival:
        """What the limit order does at the first price that it meets.

        Parameters
        ----------
        available
            Quantity that can be executed at that price.
        """
        patience = self.order.time_in_force
        if not self.crossed(price):
            return Arrival.EXPIRE if patience in AT_ONCE else Arrival.REST
        if patience is TimeInForce.GTX or (patience is TimeInForce.FOK and available < self.remaining):
            return Arrival.EXPIRE
        return Arrival.FILL


def accept(order: ApprovedOrder, venue_order_id: str, number: int, placed_ms: int) -> PaperOrder:
    """Take an order in, if it says all that its kind needs.

    Raises
    ------
    Rejected
        If its quantity is not above zero, or a price that its kind needs is missing or not above zero.
    """
    if not order.quantity > 0:
        raise Rejected(f"order {order.client_order_id}: quantity {order.quantity} is not above zero", code="-4003")
    return PaperOrder(
        order=order,
        venue_order_id=venue_order_id,
        number=number,
        placed_ms=placed_ms,
        limit_price=_needed(order, "price", order.price) if order.kind.priced else ZERO,
        trigger_price=_needed(order, "trigger_price", order.trigger_price) if order.kind.conditional else ZERO,
        rank=_rank(order),
        triggers_on_rise=(order.kind in _STOPS) is (order.side is Side.BUY),
    )


def _rank(order: ApprovedOrder) -> Rank:
    kind = order.kind
    if not kind.conditional:
        return Rank.LIMIT if kind.priced else Rank.MARKET
    if order.side is order.position_side.opening:
        return Rank.ENTRY
    return Rank.STOP if kind in _STOPS else Rank.TARGET


def _needed(order: ApprovedOrder, name: str, price: Decimal | None) -> Decimal:
    if price is None:
        raise Rejected(f"order {order.client_order_id}: a {order.kind} order needs a {name}", code="-1102")
    if not price > 0:
        raise Rejected(f"order {order.client_order_id}: {name} {price} is not above zero", code="-4001")
    return price
