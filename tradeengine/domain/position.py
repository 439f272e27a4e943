"""Strategy positions and the exchange position that they add up to."""

from decimal import Decimal

import msgspec

from contracts.enums import CloseReason, OrderPurpose, PositionSide, Refusal
from tradeengine.domain.books import EMPTY, Books
from tradeengine.domain.money import ZERO
from tradeengine.domain.orders import ProtectionTerms
from tradeengine.domain.patience import Refused


class Exit(msgspec.Struct, frozen=True):
    """What is to be off at market: how much (base asset), by what kind of order, for which signal, and why."""

    quantity: Decimal
    purpose: OrderPurpose
    signal_id: str
    close_reason: CloseReason | None = None


class StrategyPosition(msgspec.Struct, kw_only=True):
    """What one strategy holds of one leg (virtual).

    Parameters
    ----------
    entry_order_id
        Client order id of the order that opened.
    closing, closing_orders
        Quantity that closing orders under way will take, and their client order ids.
    accumulations, last_open_ms
        How often, and when last, the strategy added to the open position; the opening itself counts for the time.
    exit
        What is to be off at market and is not yet, be it that no order is under way for it now.
    refused
        What the venue refused last, per need: stop, target, closing (all of it), and putting back; an entry leaves
        when the venue takes such an order.
    score
        Strength of the strongest signal that opened or added.
    stop_price, target_price, trailing_pct
        Stop and target as planned: trigger prices, or the fraction by which a trailing stop follows.
    wanted_stop
        Where the stop was wanted, before the exchange's band moved it.
    target_waits
        Whether the target lies outside the exchange's band, and waits for the market to come nearer.
    secured
        Price that the stop never falls behind again: it has been moved to break even.
    repriced
        Stop that took the place of one that the market had crossed; it moves so once.
    watch_price
        Mark price at which something is to be done about the stop or target.
    break_even_at_pct
        Gain, as a fraction of the entry price, at which the stop moves to break even; as planned, too.
    stop_order_id, target_order_id, replaced_orders
        Client order ids of stop and target, and of those that leave once these rest.
    """

    position_id: str
    strategy_id: str
    symbol: str
    side: PositionSide
    signal_id: str
    entry_order_id: str
    opened_ms: int
    books: Books = EMPTY
    closing: Decimal = ZERO
    closing_orders: list[str] = []
    accumulations: int = 0
    last_open_ms: int = 0
    exit: Exit | None = None
    refused: dict[OrderPurpose, Refused] = {}
    score: Decimal = ZERO
    terms: ProtectionTerms = ProtectionTerms()
    stop_price: Decimal | None = None
    target_price: Decimal | None = None
    trailing_pct: Decimal | None = None
    wanted_stop: Decimal | None = None
    target_waits: bool = False
    secured: Decimal | None = None
    repriced: Decimal | None = None
    watch_price: Decimal | None = None
    break_even_at_pct: Decimal | None = None
    stop_order_id: str | None = None
    target_order_id: str | None = None
    replaced_orders: list[str] = []

    @property
    def quantity(self) -> Decimal:
        """Base asset held; below zero when the strategy's orders took more than it held."""
        return self.books.quantity

    @property
    def reducing_orders(self) -> list[str]:
        """Client order ids of all live orders that can reduce the position."""
        legs = [i for i in (self.stop_order_id, self.target_order_id) if i]
        return [*self.closing_orders, *legs, *self.replaced_orders]

    @property
    def closable(self) -> Decimal:
        """Quantity that no closing order is after yet."""
        return self.books.quantity - self.closing

    @property
    def is_denied(self) -> bool:
        """Whether the venue said that it holds less than an exit asks for; the exit waits to be tried again."""
        refused = self.refused.get(OrderPurpose.CLOSE)
        denied = refused is not None and refused.waiting and refused.refusal is Refusal.NO_POSITION
        return denied and self.exit is not None

    def waits(self, need: OrderPurpose) -> bool:
        """Whether something that the venue refused waits for another attempt."""
        refused = self.refused.get(need)
        return refused is not None and refused.waiting


class Leg(msgspec.Struct, kw_only=True):
    """The exchange position of one (symbol, position side), with the strategy positions that make it up.

    Parameters
    ----------
    closed_realized, closed_fees, closed_funding
        Totals of strategy positions that ended while the exchange position lives on.
    sequence
        Number of contributions so far.
    pending
        Quantity that opening orders under way may add.
    opening_orders
        Client order ids of these orders.
    restoring_orders
        Client order ids of orders that put back what strategies have overdrawn.
    """

    symbol: str
    side: PositionSide
    books: Books = EMPTY
    closed_realized: Decimal = ZERO
    closed_fees: Decimal = ZERO
    closed_funding: Decimal = ZERO
    opened_ms: int = 0
    updated_ms: int = 0
    sequence: int = 0
    pending: Decimal = ZERO
    opening_orders: list[str] = []
    restoring_orders: list[str] = []
    strategies: dict[str, StrategyPosition] = {}

    @property
    def key(self) -> str:
        """Name of the exchange position, such as ``BTCUSDT_LONG``."""
        return leg_key(self.symbol, self.side)

    @property
    def quantity(self) -> Decimal:
        """Base asset held."""
        return self.books.quantity

    @property
    def idle(self) -> bool:
        """Whether nothing is held and nothing is under way."""
        return not (self.books.quantity or self.strategies or self.opening_orders or self.restoring_orders)


def leg_key(symbol: str, side: PositionSide) -> str:
    """Name of an exchange position, such as ``BTCUSDT_LONG``."""
    return f"{symbol}_{side}"
