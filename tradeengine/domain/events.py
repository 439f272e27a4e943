"""Events: what was decided. The state is a fold over them, and every record is made from them."""

from decimal import Decimal

import msgspec

from contracts.enums import (
    Action,
    CloseReason,
    DifferenceAction,
    DifferenceKind,
    OrderPurpose,
    OrderStatus,
    Outcome,
    PositionSide,
    Reason,
    Refusal,
    RejectionSource,
    Severity,
    Side,
)
from tradeengine.domain.books import Books
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.inputs import VenueOrder
from tradeengine.domain.instrument import Instrument
from tradeengine.domain.money import ZERO
from tradeengine.domain.orders import ApprovedOrder

_LASTING = frozenset({DifferenceAction.HALTED, DifferenceAction.ASKED, DifferenceAction.CANCELLED})

CLOSED_BY_SIGNAL = "closed by signal"
"""Why an entry under way is cancelled when its strategy asks to be out."""

SHORT_LIFE_MS = 1_000
"""A stop or target that expires sooner than this did not rest at all, milliseconds."""


# Events hold no cycles, and thousands are under way: the garbage collector need not look at them.
class Event(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, tag_field="event"):
    """Base of all events; ``time_ms`` is the time of the input, milliseconds since 1970 UTC."""

    time_ms: int


class JournalNamed(Event, frozen=True, tag="journal_named"):
    """The journal got its name, its number of shards and its venue."""

    journal_id: str
    shards: int = 1
    venue: str = "paper"


class ConfigSet(Event, frozen=True, tag="config_set"):
    """A trading configuration took effect."""

    config: TradingConfig


class InstrumentsSet(Event, frozen=True, tag="instruments_set"):
    """Trading rules took effect."""

    instruments: tuple[Instrument, ...]


class SignalDecided(Event, frozen=True, tag="decided"):
    """A signal got its outcome.

    Parameters
    ----------
    detail
        For people: the figures behind the reason.
    ahead_ms
        The signal's own time, where that was still to come.
    orders
        Client order ids of the orders that the signal calls for.
    """

    strategy_id: str
    signal_id: str
    symbol: str
    action: Action
    outcome: Outcome
    reason: Reason | None = None
    source: RejectionSource | None = None
    detail: str | None = None
    ahead_ms: int | None = None
    orders: tuple[str, ...] = ()


class PeakEquityRaised(Event, frozen=True, tag="peak_equity"):
    """The account's equity, in quote currency, reached a new high."""

    equity: Decimal


class OrderPlanned(Event, frozen=True, tag="planned"):
    """An approved order is to be sent; nothing leaves before this is committed."""

    order: ApprovedOrder


class OrderOpened(Event, frozen=True, tag="opened"):
    """The venue took an order."""

    client_order_id: str
    venue_order_id: str | None = None


class OrderAmended(Event, frozen=True, tag="amended"):
    """An order rests otherwise than it was planned, and the books take over how: ``None`` is as it was.

    Parameters
    ----------
    quantity, remaining
        Asked for in all, and what of it can still fill, base asset.
    """

    client_order_id: str
    quantity: Decimal
    remaining: Decimal
    price: Decimal | None = None
    trigger_price: Decimal | None = None


class QueryPlanned(Event, frozen=True, tag="query_planned"):
    """The venue is to be asked what became of an order; what it answers comes as reports."""

    client_order_id: str
    why: str


class OrphanCancelPlanned(Event, frozen=True, tag="orphan_cancel_planned"):
    """An order that rests, is the engine's own, and that the books count on no more is to be cancelled."""

    symbol: str
    order: VenueOrder


class CancelPlanned(Event, frozen=True, tag="cancel_planned"):
    """An order is to be cancelled."""

    client_order_id: str
    why: str


class OrderEnded(Event, frozen=True, tag="ended"):
    """An order came to its end otherwise than by filling.

    Parameters
    ----------
    wanted
        Whether a cancel had been planned.
    executed
        Quantity that the venue says it executed before, base asset.
    unfilled
        Quantity that it did not execute.
    lived_ms
        Milliseconds from its planning to its end.
    refusal, mark_price
        Of a refused order: why, and where the market stood.
    """

    client_order_id: str
    strategy_id: str
    symbol: str
    position_side: PositionSide
    purpose: OrderPurpose
    status: OrderStatus
    wanted: bool = False
    reason: str | None = None
    executed: Decimal | None = None
    unfilled: Decimal = ZERO
    lived_ms: int = 0
    refusal: Refusal | None = None
    mark_price: Decimal | None = None

    @property
    def refused(self) -> bool:
        """Whether a position now lacks something that is only to be tried again after a pause.

        A stop or target that expires as soon as it is placed would only do so again.
        """
        if self.wanted or self.purpose is OrderPurpose.OPEN:
            return False
        if not self.purpose.protective or self.status is OrderStatus.REJECTED:
            return True
        return self.status is OrderStatus.EXPIRED and self.lived_ms < SHORT_LIFE_MS


class FillShare(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One strategy's share of a fill.

    Parameters
    ----------
    quantity
        Share of the fill's quantity, base asset.
    fee
        Share of the fee, in the fee's asset.
    realized
        Gross P&L of a closing share, by the strategy's own cost, in quote currency.
    signal_id, opened_ms
        Signal and time that opened the strategy position.
    close_reason
        For closing shares, why.
    after
        Books of the strategy position after the fill.
    """

    strategy_id: str
    position_id: str
    quantity: Decimal
    fee: Decimal
    signal_id: str
    opened_ms: int
    after: Books
    realized: Decimal = ZERO
    close_reason: CloseReason | None = None


class OrderFilled(Event, frozen=True, tag="filled"):
    """A fill entered the books.

    Parameters
    ----------
    opening
        Whether it adds to the leg.
    realized
        Gross P&L of a closing fill, by the exchange position's own average, in quote currency.
    before
        Quantity of the exchange position before the fill.
    after
        Books of the exchange position after the fill.
    opened_ms
        When the exchange position was opened.
    order_remaining
        Quantity of the order that can still fill; zero for orders that are not ours.
    sequence
        Number of the fill on this exchange position, 1 for the first.
    reconciled
        Whether no trade stands behind it: the exchange holds otherwise than the books did.
    settle_asset
        The quote currency: what profit, loss and funding of the symbol are paid in.
    """

    client_order_id: str
    trade_id: str
    symbol: str
    side: Side
    position_side: PositionSide
    opening: bool
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_asset: str
    maker: bool
    before: Decimal
    after: Books
    opened_ms: int
    order_remaining: Decimal
    sequence: int
    shares: tuple[FillShare, ...]
    realized: Decimal = ZERO
    reconciled: bool = False
    settle_asset: str = "USDT"

    def quote_fee(self, fee: Decimal) -> Decimal:
        """What of the fee, or of a share of it, is quote currency: all, or nothing if it was paid in another asset."""
        return fee if self.fee_asset == self.settle_asset else ZERO


class FillIgnored(Event, frozen=True, tag="fill_ignored"):
    """A fill did not enter the books; the reason says why."""

    client_order_id: str
    trade_id: str
    symbol: str
    reason: str


class ProtectionPlanned(Event, frozen=True, tag="protection_planned"):
    """Stop and target of a strategy position, for what it holds now; ``None`` means that none is wanted.

    Parameters
    ----------
    trailing_pct
        Fraction by which the stop follows the market, in place of ``stop_price``.
    widened
        Whether the stop was moved out to the least distance.
    clamped
        Whether the stop was moved into the exchange's band, away from ``wanted_stop``.
    target_waits
        Whether the target lies outside the band, and rests only once the market has come nearer.
    secured
        Price that the stop never falls behind again: it has been moved to break even.
    repriced
        Stop that took the place of one that the market had crossed.
    watch_price
        Mark price at which something is to be done about stop or target.
    """

    position_id: str
    strategy_id: str
    symbol: str
    position_side: PositionSide
    quantity: Decimal
    stop_price: Decimal | None = None
    target_price: Decimal | None = None
    widened: bool = False
    trailing_pct: Decimal | None = None
    wanted_stop: Decimal | None = None
    clamped: bool = False
    target_waits: bool = False
    secured: Decimal | None = None
    repriced: Decimal | None = None
    watch_price: Decimal | None = None


class FundingShare(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One strategy's share of a funding payment, in quote currency (positive is received), and its books after it."""

    strategy_id: str
    position_id: str
    amount: Decimal
    after: Books


class FundingBooked(Event, frozen=True, tag="funding_booked"):
    """A funding payment entered the books; the amount is in quote currency, positive is received.

    Parameters
    ----------
    rate
        Fraction of notional; longs pay when it is positive. ``None`` is not known.
    mark_price
        Price that valued the notional, ``None`` if it is not known.
    after
        Books of the exchange position after the payment.
    shares
        None where nobody holds anything any more: then it is no strategy's.
    id
        The exchange's own number of the booking, if it has said so.
    settled_ms
        When the exchange settled, by its own clock, if it has said so.
    """

    symbol: str
    position_side: PositionSide
    rate: Decimal | None
    mark_price: Decimal | None
    amount: Decimal
    after: Books
    shares: tuple[FundingShare, ...]
    id: str | None = None
    settled_ms: int | None = None

    @property
    def paid_ms(self) -> int:
        """When it was paid, milliseconds since 1970 UTC: the day's result that it belongs to."""
        return self.time_ms if self.settled_ms is None else min(self.settled_ms, self.time_ms)


class AlertRaised(Event, frozen=True, tag="alert"):
    """Somebody should know; an alert is published once the event is committed.

    Parameters
    ----------
    name
        What it is about, in words joined by underscores: one of a fixed set, so that it can be a subject and a label.
    text
        For people: what, where, and what to do.
    """

    name: str
    severity: Severity
    text: str
    symbol: str
    position_side: PositionSide | None = None
    strategy_id: str | None = None


class DifferenceFound(Event, frozen=True, tag="difference"):
    """Books and exchange differed.

    Parameters
    ----------
    books, exchange
        Quantities by the one and by the other, base asset: of the leg, or of the order.
    action
        What follows.
    difference_id
        Names it among all that were ever found.
    """

    symbol: str
    kind: DifferenceKind
    action: DifferenceAction
    text: str
    books: Decimal = ZERO
    exchange: Decimal = ZERO
    position_side: PositionSide | None = None
    client_order_id: str | None = None
    difference_id: str = ""

    @property
    def key(self) -> str:
        """What it is about: two with one key are the same difference, found at different times."""
        return f"{self.symbol}|{self.position_side or ''}|{self.kind}|{self.client_order_id or ''}"

    @property
    def lasts(self) -> bool:
        """Whether it is still there once the event is applied, until an observation does not find it any more."""
        return self.action in _LASTING


class DifferenceEnded(Event, frozen=True, tag="difference_ended"):
    """A difference that had been left as it was, or was being seen to, is there no more."""

    symbol: str
    key: str
    difference_id: str


class SymbolHalted(Event, frozen=True, tag="symbol_halted"):
    """A symbol was halted, openings on it are refused; or, with ``halted`` false, it may trade again."""

    symbol: str
    halted: bool
    why: str


AnyEvent = (
    JournalNamed
    | ConfigSet
    | InstrumentsSet
    | SignalDecided
    | PeakEquityRaised
    | OrderPlanned
    | OrderOpened
    | OrderAmended
    | QueryPlanned
    | OrphanCancelPlanned
    | CancelPlanned
    | OrderEnded
    | OrderFilled
    | FillIgnored
    | ProtectionPlanned
    | FundingBooked
    | AlertRaised
    | DifferenceFound
    | DifferenceEnded
    | SymbolHalted
)
