"""The venue's Protocol: where orders go and reports come from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from pydantic import JsonValue

from shared.gauges import ExchangeFigures
from tradeengine.domain.inputs import FillReported, FundingSettled, MarginCalled, OrderReported, VenueObserved
from tradeengine.domain.instrument import Instrument
from tradeengine.domain.orders import ApprovedOrder, OrderName
from tradeengine.domain.state import ShardState

Report = OrderReported | FillReported | FundingSettled | MarginCalled
ReportSink = Callable[[Report], None]


@dataclass(frozen=True, slots=True)
class VenueState:
    """How a venue is, for health: cheap to make, at any time, from any thread.

    Parameters
    ----------
    trouble
        Why it does not work now, and what to do; ``None`` when it works.
    closed_symbols
        Symbols that are to be traded and open nothing, and why.
    details
        Figures and addresses for people.
    measured
        Figures for metrics; ``None`` where the venue is no exchange.
    """

    trouble: str | None = None
    details: Mapping[str, JsonValue] = field(default_factory=dict)
    closed_symbols: Mapping[str, str] = field(default_factory=dict)
    measured: ExchangeFigures | None = None


@dataclass(frozen=True)
class AccountFigures:
    """What the account holds, in quote currency, by the venue's own books.

    Parameters
    ----------
    wallet
        Deposits, realised P&L, fees and funding.
    available
        What new positions may use as margin.
    """

    wallet: Decimal
    unrealized: Decimal
    available: Decimal

    @property
    def equity(self) -> Decimal:
        """Wallet and unrealised P&L."""
        return self.wallet + self.unrealized


@dataclass(frozen=True, slots=True)
class Sight:
    """What a venue was seen to hold.

    Parameters
    ----------
    observed
        One observation for each symbol asked for that the venue lists and that stood still meanwhile.
    moving
        Symbols of which something happened while they were read: what they hold is unknown, and to be asked for again.
    """

    observed: Sequence[VenueObserved]
    moving: frozenset[str] = frozenset()


class OrderDoor(Protocol):
    """The part of a venue that orders go through. What becomes of them arrives as reports at a sink.

    Parameters
    ----------
    settle_s
        How long an order whose request got no answer may still turn up, seconds.
    """

    settle_s: float

    def mark_price(self, symbol: str) -> Decimal | None:
        """Newest price known, ``None`` while there is none."""
        ...

    async def place(self, order: ApprovedOrder) -> None:
        """Send an order. Its acceptance and its fills arrive at the sink, perhaps before this returns.

        Raises
        ------
        Rejected
            If the venue refused it for good.
        RetrySafe
            If it surely did not arrive and may be sent again.
        OutcomeUnknown
            If it may or may not have arrived: :meth:`query` tells.
        """
        ...

    async def cancel(self, order: ApprovedOrder | OrderName) -> None:
        """Ask for the end of an order; its end arrives at the sink. Cancelling what has ended is no error.

        Raises
        ------
        RetrySafe, OutcomeUnknown
            As for :meth:`place`; a cancel may be repeated freely.
        """
        ...

    async def query(self, order: ApprovedOrder) -> Sequence[Report] | None:
        """What the venue knows of an order: its state and all its fills, or ``None`` if it never arrived.

        Raises
        ------
        RetrySafe
            If the venue did not answer.
        Rejected
            If it will never tell, because it lists the symbol no more.
        """
        ...


class Venue(OrderDoor, Protocol):
    """An exchange, or what plays one. What becomes of orders arrives as reports at the sink, in order per symbol.

    Parameters
    ----------
    conditional_limit
        How many conditional orders of the account may rest at once, over all symbols; ``None`` is no limit.
    """

    name: str
    conditional_limit: int | None

    async def open(self, sink: ReportSink) -> None:
        """Connect; from now on reports go to the sink, which never blocks."""
        ...

    async def close(self) -> None:
        """Disconnect; orders that rest at the venue stay there."""
        ...

    async def instruments(self) -> Sequence[Instrument]:
        """Trading rules of every symbol that can be traded."""
        ...

    def state(self) -> VenueState:
        """How the venue is now."""
        ...

    def on_leap(self, doubt: Callable[[float], None]) -> None:
        """Call a function when the venue's clock turns out to be ahead of ours by so many seconds more than before.

        Then this machine may have stood still for so long, without a clock of its own that counted it.
        """
        ...

    def on_gap(self, look: Callable[[], None]) -> None:
        """Call a function whenever reports may have been missed, such as after a lost connection came back."""
        ...

    def take_over(self, state: ShardState) -> None:
        """Begin to report to a shard's books, as they are now; another process may have kept them before.

        What was told so far about the shard's symbols was not told to them: whatever they do not know is told again.
        """
        ...

    def share_limits(self, part: int, whole: int) -> None:
        """Leave other processes their share of what the venue lets the account do: this one has ``part / whole``.

        Where there is no such limit, nothing follows.
        """
        ...

    async def account(self) -> AccountFigures | None:
        """What the account holds by the venue's own books, ``None`` where the venue keeps no account.

        Raises
        ------
        RetrySafe
            If the venue did not answer, or not with what is needed.
        """
        ...

    async def observe(self, last_trades: Mapping[str, str | None]) -> Sight:
        """What the venue holds of symbols, read once, after every trade that it knows has been told to the sink.

        Parameters
        ----------
        last_trades
            Symbol to the newest trade id that its books know, ``None`` if they know none.

        Returns
        -------
        Sight
            Trades that the books have not seen reach the sink before this returns, and none happened between them and
            what was observed.

        Raises
        ------
        RetrySafe
            If the venue did not answer in full: that is unknown, never flat.
        """
        ...
