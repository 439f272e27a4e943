"""The words that cross the process's border: every enumerated value, spelled as users see it."""

from enum import StrEnum


class Action(StrEnum):
    """What a strategy asks for."""

    BUY = "buy"
    SELL = "sell"
    CLOSE = "close"
    HOLD = "hold"


class Side(StrEnum):
    """Direction of an order on the exchange."""

    BUY = "BUY"
    SELL = "SELL"


class PositionSide(StrEnum):
    """Leg of a hedge-mode position."""

    LONG = "LONG"
    SHORT = "SHORT"

    @property
    def opening(self) -> Side:
        """Side of an order that opens or adds to this leg."""
        return Side.BUY if self is PositionSide.LONG else Side.SELL

    @property
    def closing(self) -> Side:
        """Side of an order that reduces this leg."""
        return Side.SELL if self is PositionSide.LONG else Side.BUY

    @property
    def opposite(self) -> "PositionSide":
        """The other leg of the same symbol."""
        return PositionSide.SHORT if self is PositionSide.LONG else PositionSide.LONG

    @property
    def sign(self) -> int:
        """+1 for LONG, -1 for SHORT."""
        return 1 if self is PositionSide.LONG else -1


class PositionMode(StrEnum):
    """Account setting: both legs of a symbol at once, or one net position."""

    HEDGE = "hedge"
    ONE_WAY = "one-way"


class OrderType(StrEnum):
    """Order types a signal may ask for."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TAKE_PROFIT = "take_profit"
    TAKE_PROFIT_LIMIT = "take_profit_limit"


class OrderKind(StrEnum):
    """Order types as the exchange names them."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP_MARKET = "STOP_MARKET"
    STOP = "STOP"
    TAKE_PROFIT_MARKET = "TAKE_PROFIT_MARKET"
    TAKE_PROFIT = "TAKE_PROFIT"
    TRAILING_STOP_MARKET = "TRAILING_STOP_MARKET"

    @property
    def conditional(self) -> bool:
        """Whether the order waits for a trigger price."""
        return self not in (OrderKind.MARKET, OrderKind.LIMIT)

    @property
    def priced(self) -> bool:
        """Whether the order carries a limit price."""
        return self in (OrderKind.LIMIT, OrderKind.STOP, OrderKind.TAKE_PROFIT)


class TimeInForce(StrEnum):
    """How long a priced order lives."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    GTX = "GTX"


class Strength(StrEnum):
    """How strongly a strategy believes in its signal."""

    WEAK = "weak"
    MEDIUM = "medium"
    STRONG = "strong"
    EXTREME = "extreme"


class StrategyMode(StrEnum):
    """How the strategy came to its signal; picks the conflict weight and the confidence floor."""

    DETERMINISTIC = "deterministic"
    ML_LIGHT = "ml_light"
    LLM_REASONING = "llm_reasoning"


class TriggerDirection(StrEnum):
    """Whether a conditional entry waits for the price to rise or to fall to its trigger."""

    ABOVE = "above"
    BELOW = "below"


class SameDirectionPolicy(StrEnum):
    """What to do with a signal whose (symbol, position side) is held already."""

    ACCUMULATE = "accumulate"
    STRONGEST_WINS = "strongest_wins"
    REJECT_DUPLICATES = "reject_duplicates"


class OppositeDirectionPolicy(StrEnum):
    """What an opening signal does to the sender's own opposite leg in one-way mode."""

    REDUCE = "reduce"
    FLIP = "flip"
    REJECT = "reject"


class TradingMode(StrEnum):
    """Where orders go."""

    PAPER = "paper"
    DRY_RUN = "dry-run"
    TESTNET = "testnet"
    PRODUCTION = "production"

    @property
    def real(self) -> bool:
        """Whether orders go to an exchange, be it one without real money."""
        return self in (TradingMode.TESTNET, TradingMode.PRODUCTION)


class Outcome(StrEnum):
    """What became of a signal."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    DUPLICATE = "duplicate"
    HELD = "held"


class OrderPurpose(StrEnum):
    """Why an order exists."""

    OPEN = "open"
    CLOSE = "close"
    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    FLATTEN = "flatten"
    """Closes what has no stop and can get none."""
    RESTORE = "restore"
    """Puts back what orders of its strategy took from the exchange position beyond the strategy's share."""

    @property
    def opening(self) -> bool:
        """Whether a fill of the order adds to a position."""
        return self in (OrderPurpose.OPEN, OrderPurpose.RESTORE)

    @property
    def protective(self) -> bool:
        """Whether the order rests to protect a position."""
        return self in (OrderPurpose.STOP_LOSS, OrderPurpose.TAKE_PROFIT)


class OrderStatus(StrEnum):
    """Life of an order; the first two are live, the rest terminal."""

    PLANNED = "planned"
    OPEN = "open"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"

    @property
    def terminal(self) -> bool:
        """Whether nothing more can happen to the order."""
        return self not in (OrderStatus.PLANNED, OrderStatus.OPEN)


class Refusal(StrEnum):
    """Why a venue refused an order, as far as something follows from it."""

    WOULD_TRIGGER = "would_trigger"
    """The market stands beyond the trigger price already."""
    NO_POSITION = "no_position"
    """The order would close more than the exchange position holds."""
    NO_MARGIN = "no_margin"
    TOO_MANY_ORDERS = "too_many_orders"
    """As many orders rest as the account may have."""
    OUT_OF_BAND = "out_of_band"
    """The price lies outside the band around the mark price."""
    NOT_ALLOWED = "not_allowed"
    """Key, account or symbol may not trade; nothing gets better by trying again."""
    OTHER = "other"


class FillOrigin(StrEnum):
    """Who caused a fill."""

    ORDER = "order"
    """An order: the engine's own or a foreign one."""
    LIQUIDATION = "liquidation"
    ADL = "adl"
    """Auto-deleveraging."""
    SETTLEMENT = "settlement"


class CrossedStopPolicy(StrEnum):
    """What becomes of a position whose stop cannot rest because the market has crossed it."""

    CLOSE = "close"
    """Close it at market."""
    REPRICE = "reprice"
    """Move the stop beyond the market by the least stop distance, once; then close."""


class UnprotectedPolicy(StrEnum):
    """What becomes of a position whose stop the venue refuses for any other reason."""

    FLATTEN = "flatten"
    """Close it at market."""
    HOLD = "hold"
    """Keep it, try again, and say so."""


class DifferencePolicy(StrEnum):
    """What becomes of a difference between books and exchange."""

    REPAIR = "repair"
    """Make the books follow the exchange, and the exchange's orders follow the books."""
    HALT = "halt"
    """Halt the symbol: openings are refused until an operator has looked."""


class DifferenceKind(StrEnum):
    """How books and exchange can differ."""

    QUANTITY = "quantity"
    """Both hold the leg, and not alike."""
    GHOST = "ghost"
    """The books hold a leg that is flat at the exchange."""
    FOREIGN_POSITION = "foreign_position"
    """The exchange holds a leg that the books know nothing of."""
    CONTRADICTION = "contradiction"
    """The exchange states a leg whose sign contradicts its side."""
    UNHEDGED = "unhedged"
    """A stop or target that the books count on does not rest at the exchange."""
    WRONG_ORDER = "wrong_order"
    """An order rests otherwise than the books have it: another quantity, price or side."""
    ORPHAN_ORDER = "orphan_order"
    """An order of the engine's own rests that the books count on no more."""
    LOST_ORDER = "lost_order"
    """An order that the books count as resting is not at the exchange."""
    ENTRY_PRICE = "entry_price"
    """Both hold the leg alike, at another average price: the books heard of its fills in another order."""


class DifferenceAction(StrEnum):
    """What was done about a difference."""

    ADOPTED = "adopted"
    """The books took over what the exchange holds, under ``external``."""
    WRITTEN_OFF = "written_off"
    """The books gave up what the exchange does not hold."""
    REARMED = "rearmed"
    CANCELLED = "cancelled"
    ASKED = "asked"
    """The exchange is asked what became of the order."""
    REVALUED = "revalued"
    """The books took over the exchange's average price; the leg's P&L is the same in sum."""
    HALTED = "halted"


class CloseReason(StrEnum):
    """Why a strategy position ended or shrank."""

    TAKE_PROFIT = "take_profit"
    STOP_LOSS = "stop_loss"
    MANUAL = "manual"
    PARTIAL = "partial"
    LIQUIDATION = "liquidation"
    EMERGENCY = "emergency"
    FUNDING = "funding"


class RejectionSource(StrEnum):
    """Stage that refused a signal."""

    INTAKE = "intake"
    VALIDATION = "validation"
    CONFLICT = "conflict"
    SIZING = "sizing"
    RISK = "risk"
    VENUE = "venue"
    ENGINE = "engine"


class Reason(StrEnum):
    """Every reason a signal can be refused for."""

    DUPLICATE_SIGNAL = "duplicate_signal"
    STALE_SIGNAL = "stale_signal"
    FUTURE_SIGNAL = "future_signal"
    SYMBOL_NOT_ALLOWED = "symbol_not_allowed"
    UNKNOWN_INSTRUMENT = "unknown_instrument"
    LOW_CONFIDENCE = "low_confidence"
    POSITION_SIDE_MISMATCH = "position_side_mismatch"
    MISSING_LIMIT_PRICE = "missing_limit_price"
    MISSING_TRIGGER_PRICE = "missing_trigger_price"
    CONTRADICTORY_TRIGGER = "contradictory_trigger"
    STOP_WRONG_SIDE = "stop_wrong_side"
    TARGET_WRONG_SIDE = "target_wrong_side"
    PRICE_OUT_OF_RANGE = "price_out_of_range"
    NO_POSITION = "no_position"
    ALREADY_CLOSING = "already_closing"
    OPPOSITE_DIRECTION = "opposite_direction"
    WEAKER_SIGNAL = "weaker_signal"
    POSITION_EXISTS = "position_exists"
    MAX_ACCUMULATIONS = "max_accumulations"
    COOLDOWN = "cooldown"
    OVERDRAWN = "overdrawn"
    NO_SIZE = "no_size"
    NO_REFERENCE_PRICE = "no_reference_price"
    NO_EQUITY = "no_equity"
    BELOW_MIN_QUANTITY = "below_min_quantity"
    ABOVE_MAX_QUANTITY = "above_max_quantity"
    BELOW_MIN_NOTIONAL = "below_min_notional"
    POSITION_LIMIT = "position_limit"
    EXPOSURE_LIMIT = "exposure_limit"
    DAILY_LOSS_LIMIT = "daily_loss_limit"
    DRAWDOWN_LIMIT = "drawdown_limit"
    PROTECTION_LIMIT = "protection_limit"
    ACCOUNT_UNKNOWN = "account_unknown"
    STOP_OUT_OF_BAND = "stop_out_of_band"
    STOP_TOO_FAR = "stop_too_far"
    SYMBOL_HALTED = "symbol_halted"
    INTERNAL_ERROR = "internal_error"


class EventType(StrEnum):
    """Kinds of execution events."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    DUPLICATE = "duplicate"
    HELD = "held"
    PLACED = "placed"
    PARTIAL_FILL = "partial_fill"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    PROTECTION_PLACED = "protection_placed"
    PROTECTION_FAILED = "protection_failed"
    POSITION_OPENED = "position_opened"
    POSITION_CLOSED = "position_closed"
    POSITION_FORCE_CLOSED_NO_STOPS = "position_force_closed_no_stops"


class TakeoverCause(StrEnum):
    """Why a shard was free to be taken.

    ``first``: nobody had ever held it; ``released``: its owner had given it back; ``silent``: its owner had not renewed
    its lease for the whole lease time; ``again``: the lease was the taker's own, and had run out, was dropped, or the
    answer to the first try was lost; ``left``: whoever held it is dead for certain, because the taker has locked the
    data folder.
    """

    FIRST = "first"
    RELEASED = "released"
    SILENT = "silent"
    AGAIN = "again"
    LEFT = "left"


class Severity(StrEnum):
    """How urgent an alert is."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"
