"""An order as the paper exchange holds it, and the price rules that it follows."""

from decimal import Decimal
from enum import Enum, IntEnum, auto

import msgspec

from contracts.enums import OrderKind, PositionSide, Side, TimeInForce
from tradeengine.domain.money import MONEY, ZERO
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.venue.base import Report

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
    triggered
        For a conditional order: its trigger price was reached, it is a market or a limit order now.
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
    filled: Decimal = ZERO
    triggered: bool = False
    rested: bool = False
    arrived_within: int | None = None
    reports: list[Report] = []

    @property
    def remaining(self) -> Decimal:
        """Quantity that has not been executed."""
        return MONEY.subtract(self.order.quantity, self.filled)

    @property
    def closing(self) -> bool:
        """Whether it reduces its leg."""
        return self.order.side is self.order.position_side.closing

    @property
    def owner(self) -> tuple[str, PositionSide]:
        """Whose position on the symbol it belongs to."""
        return self.order.strategy_id, self.order.position_side

    @property
    def rank(self) -> Rank:
        """Its place among orders that could execute at once."""
        kind = self.order.kind
        if self.triggered or not kind.conditional:
            return Rank.LIMIT if kind.priced else Rank.MARKET
        if not self.closing:
            return Rank.ENTRY
        return Rank.STOP if kind in _STOPS else Rank.TARGET

    def reached(self, price: Decimal) -> bool:
        """Whether a price triggers the conditional order, the trigger price itself included."""
        trigger = self.trigger_price
        return price >= trigger if self.triggers_on_rise else price <= trigger

    @property
    def triggers_on_rise(self) -> bool:
        """Whether the conditional order waits for the price to rise: a stop that buys, a target that sells."""
        return (self.order.kind in _STOPS) is (self.order.side is Side.BUY)

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
            return Arrival.EXPIRE if patience in (TimeInForce.IOC, TimeInForce.FOK) else Arrival.REST
        if patience is TimeInForce.GTX or (patience is TimeInForce.FOK and available < self.remaining):
            return Arrival.EXPIRE
        return Arrival.FILL

    @property
    def limit_price(self) -> Decimal:
        """Limit of a priced order."""
        assert self.order.price is not None, "the book takes no priced order without a price"  # noqa: S101
        return self.order.price

    @property
    def trigger_price(self) -> Decimal:
        """Trigger of a conditional order."""
        assert self.order.trigger_price is not None, "the book takes no conditional order without a trigger"  # noqa: S101
        return self.order.trigger_price
