"""Inputs: everything that can change a shard's state. Time, prices and ids come in here and nowhere else."""

from decimal import Decimal
from typing import Any

import msgspec

from contracts.enums import (
    Action,
    FillOrigin,
    OrderKind,
    OrderStatus,
    OrderType,
    PositionSide,
    Refusal,
    Side,
    StrategyMode,
    Strength,
    TakeoverCause,
    TimeInForce,
    TriggerDirection,
)
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.instrument import Instrument
from tradeengine.domain.money import ZERO


class Context(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """Facts about market and account at the moment of a decision; ``None`` means not known.

    Parameters
    ----------
    mark_price
        Price of the symbol at the venue.
    equity
        Account's equity in quote currency, unrealised P&L included.
    exposure
        Notional of all open positions of the account, in quote currency.
    peak_equity
        Highest equity so far, in quote currency.
    day_pnl
        Realised P&L less fees plus funding since 00:00 UTC, in quote currency.
    conditional_orders, conditional_limit
        Conditional orders of the account in use (see :func:`~tradeengine.domain.allowance.in_use`), and how many the
        venue allows.
    exposure_room, conditional_room
        What the shard may still open within the limits of the account, where several processes share them: notional in
        quote currency, and conditional orders. They take the place of ``exposure`` and ``conditional_orders``.
    account_unknown
        Why it is not known what the rest of the account holds or has lost, where others work on it.
    """

    mark_price: Decimal | None = None
    equity: Decimal | None = None
    peak_equity: Decimal | None = None
    exposure: Decimal | None = None
    day_pnl: Decimal | None = None
    conditional_orders: int | None = None
    conditional_limit: int | None = None
    exposure_room: Decimal | None = None
    conditional_room: int | None = None
    account_unknown: str | None = None


# Inputs hold no cycles, and thousands are under way: the garbage collector need not look at them.
class Input(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, tag_field="input"):
    """Base of all inputs; ``time_ms`` is the engine's clock, milliseconds since 1970 UTC."""

    time_ms: int


class JournalOpened(Input, frozen=True, tag="journal_opened"):
    """First input of a journal: the name that its order ids carry, how many shards it has, and whose orders it holds.

    Parameters
    ----------
    venue
        Name of the venue that the orders are sent to; those of one venue must never be sent to another.
    """

    journal_id: str
    shards: int = 1
    venue: str = "paper"


class ShardTaken(Input, frozen=True, tag="shard_taken"):
    """A process begins to work on the shard: from this record on, what a former owner appends finds its place taken.

    Parameters
    ----------
    owner
        Name of the process.
    epoch
        Fencing token of its lease, above 0.
    former
        Who took the shard before, empty for the first; for people.
    cause
        Why it was free to be taken, as the lease said; for people.
    """

    owner: str
    epoch: int
    former: str = ""
    cause: TakeoverCause | None = None


class ConfigChanged(Input, frozen=True, tag="config_changed"):
    """The trading configuration that holds from now on."""

    config: TradingConfig


class InstrumentsChanged(Input, frozen=True, tag="instruments_changed"):
    """Trading rules that hold from now on, for the symbols named."""

    instruments: tuple[Instrument, ...]


class SignalReceived(Input, frozen=True, tag="signal"):
    """A valid signal reached its shard.

    Parameters
    ----------
    timestamp_ms
        The signal's own time.
    price, current_price
        Price that the strategy names (of a limit order, its limit), and the price that it saw.
    known
        Whether a decision about this id is already committed although it has left the memory.
    sequence
        Its number among those of its strategy and symbol, at least 1, where the strategy numbers them.
    carried
        What travels with the signal without deciding anything.
    """

    strategy_id: str
    signal_id: str
    symbol: str
    action: Action
    timestamp_ms: int
    confidence: Decimal
    strength: Strength = Strength.MEDIUM
    strategy_mode: StrategyMode = StrategyMode.DETERMINISTIC
    price: Decimal | None = None
    current_price: Decimal | None = None
    quantity: Decimal | None = None
    quote_quantity: Decimal | None = None
    position_size_pct: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    stop_loss_pct: Decimal | None = None
    take_profit_pct: Decimal | None = None
    trailing_pct: Decimal | None = None
    break_even_at_pct: Decimal | None = None
    order_type: OrderType = OrderType.MARKET
    time_in_force: TimeInForce = TimeInForce.GTC
    target_price: Decimal | None = None
    conditional_price: Decimal | None = None
    conditional_direction: TriggerDirection | None = None
    conditional_timeout_s: int | None = None
    position_side: PositionSide | None = None
    timeframe: str = "1h"
    carried: dict[str, Any] = {}
    context: Context = Context()
    known: bool = False
    sequence: int | None = None

    @property
    def key(self) -> str:
        """What identifies the signal among all."""
        return signal_key(self.strategy_id, self.symbol, self.signal_id)

    @property
    def reference_price(self) -> Decimal | None:
        """The newest price known: the venue's, else the one that the strategy saw, else the one that it names."""
        return self.context.mark_price or self.current_price or self.price


class OrderReported(Input, frozen=True, tag="order"):
    """The venue said what became of an order.

    Parameters
    ----------
    status
        ``OPEN`` when the venue took it, or a terminal status.
    executed
        With a terminal status: quantity executed in all, base asset, if the venue says so.
    refusal
        With ``REJECTED``: why, as far as something follows from it.
    mark_price
        With ``REJECTED``: where the market stood, if known.
    """

    client_order_id: str
    status: OrderStatus
    venue_order_id: str | None = None
    executed: Decimal | None = None
    reason: str | None = None
    refusal: Refusal | None = None
    mark_price: Decimal | None = None


class FillReported(Input, frozen=True, tag="fill"):
    """The venue executed (part of) an order.

    Parameters
    ----------
    trade_id
        Unique per symbol at the venue.
    fee
        In ``fee_asset``; positive is a cost.
    origin
        Who caused it.
    """

    client_order_id: str
    trade_id: str
    symbol: str
    side: Side
    position_side: PositionSide
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_asset: str
    maker: bool = False
    origin: FillOrigin = FillOrigin.ORDER


class FundingSettled(Input, frozen=True, tag="funding"):
    """Funding of a symbol was settled; longs pay when the rate is positive.

    Parameters
    ----------
    rate
        Fraction of notional; may be ``None``, not known, where ``amount`` is.
    mark_price
        Price that values the notional; may be ``None``, not known, where ``amount`` is.
    position_side
        Leg that it is of; ``None`` is both, or one that the exchange does not name.
    amount
        What the exchange booked for it, in quote currency, positive is received; ``None`` if only the rate is known.
    id
        The exchange's own number of the booking: one that comes again, after a restart too, is booked once.
    settled_ms
        When the exchange settled, by its own clock; ``None`` is now.
    """

    symbol: str
    rate: Decimal | None
    mark_price: Decimal | None
    position_side: PositionSide | None = None
    amount: Decimal | None = None
    id: str | None = None
    settled_ms: int | None = None


class MarginCalled(Input, frozen=True, tag="margin_call"):
    """The exchange warns that it will take a position by force (Binance docs, "Event: Margin Call").

    Parameters
    ----------
    position_side
        Leg that it is of; ``None`` where the exchange does not name one.
    mark_price
        Price that values the position, quote currency.
    unrealized, maintenance
        Unrealised P&L of the position, and the margin that it needs, quote currency.
    """

    symbol: str
    position_side: PositionSide | None
    mark_price: Decimal
    unrealized: Decimal
    maintenance: Decimal


class TimeAdvanced(Input, frozen=True, tag="time"):
    """Time passed: what has a deadline is looked at."""


class VenuePosition(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An exchange position as the venue states it.

    Parameters
    ----------
    quantity
        Base asset held on that side; positive on both sides. Below zero only if the venue contradicts itself.
    entry_price
        Average price by the venue's own account, zero when flat.
    """

    position_side: PositionSide
    quantity: Decimal
    entry_price: Decimal = ZERO


class VenueOrder(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """An order that rests at the venue, conditional or not.

    Parameters
    ----------
    quantity, filled
        Base asset asked for in all, and executed so far.
    """

    client_order_id: str
    venue_order_id: str
    side: Side
    position_side: PositionSide
    kind: OrderKind
    quantity: Decimal
    filled: Decimal = ZERO
    price: Decimal | None = None
    trigger_price: Decimal | None = None


class VenueObserved(Input, frozen=True, tag="observed"):
    """What the venue holds of one symbol, read at one moment: it is the truth that the books are held against.

    Parameters
    ----------
    asked_ms
        When reading began, engine's clock.
    since
        How many changes the books have taken in since reading began (:attr:`ShardState.changes`): those are no
        difference. ``None`` in records of earlier versions, which were judged by ``asked_ms``.
    mark_price
        Price of the symbol then, ``None`` if not known.
    positions
        Legs that hold something; a leg that is not named is flat.
    orders
        All orders that rest.
    repair
        An operator asks for the repair of what differs, whatever the policy says.
    """

    symbol: str
    asked_ms: int
    since: int | None = None
    mark_price: Decimal | None = None
    positions: tuple[VenuePosition, ...] = ()
    orders: tuple[VenueOrder, ...] = ()
    repair: bool = False


class PriceReached(Input, frozen=True, tag="price"):
    """The mark price of a symbol came to a level that a position waits for (:attr:`ShardState.price_watches`)."""

    symbol: str
    price: Decimal


class SymbolCommanded(Input, frozen=True, tag="symbol_command"):
    """An operator halts a symbol, or lets it trade again."""

    symbol: str
    halted: bool
    why: str


AnyInput = (
    JournalOpened
    | ShardTaken
    | ConfigChanged
    | InstrumentsChanged
    | SignalReceived
    | OrderReported
    | FillReported
    | FundingSettled
    | MarginCalled
    | TimeAdvanced
    | VenueObserved
    | PriceReached
    | SymbolCommanded
)


def signal_key(strategy_id: str, symbol: str, signal_id: str) -> str:
    """Key of a decision: strategies number theirs alike, and each symbol's signals are decided by the shard it has."""
    return f"{strategy_id}\x1f{symbol}\x1f{signal_id}"


def trade_key(symbol: str, trade_id: str) -> str:
    """Key of a trade: trade ids are unique per symbol."""
    return f"{symbol}:{trade_id}"
