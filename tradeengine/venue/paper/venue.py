"""The paper exchange as a venue: the matching core behind the Protocol, at the clock's time."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

from contracts.enums import PositionSide, Refusal
from shared.clock import Clock
from shared.errors import Rejected, RetrySafe
from tradeengine.domain.ids import base36
from tradeengine.domain.inputs import VenueObserved
from tradeengine.domain.instrument import Instrument
from tradeengine.domain.orders import ApprovedOrder, LiveOrder, OrderName
from tradeengine.domain.state import ShardState
from tradeengine.venue.base import AccountFigures, Report, ReportSink, Sight, VenueState
from tradeengine.venue.paper.book import PaperBook
from tradeengine.venue.paper.funding import FundingSchedule


class PaperVenue:
    """Trades on a :class:`~.book.PaperBook` at posted prices. It sends nothing anywhere.

    Parameters
    ----------
    book
        The matching core; driven by single prices, through :meth:`post_price` only.
    clock
        Time of the reports, and what latency waits on.
    instruments
        Symbols that can be traded.
    latency_s
        How long a request takes to arrive, seconds, >= 0. Answers take none.
    funding
        Settles funding by itself; without it only :meth:`post_funding` does.
    """

    name = "paper"
    settle_s = 0.0
    conditional_limit: int | None = None

    def __init__(
        self,
        book: PaperBook,
        clock: Clock,
        instruments: Iterable[Instrument],
        *,
        latency_s: float = 0,
        funding: FundingSchedule | None = None,
    ) -> None:
        self._book = book
        self._clock = clock
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        self._latency_s = latency_s
        self._funding = funding
        self._sink: ReportSink | None = None

    def restore(
        self,
        orders: Iterable[LiveOrder],
        positions: Mapping[tuple[str, PositionSide], Decimal],
        *,
        entry_prices: Mapping[tuple[str, PositionSide], Decimal] | None = None,
        prefix: str = "",
    ) -> None:
        """Take over what the books say, before :meth:`open`: see :meth:`.book.PaperBook.restore`."""
        self._book.restore(orders, positions, entry_prices=entry_prices, prefix=prefix)

    def share_limits(self, part: int, whole: int) -> None:
        """Do nothing: the paper exchange has no limits."""

    def take_over(self, state: ShardState) -> None:
        """Take a shard's books for what the paper exchange remembers of its symbols; planned orders never arrived.

        The paper exchange lives in the process that works on the shard, and dies with it.
        """
        legs = {(leg.symbol, leg.side): leg.books for leg in state.legs.values()}
        self._book.forget({*state.instruments, *(symbol for symbol, _ in legs)})
        self._book.restore(
            state.orders.values(),
            {leg: books.quantity for leg, books in legs.items()},
            entry_prices={leg: books.entry_price for leg, books in legs.items()},
            # Of this life of the process and no other, so that no number of an order or trade comes twice.
            prefix=f"{base36(self._clock.now_ms())}-",
        )

    def expire_prices(self, max_age_s: float) -> None:
        """Let no price hold for longer than that: then there is none, and orders that arrive wait for the next."""
        self._book.expire_prices(int(max_age_s * 1000))

    async def open(self, sink: ReportSink) -> None:
        """Start trading; from now on reports go to the sink, which never blocks."""
        self._sink = sink

    async def close(self) -> None:
        """Stop trading; orders rest."""
        self._sink = None

    async def instruments(self) -> Sequence[Instrument]:
        """Trading rules of every symbol that can be traded."""
        return tuple(self._instruments.values())

    def mark_price(self, symbol: str) -> Decimal | None:
        """Newest price posted, ``None`` while there is none or it no longer holds."""
        return self._book.fresh_price(symbol, self._clock.now_ms())

    async def place(self, order: ApprovedOrder) -> None:
        """Send an order. Its acceptance and its fills arrive at the sink, perhaps before this returns.

        Raises
        ------
        Rejected
            If the symbol is not traded here, or for the reasons of :meth:`.book.PaperBook.place`.
        RetrySafe
            If the venue is not open when the order arrives.
        """
        sink = await self._arrive()
        if order.symbol not in self._instruments:
            raise Rejected(
                f"order {order.client_order_id}: {order.symbol} is not traded here",
                code="-1121",
                refusal=Refusal.NOT_ALLOWED,
            )
        _deliver(sink, self._book.place(order, self._clock.now_ms()))

    async def cancel(self, order: ApprovedOrder | OrderName) -> None:
        """Ask for the end of an order; its end arrives at the sink. Cancelling what has ended is no error.

        Raises
        ------
        RetrySafe
            If the venue is not open when the request arrives.
        """
        sink = await self._arrive()
        _deliver(sink, self._book.cancel(order.client_order_id, self._clock.now_ms()))

    async def query(self, order: ApprovedOrder) -> Sequence[Report] | None:
        """Everything that was reported about an order, or ``None`` if it never arrived.

        Raises
        ------
        RetrySafe
            If the venue is not open when the request arrives.
        """
        await self._arrive()
        return self._book.query(order.client_order_id)

    async def observe(self, last_trades: Mapping[str, str | None]) -> Sight:
        """What it holds of symbols. Every trade was told when it happened, so the trade ids of the books do not matter.

        Raises
        ------
        RetrySafe
            If the venue is not open when the request arrives.
        """
        asked_ms = self._clock.now_ms()
        await self._arrive()
        now_ms = self._clock.now_ms()
        observed = [
            VenueObserved(
                time_ms=now_ms,
                symbol=symbol,
                asked_ms=asked_ms,
                mark_price=self.mark_price(symbol),
                positions=self._book.positions(symbol),
                orders=self._book.resting(symbol),
            )
            for symbol in last_trades
        ]
        return Sight(observed)

    async def account(self) -> AccountFigures | None:
        """Nothing: the paper account is worth what the books say."""
        return None

    def state(self) -> VenueState:
        """It works whenever the process does."""
        return VenueState()

    def on_leap(self, doubt: Callable[[float], None]) -> None:
        """Do nothing: the paper exchange has the machine's own clock."""

    def on_gap(self, look: Callable[[], None]) -> None:
        """Never called: no report is ever missed."""

    def post_price(self, symbol: str, price: Decimal) -> None:
        """Trade at a new price. While the venue is closed nobody could hear of it, so nothing happens.

        Raises
        ------
        ValueError
            If the price is not above zero.
        """
        if self._sink is None:
            return
        now_ms = self._clock.now_ms()
        if self._funding is not None:
            for rate in self._funding.due(symbol, now_ms):
                _deliver(self._sink, [self._book.settle_funding(symbol, rate, price, now_ms)])
        _deliver(self._sink, self._book.tick(symbol, price, now_ms))

    def post_funding(self, symbol: str, rate: Decimal) -> None:
        """Settle funding now, at the newest price.

        Parameters
        ----------
        rate
            Fraction of the notional; longs pay when it is positive.

        Raises
        ------
        RetrySafe
            If the venue is not open, or no price values the notional yet.
        """
        price = self._book.last_price(symbol)
        if self._sink is None or price is None:
            missing = "the paper venue is not open" if self._sink is None else "no price was posted yet"
            raise RetrySafe(f"funding of {symbol}: {missing}")
        _deliver(self._sink, [self._book.settle_funding(symbol, rate, price, self._clock.now_ms())])

    async def _arrive(self) -> ReportSink:
        if self._latency_s:
            await self._clock.sleep(self._latency_s)
        if self._sink is None:
            raise RetrySafe("the paper venue is not open; open it and send again")
        return self._sink


def _deliver(sink: ReportSink, reports: Iterable[Report]) -> None:
    for report in reports:
        sink(report)
