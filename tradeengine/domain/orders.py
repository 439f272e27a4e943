"""Orders: drafts, orders that risk approved, and orders that are alive."""

from decimal import Decimal

import msgspec

from contracts.enums import CloseReason, OrderKind, OrderPurpose, OrderStatus, PositionSide, Side, TimeInForce
from tradeengine.domain.money import ZERO


class ProtectionTerms(msgspec.Struct, frozen=True):
    """Stop and target that an opening order asks for; absolute prices win over fractions of the fill price.

    Parameters
    ----------
    trailing_pct
        Fraction by which the stop follows the best price since the fill; it takes the place of a fixed stop.
    break_even_at_pct
        Gain, as a fraction of the entry price, at which the stop moves to where the position breaks even.
    """

    stop_loss: Decimal | None = None
    stop_loss_pct: Decimal | None = None
    take_profit: Decimal | None = None
    take_profit_pct: Decimal | None = None
    trailing_pct: Decimal | None = None
    break_even_at_pct: Decimal | None = None

    @property
    def names_stop(self) -> bool:
        """Whether a stop of any kind is asked for."""
        return not (self.stop_loss is None and self.stop_loss_pct is None and self.trailing_pct is None)


def merged(held: ProtectionTerms, added: ProtectionTerms) -> ProtectionTerms:
    """Terms of a position after an addition: what the addition names replaces what was held.

    A stop that trails has no break-even.
    """
    stop = added if added.names_stop else held
    target = held if added.take_profit is None and added.take_profit_pct is None else added
    gain = held.break_even_at_pct if added.break_even_at_pct is None else added.break_even_at_pct
    return ProtectionTerms(
        stop_loss=stop.stop_loss,
        stop_loss_pct=stop.stop_loss_pct,
        take_profit=target.take_profit,
        take_profit_pct=target.take_profit_pct,
        trailing_pct=stop.trailing_pct,
        break_even_at_pct=gain if stop.trailing_pct is None else None,
    )


class OrderDraft(msgspec.Struct, frozen=True, kw_only=True):
    """An order as sizing wants it, before risk has seen it."""

    strategy_id: str
    signal_id: str
    symbol: str
    position_side: PositionSide
    purpose: OrderPurpose
    kind: OrderKind
    quantity: Decimal
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    callback_pct: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    expires_ms: int | None = None
    score: Decimal = ZERO
    terms: ProtectionTerms = ProtectionTerms()
    position_id: str | None = None
    close_reason: CloseReason | None = None


class ApprovedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order that may leave the process: the only type that a gateway takes, made by :mod:`.risk` alone.

    Quantities are in the base asset and multiples of the step, prices in the quote asset and multiples of the tick.

    Parameters
    ----------
    callback_pct
        Of a trailing stop: the fraction by which it follows the best price.
    position_id
        Strategy position that a reducing order was planned for; ``None`` for openings, and for sales of what an
        unwanted entry bought.
    close_reason
        Why its fills close, where the purpose alone does not say it.
    """

    client_order_id: str
    strategy_id: str
    signal_id: str
    symbol: str
    side: Side
    position_side: PositionSide
    purpose: OrderPurpose
    kind: OrderKind
    quantity: Decimal
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    callback_pct: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    planned_ms: int = 0
    expires_ms: int | None = None
    score: Decimal = ZERO
    terms: ProtectionTerms = ProtectionTerms()
    position_id: str | None = None
    close_reason: CloseReason | None = None


class OrderName(msgspec.Struct, frozen=True, kw_only=True):
    """What names an order at the venue that the books know nothing of: enough to cancel it, never to place one."""

    client_order_id: str
    symbol: str
    position_side: PositionSide
    kind: OrderKind
    strategy_id: str = ""


class LiveOrder(msgspec.Struct, kw_only=True):
    """An order whose end is not known yet, with what has become of it so far.

    Parameters
    ----------
    cancelling, unwanted
        A cancel was planned; what still fills is to be closed at once, because its strategy asked to be out.
    trades
        Ids of the trades that have been booked for it.
    executed
        Quantity that the venue says it executed, once it has ended the order; fills up to it may still arrive.
    changed_ms
        When its status changed last or its cancel was planned, milliseconds since 1970 UTC; 0 while neither was.
    changed_at
        Number of that change, or of its planning, among the changes that its shard has booked.
    """

    order: ApprovedOrder
    status: OrderStatus = OrderStatus.PLANNED
    venue_order_id: str | None = None
    filled: Decimal = ZERO
    cancelling: bool = False
    unwanted: bool = False
    trades: list[str] = []
    executed: Decimal | None = None
    changed_ms: int = 0
    changed_at: int = 0

    def closes(self, position_id: str) -> bool:
        """Whether it is a market order that takes a position off, not one that protects it."""
        purpose = self.order.purpose
        return self.order.position_id == position_id and not (purpose.opening or purpose.protective)

    @property
    def remaining(self) -> Decimal:
        """Quantity that can still fill."""
        return self.order.quantity - self.filled
