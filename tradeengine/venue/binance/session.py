"""What lives while the venue is open: one connection, two streams, and the parts that use them."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import structlog

from contracts.enums import PositionMode
from shared.clock import Clock
from shared.errors import EngineError, RetrySafe
from tradeengine.domain.instrument import Instrument
from tradeengine.venue.base import ReportSink
from tradeengine.venue.binance.addresses import Addresses
from tradeengine.venue.binance.budget import Budget
from tradeengine.venue.binance.client import BinanceClient, Fence
from tradeengine.venue.binance.desk import OrderDesk
from tradeengine.venue.binance.events import Notice
from tradeengine.venue.binance.feed import AccountFeed
from tradeengine.venue.binance.funding import FUNDING_FEE, FundingFeed
from tradeengine.venue.binance.lookup import OrderLookup
from tradeengine.venue.binance.margin_calls import MarginCalls
from tradeengine.venue.binance.market_stream import MarketStream
from tradeengine.venue.binance.requests import RequestBuilder
from tradeengine.venue.binance.rest import RestCaller
from tradeengine.venue.binance.startup import StartReport, Startup
from tradeengine.venue.binance.symbols import SymbolSetup, SymbolTerms

_CLOCK_S = 60.0
_UNCERTAIN_S = 5.0
"""Between two measurements of the clock while it is not known well enough."""
_RULES_S = 3_600.0

WindowFence = Callable[[float], None]
"""Called before an order or a cancel leaves, with the monotonic time, seconds, after which the exchange surely refuses
it; keeps it here by raising ``Fenced``, or ``RetrySafe`` if it may be sent later."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Terms:
    """How an account is traded.

    Parameters
    ----------
    key, secret
        Of the account.
    symbols
        Symbols that are traded; empty if any may be.
    recv_window_ms
        How old a signed request may be, milliseconds.
    settle_s
        How long the exchange may deny to know an order that it has taken, seconds.
    """

    addresses: Addresses
    key: str
    secret: str
    mode: PositionMode
    symbol_terms: SymbolTerms
    symbols: tuple[str, ...]
    recv_window_ms: int
    settle_s: float

    def __repr__(self) -> str:
        return f"Terms({self.addresses}, {self.mode})"


class Session:
    """The venue's life between opening and closing.

    Parameters
    ----------
    budget
        Outlives the session: the exchange goes on counting.
    sink
        Where reports go.
    on_gap
        Called after reports may have been missed.
    on_leap
        Called with the seconds by which the exchange's clock has moved ahead of this machine's.
    """

    def __init__(
        self,
        terms: Terms,
        clock: Clock,
        budget: Budget,
        sink: ReportSink,
        on_gap: Callable[[], None],
        on_leap: Callable[[float], None],
        fence: WindowFence | None,
    ) -> None:
        self._terms = terms
        self._fence = fence
        self._clock = clock
        self._on_gap = on_gap
        self._parts = AsyncExitStack()
        self._client = connect(terms, self._check_window)
        self.rest = RestCaller(self._client, budget, clock)
        self.rest.time.on_leap = on_leap
        self.setup = SymbolSetup(self.rest, terms.symbol_terms)
        self._startup = Startup(self.rest, budget, terms.addresses, self.setup, terms.mode, terms.symbols)
        self.market = MarketStream(self.rest, terms.addresses.stream, clock, terms.symbols)
        self._traded = dict.fromkeys(terms.symbols)
        hedge = terms.mode is PositionMode.HEDGE
        self.feed = AccountFeed(
            self.rest,
            terms.addresses.stream,
            clock,
            sink,
            symbols=lambda: tuple(self._traded),
            marks=self.market.price,
            hedge=hedge,
            on_notice=self._noticed,
            on_gap=self._gap_closed,
        )
        self.funding = FundingFeed(self.rest, clock, sink, instruments=lambda: self.instruments)
        self._margin_calls = MarginCalls(clock, sink)
        builder = RequestBuilder(terms.mode)
        self.lookup = OrderLookup(self.rest, builder, self.feed.links, clock)
        self.desk = OrderDesk(
            self.rest,
            builder,
            self.lookup,
            self.setup,
            self.feed.links,
            self.feed.events,
            clock,
            sink,
            self.market.price,
            terms.settle_s,
        )
        self.report: StartReport | None = None
        self.instruments: dict[str, Instrument] = {}
        self._following: set[str] = set(terms.symbols)
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Check everything, connect the streams, and go to work; what fails takes down what was up.

        Raises
        ------
        ConfigError
            If the engine must not trade so.
        RetrySafe
            If the exchange does not answer.
        """
        async with AsyncExitStack() as starting:
            starting.push_async_callback(self._client.close_connection)
            starting.push_async_callback(self._end_tasks)
            self.report = await self._startup.run()
            self.instruments = dict(self.report.instruments)
            await self.market.start()
            starting.push_async_callback(self.market.stop)
            # Before fills that were missed too: it is of what was held then, which they may have closed.
            await self.funding.first()
            await self.feed.start()
            starting.push_async_callback(self.feed.stop)
            self._spawn(self.funding.run(), "binance-funding")
            self._spawn(self._tend(), "binance-tend")
            self._parts = starting.pop_all()

    async def stop(self) -> None:
        """Disconnect."""
        await self._parts.aclose()

    def mark_price(self, symbol: str) -> Decimal | None:
        """Newest mark price; a symbol that nobody asked for before is followed from now on."""
        if symbol in self.instruments and symbol not in self._following:
            self._following.add(symbol)
            self._spawn(self._follow(symbol), f"binance-follow-{symbol}")
        return self.market.price(symbol)

    def closed_symbols(self) -> dict[str, str]:
        """Symbols that are to be traded and open nothing, and why."""
        trading = {symbol for symbol, rule in self.instruments.items() if rule.trading}
        closed = {
            symbol: f"{symbol} is not open for trading at the exchange: what is held there can only be closed, or is "
            "settled by the exchange; take it out of ALLOWED_SYMBOLS once it is flat"
            for symbol in self._terms.symbols
            if symbol not in trading
        }
        return closed | self.setup.blocked

    def tell_anew(self, last_trades: Mapping[str, str | None]) -> None:
        """Other books are told of symbols from now on: nothing counts as told to them.

        Parameters
        ----------
        last_trades
            Newest trade that they know of each symbol, ``None`` if they know none. It must be known now: once they hear
            a later one from the stream, theirs says nothing of what came between.
        """
        for symbol, trade_id in last_trades.items():
            self.feed.events.trades.forget(symbol)
            self.feed.events.trades.books_know(symbol, None if trade_id is None else int(trade_id))
        self.funding.forget(last_trades.keys())

    def trade(self, symbol: str) -> None:
        """Note that a symbol is traded: what is missed of it is read back, as long as the exchange lists it."""
        if symbol in self.instruments:
            self._traded[symbol] = None

    async def _follow(self, symbol: str) -> None:
        try:
            await self.market.follow(symbol)
        except EngineError as error:
            log.warning("mark_price_unknown", symbol=symbol, reason=str(error))
            self._following.discard(symbol)

    def _check_window(self, timestamp_ms: int, recv_window_ms: int) -> None:
        """Keep a signed order here if it is not known well enough how long the exchange may take it, or for too long.

        Raises
        ------
        Fenced, RetrySafe
            See :data:`WindowFence` and :class:`.exchange_time.ExchangeTime`.
        """
        if (trouble := self.rest.time.trouble) is not None:
            raise RetrySafe(trouble)
        if self._fence is not None:
            self._fence(self.rest.time.taken_until(timestamp_ms, recv_window_ms))

    async def _tend(self) -> None:
        """Measure the exchange's clock and read the rules again, for ever."""
        rules_due = self._clock.monotonic() + _RULES_S
        while True:
            await self._clock.sleep(_CLOCK_S if self.rest.time.trouble is None else _UNCERTAIN_S)
            try:
                await self.rest.measure_clock()
                if self._clock.monotonic() >= rules_due:
                    self.instruments, _ = await self._startup.read_rules()
                    rules_due = self._clock.monotonic() + _RULES_S
            except EngineError as error:
                log.warning("venue_not_tended", reason=str(error), action="it is tried again soon")

    def _gap_closed(self) -> None:
        self.funding.look()
        self._on_gap()

    def _noticed(self, notice: Notice) -> None:
        if notice.event == "ACCOUNT_UPDATE":
            update = notice.payload.get("a")
            if isinstance(update, dict) and update.get("m") == FUNDING_FEE:
                self.funding.announced()
        elif notice.event == "ACCOUNT_CONFIG_UPDATE":
            changed = notice.payload.get("ac")
            if isinstance(changed, dict):
                self.setup.changed(str(changed.get("s")))
            log.warning("account_settings_changed", payload=str(dict(notice.payload)))
        elif notice.event == "MARGIN_CALL":
            self._margin_calls.take(notice.payload)

    def _spawn(self, job: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(job, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _end_tasks(self) -> None:
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def connect(terms: Terms, fence: Fence | None = None) -> BinanceClient:
    """A client of an account; its user closes it."""
    return BinanceClient(terms.addresses, terms.key, terms.secret, recv_window_ms=terms.recv_window_ms, fence=fence)
