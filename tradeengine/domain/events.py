"""Events: what was decided. The state is a fold over them, and every record is made from them."""

from decimal import Decimal

import msgspec

from contracts.enums import (
    Action,
    CloseReason,
    OrderPurpose,
    OrderStatus,
    Outcome,
    PositionSide,
    Reason,
    Refusal,
    RejectionSource,
    Side,
)
from tradeengine.domain.books import Books
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.event import Event
from tradeengine.domain.instrument import Instrument
from tradeengine.domain.money import ZERO
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.domain.truth_events import (
    AlertRaised,
    DifferenceEnded,
    DifferenceFound,
    LegRevalued,
    OrderAmended,
    OrphanCancelPlanned,
    QueryPlanned,
    SymbolHalted,
)

__all__ = [
    "CLOSED_BY_SIGNAL",
    "SHORT_LIFE_MS",
    "AlertRaised",
    "AnyEvent",
    "CancelPlanned",
    "ConfigSet",
    "DifferenceEnded",
    "DifferenceFound",
    "Event",
    "FillIgnored",
    "FillShare",
    "FundingBooked",
    "FundingShare",
    "InstrumentsSet",
    "JournalNamed",
    "LegRevalued",
    "OrderAmended",
    "OrderEnded",
    "OrderFilled",
    "OrderOpened",
    "OrderPlanned",
    "OrphanCancelPlanned",
    "OwnerChanged",
    "PeakEquityRaised",
    "ProtectionPlanned",
    "QueryPlanned",
    "SignalDecided",
    "SymbolHalted",
]

CLOSED_BY_SIGNAL = "closed by signal"
"""Why an entry under way is cancelled when its strategy asks to be out."""

SHORT_LIFE_MS = 1_000
"""A stop or target that expires sooner than this did not rest at all, milliseconds."""


class JournalNamed(Event, frozen=True, tag="journal_named"):
    """The journal got its name, its number of shards and its venue."""

    journal_id: str
    shards: int = 1
    venue: str = "paper"


class OwnerChanged(Event, frozen=True, tag="owner_changed"):
    """Another process, or the same one under a new lease, works on the shard; see :class:`.inputs.ShardTaken`."""

    owner: str
    epoch: int


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
    sequence, sent_ms
        Of a numbered signal that is no duplicate: its number, and its own time, milliseconds since 1970 UTC.
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
    sequence: int | None = None
    sent_ms: int | None = None


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

        A stop or target that expires as soon as it is placed would only do so again. One that was filled lacks nothing:
        its end was told before its fills, as where an order is asked for after a take-over.
        """
        if self.wanted or self.purpose is OrderPurpose.OPEN or self.status is OrderStatus.FILLED:
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
    break_even_at_pct
        Gain, as a fraction of the entry price, at which the stop moves to where the position breaks even.
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
    break_even_at_pct: Decimal | None = None


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


AnyEvent = (
    JournalNamed
    | OwnerChanged
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
    | LegRevalued
    | SymbolHalted
)
