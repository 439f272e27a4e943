"""Backtest: the same chain in virtual time over recorded bars, one thing after the other, the same every time."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal

from contracts.signal import Signal
from contracts.subjects import shard_of
from contracts.values import from_millis, to_millis
from shared.clock import ManualClock
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.ids import shard_in
from tradeengine.domain.inputs import (
    AnyInput,
    ConfigChanged,
    InstrumentsChanged,
    JournalOpened,
    OrderReported,
    PriceReached,
    TimeAdvanced,
)
from tradeengine.domain.instrument import Instrument
from tradeengine.domain.orders import ApprovedOrder, OrderName
from tradeengine.domain.state import ShardState
from tradeengine.journal.base import Journal
from tradeengine.journal.record import Record
from tradeengine.runtime.account import Account
from tradeengine.runtime.bars import FundingRate
from tradeengine.runtime.committer import Committer
from tradeengine.runtime.gateway import Gateway
from tradeengine.runtime.inbox import SignalBatch
from tradeengine.runtime.shard import CommitListener, Shard
from tradeengine.venue.base import Report
from tradeengine.venue.paper.bar import Bar
from tradeengine.venue.paper.book import PaperBook

JOURNAL_ID = "backtest"

SETTLEMENT_DELAY_MS = 1_000
"""How long after its hour an exchange may record a settlement, milliseconds."""

Progress = Callable[[int], None]


class SymbolFeed:
    """Bars and funding settlements of one symbol, in order of time.

    Parameters
    ----------
    bars, funding
        Sorted by time; read as they are needed.
    """

    def __init__(self, symbol: str, bars: Iterable[Bar], funding: Iterable[FundingRate] = ()) -> None:
        self.symbol = symbol
        self._bars: Iterator[Bar] = iter(bars)
        self._funding: Iterator[FundingRate] = iter(funding)
        self._settlement = next(self._funding, None)
        self.bar = next(self._bars, None)
        self.unpriced = 0

    @property
    def next_ms(self) -> int | None:
        """Time of the next bar, ``None`` at the end."""
        return None if self.bar is None else self.bar.time_ms

    def opening(self, now_ms: int) -> Decimal | None:
        """Open of the bar that starts now and has not been taken yet, if one does."""
        return self.bar.open if self.bar is not None and self.bar.time_ms == now_ms else None

    def take_bar(self, now_ms: int) -> Bar | None:
        """The bar that starts now, if one does."""
        bar = self.bar
        if bar is None or bar.time_ms > now_ms:
            return None
        self.bar = next(self._bars, None)
        return bar

    def take_rates(self, start_ms: int | None) -> list[Decimal]:
        """Rates that are settled when a bar starts.

        Earlier ones that no bar started with have no price to be paid on: they are left out and counted in
        ``unpriced``.

        Parameters
        ----------
        start_ms
            Start of the bar, milliseconds since 1970 UTC; ``None`` when there are no more bars.
        """
        rates: list[Decimal] = []
        while (due := self._settlement) is not None:
            if start_ms is not None and due.time_ms >= start_ms + SETTLEMENT_DELAY_MS:
                break
            if start_ms is not None and due.time_ms >= start_ms:
                rates.append(due.rate)
            else:
                self.unpriced += 1
            self._settlement = next(self._funding, None)
        return rates


class BookVenue:
    """The paper book in virtual time: what an order causes is reported before the call returns."""

    settle_s = 0.0

    def __init__(
        self, book: PaperBook, feeds: Sequence[SymbolFeed], clock: ManualClock, sink: Callable[[Report], None]
    ) -> None:
        self._book = book
        self._feeds = {feed.symbol: feed for feed in feeds}
        self._clock = clock
        self._sink = sink

    def mark_price(self, symbol: str) -> Decimal | None:
        """Open of the bar that starts now, else the last price of the bars that have been played."""
        feed = self._feeds.get(symbol)
        opening = feed.opening(self._clock.now_ms()) if feed is not None else None
        return opening or self._book.last_price(symbol)

    async def place(self, order: ApprovedOrder) -> None:
        """Place an order in the book."""
        self._report(self._book.place(order, self._clock.now_ms()))

    async def cancel(self, order: ApprovedOrder | OrderName) -> None:
        """Cancel an order in the book."""
        self._report(self._book.cancel(order.client_order_id, self._clock.now_ms()))

    async def query(self, order: ApprovedOrder) -> Sequence[Report] | None:
        """What the book knows of an order."""
        return self._book.query(order.client_order_id)

    def _report(self, reports: Iterable[Report]) -> None:
        for report in reports:
            self._sink(report)


class Backtest:
    """One run over recorded prices.

    Parameters
    ----------
    feeds
        Prices and funding, one a symbol.
    signals
        Sorted by their time, which is when they are decided.
    book
        The exchange's side.
    journal
        Empty.
    listeners
        Called with each committed record.
    """

    def __init__(
        self,
        *,
        feeds: Sequence[SymbolFeed],
        signals: Sequence[Signal],
        book: PaperBook,
        instruments: Sequence[Instrument],
        config: TradingConfig,
        equity: Decimal,
        shards: int,
        journal: Journal,
        listeners: Sequence[CommitListener] = (),
    ) -> None:
        self.clock = ManualClock()
        self._feeds = sorted(feeds, key=lambda feed: feed.symbol)
        self._signals = deque(signals)
        self._book = book
        self._instruments = instruments
        self._config = config
        self._reports: deque[Report] = deque()
        self._records: deque[Record] = deque()
        venue = BookVenue(book, self._feeds, self.clock, self._reports.append)
        self.account = Account(equity, venue.mark_price)
        committer = Committer(journal, self.clock)
        self._shards = [
            Shard(
                ShardState(shard=number),
                0,
                journal=journal,
                committer=committer,
                account=self.account,
                clock=self.clock,
                listeners=[*listeners, self._records.append],
            )
            for number in range(shards)
        ]
        self._gateways = [
            Gateway(lambda shard=shard: shard.state, venue, self.clock, self._reports.append)  # type: ignore[misc]
            for shard in self._shards
        ]

    @property
    def unpriced(self) -> dict[str, int]:
        """Per symbol: funding settlements that were not paid, because no bar started at their time."""
        return {feed.symbol: feed.unpriced for feed in self._feeds if feed.unpriced}

    @property
    def states(self) -> list[ShardState]:
        """States of all shards."""
        return [shard.state for shard in self._shards]

    async def run(self, progress: Progress = lambda bars: None) -> int:
        """Play everything.

        Parameters
        ----------
        progress
            Called with the number of bars played since the last call.

        Returns
        -------
        int
            Number of bars played.
        """
        played = 0
        first = self._next_ms()
        await self._prepare(first or 0)
        while (now := self._next_ms()) is not None:
            self.clock.set(now)
            await self._expire(now)
            while self._signals and _decided_ms(self._signals[0]) <= now:
                await self._decide(self._signals.popleft())
            for feed in self._feeds:
                bars = await self._play(feed, now)
                played += bars
                progress(bars)
        for feed in self._feeds:
            feed.take_rates(None)
        return played

    def _next_ms(self) -> int | None:
        times = [time for feed in self._feeds if (time := feed.next_ms) is not None]
        if self._signals:
            times.append(_decided_ms(self._signals[0]))
        return min(times, default=None)

    async def _prepare(self, now: int) -> None:
        self.clock.set(now)
        count = len(self._shards)
        for shard in self._shards:
            own = tuple([i for i in self._instruments if shard_of(i.symbol, count) == shard.state.shard])
            given: list[AnyInput] = [
                JournalOpened(time_ms=now, journal_id=JOURNAL_ID, shards=count),
                ConfigChanged(time_ms=now, config=self._config),
            ]
            if own:
                given.append(InstrumentsChanged(time_ms=now, instruments=own))
            await shard.process(given)
        await self._settle()

    async def _expire(self, now: int) -> None:
        for shard in self._shards:
            deadlines = [live.order.expires_ms for live in shard.state.orders.values()]
            if any(deadline is not None and deadline <= now for deadline in deadlines):
                await shard.process([TimeAdvanced(time_ms=now)])
                await self._settle()

    async def _decide(self, signal: Signal) -> None:
        shard = self._shards[shard_of(signal.symbol, len(self._shards))]
        await shard.process([SignalBatch([signal])])
        await self._settle()

    async def _play(self, feed: SymbolFeed, now: int) -> int:
        """Funding first, on what is held into the bar that starts now, then the bar itself."""
        bar = feed.take_bar(now)
        if bar is None:
            return 0
        for rate in feed.take_rates(now):
            self._reports.append(self._book.settle_funding(feed.symbol, rate, bar.open, now))
            await self._settle()
        self._book.start_bar(feed.symbol, bar)
        while reports := self._book.next_execution(feed.symbol):
            self._reports.extend(reports)
            await self._settle()
        await self._tell_price(feed.symbol, bar.close, now)
        return 1

    async def _tell_price(self, symbol: str, mark: Decimal, now: int) -> None:
        """Tell a price that positions wait for; of a bar it is known to have been there at its close only."""
        shard = self._shards[shard_of(symbol, len(self._shards))]
        watch = shard.state.price_watches.get(symbol)
        if watch is not None and watch.reached(mark):
            await shard.process([PriceReached(time_ms=now, symbol=symbol, price=mark)])
            await self._settle()

    async def _settle(self) -> None:
        """Send what committed records call for and decide what that reports, until nothing is left."""
        while self._records or self._reports:
            if self._records:
                record = self._records.popleft()
                gateway = self._gateways[record.shard]
                for instruction in gateway.instructions(record):
                    await gateway.execute(instruction)
                continue
            report = self._reports.popleft()
            await self._shards[self._shard_of(report)].process([report])

    def _shard_of(self, report: Report) -> int:
        if isinstance(report, OrderReported):
            shard = shard_in(report.client_order_id)
            assert shard is not None, "in a backtest every order is the engine's own"  # noqa: S101
            return shard
        return shard_of(report.symbol, len(self._shards))


def _decided_ms(signal: Signal) -> int:
    """First whole millisecond that is not before the signal: none is decided in a bar that started before it."""
    millis = to_millis(signal.timestamp)
    return millis if from_millis(millis) == signal.timestamp else millis + 1
