"""An order as the paper exchange holds it, and the price rules that it follows."""

from decimal import Decimal
from enum import Enum, IntEnum, auto

import msgspec

from contracts.enums import OrderKind, OrderStatus, PositionSide, Side, TimeInForce
from shared.errors import Rejected
from tradeengine.domain.money import MONEY, ONE, ZERO
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.venue.base import Report
from tradeengine.venue.paper.trailing import Trail

AT_ONCE = (TimeInForce.IOC, TimeInForce.FOK)
"""Limit orders that fill at the first price that they meet or never."""

_STOPS = (OrderKind.STOP_MARKET, OrderKind.STOP, OrderKind.TRAILING_STOP_MARKET)


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
    trail
        Of a trailing stop: what takes the place of a trigger price.
    rank
        Its place among orders that could execute at once; changes when it is triggered.
    triggers_on_rise
        For a conditional order: it waits for the price to rise, as a stop that buys or a target that sells.
    rested
        For a limit order: a price that it met did not fill it whole, so what fills later is its own, the maker's.
    arrived_within
        Start of the bar in which it arrived after the open, if it did: of that bar it has missed the open.
    met
        The price that it met then.
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
    trail: Trail | None = None
    status: OrderStatus = OrderStatus.OPEN
    filled: Decimal = ZERO
    rested: bool = False
    arrived_within: int | None = None
    met: Decimal | None = None
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
        if self.trail is not None:
            return self.trail.reached(price)
        return price >= self.trigger_price if self.triggers_on_rise else price <= self.trigger_price

    def reached_within(self, high: Decimal, low: Decimal, *, missed: bool) -> Decimal | None:
        """Price at which the conditional order triggers while the price is everywhere from low to high.

        Parameters
        ----------
        missed
            The order came later than the open of that span.
        """
        if self.trail is not None:
            return self.trail.reached_within(high, low, missed=missed)
        if missed and self.met is not None and self.reached(self.met):
            return self.met
        return self.trigger_price if self.reached(high if self.triggers_on_rise else low) else None

    def see(self, price: Decimal) -> None:
        """Let a trailing stop follow a price."""
        if self.trail is not None:
            self.trail.see(price)

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
        If its quantity is not above zero, or what its kind needs is missing or outside its range.
    """
    if not order.quantity > 0:
        raise Rejected(f"order {order.client_order_id}: quantity {order.quantity} is not above zero", code="-4003")
    trailing = order.kind is OrderKind.TRAILING_STOP_MARKET
    fixed = order.kind.conditional and not trailing
    return PaperOrder(
        order=order,
        venue_order_id=venue_order_id,
        number=number,
        placed_ms=placed_ms,
        limit_price=_needed(order, "price", order.price) if order.kind.priced else ZERO,
        trigger_price=_needed(order, "trigger_price", order.trigger_price) if fixed else ZERO,
        rank=_rank(order),
        triggers_on_rise=(order.kind in _STOPS) is (order.side is Side.BUY),
        trail=_trail(order) if trailing else None,
    )


def _rank(order: ApprovedOrder) -> Rank:
    kind = order.kind
    if not kind.conditional:
        return Rank.LIMIT if kind.priced else Rank.MARKET
    if order.side is order.position_side.opening:
        return Rank.ENTRY
    return Rank.STOP if kind in _STOPS else Rank.TARGET


def _trail(order: ApprovedOrder) -> Trail:
    callback = _needed(order, "callback_pct", order.callback_pct)
    if callback >= ONE:
        raise Rejected(
            f"order {order.client_order_id}: callback_pct {callback} is no fraction such as 0.01", code="-1130"
        )
    activation = None if order.trigger_price is None else _needed(order, "trigger_price", order.trigger_price)
    return Trail(callback=callback, rising=order.side is Side.BUY, activation=activation)


def _needed(order: ApprovedOrder, name: str, price: Decimal | None) -> Decimal:
    if price is None:
        raise Rejected(f"order {order.client_order_id}: a {order.kind} order needs a {name}", code="-1102")
    if not price > 0:
        raise Rejected(f"order {order.client_order_id}: {name} {price} is not above zero", code="-4001")
    return price
