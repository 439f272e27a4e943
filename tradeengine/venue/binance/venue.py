"""Binance USD-M futures as a venue."""

import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import structlog
from pydantic import JsonValue

from contracts.enums import Refusal
from shared.clock import Clock
from shared.errors import ConfigError, Rejected, RetrySafe
from tradeengine.domain.instrument import Instrument
from tradeengine.domain.orders import ApprovedOrder, OrderName
from tradeengine.domain.state import ShardState
from tradeengine.venue.base import AccountFigures, Report, ReportSink, Sight, VenueState
from tradeengine.venue.binance.account import read_figures
from tradeengine.venue.binance.addresses import AddressKind
from tradeengine.venue.binance.budget import Budget, Usage
from tradeengine.venue.binance.measured import measured
from tradeengine.venue.binance.rest import RestCaller
from tradeengine.venue.binance.session import Session, Terms, WindowFence, connect
from tradeengine.venue.binance.startup import StartReport, Startup
from tradeengine.venue.binance.symbols import SymbolSetup

OPEN_CONDITIONAL_ORDERS = 200
"""Of an account, over all symbols; Binance docs, change log of 2025-12-29."""
_QUIET_S = 5.0

log = structlog.get_logger(__name__)


class BinanceVenue:
    """Trades an account of the exchange.

    Parameters
    ----------
    terms
        Which account, where, and how.
    clock
        The machine's clock: the client library reads the machine's time by itself.
    fence
        Asked before an order or a cancel leaves; see :data:`.session.WindowFence`.
    """

    conditional_limit: int | None = OPEN_CONDITIONAL_ORDERS

    def __init__(self, terms: Terms, clock: Clock, *, fence: WindowFence | None = None) -> None:
        # Books of the one must never meet the orders of the other.
        self.name = "binance" if terms.addresses.kind is AddressKind.PRODUCTION else "binance-testnet"
        self._terms = terms
        self._clock = clock
        self._fence = fence
        self._doubt: Callable[[float], None] = lambda seconds: None
        self._budget = Budget(clock)
        self._session: Session | None = None
        self._look: Callable[[], None] = lambda: None
        self.settle_s = terms.settle_s

    # ---------------------------------------------------------------- life

    async def open(self, sink: ReportSink) -> None:
        """Check account, clock and symbols, connect, and read back what is new; from now on reports go to the sink.

        Raises
        ------
        ConfigError
            If the engine must not trade so; the text says what to do.
        RetrySafe
            If the exchange does not answer.
        """
        if self._session is not None:
            raise RetrySafe("the venue is open already; close it first")
        session = Session(self._terms, self._clock, self._budget, sink, self._gap_closed, self._leapt, self._fence)
        await session.start()
        self._session = session

    async def close(self) -> None:
        """Disconnect; orders that rest at the exchange stay there."""
        session, self._session = self._session, None
        if session is not None:
            await session.stop()

    async def check(self) -> StartReport:
        """Look at everything that :meth:`open` checks, and change nothing.

        Raises
        ------
        ConfigError, RetrySafe
            As :meth:`open`.
        """
        terms = self._terms
        client = connect(terms)
        try:
            rest = RestCaller(client, self._budget, self._clock)
            setup = SymbolSetup(rest, terms.symbol_terms)
            startup = Startup(rest, self._budget, terms.addresses, setup, terms.mode, terms.symbols)
            return await startup.run(change=False)
        finally:
            await client.close_connection()

    def take_over(self, state: ShardState) -> None:
        """Begin to tell a shard's books, which another process kept before, what they may not know."""
        if self._session is not None:
            self._session.tell_anew({symbol: state.last_trades.get(symbol) for symbol in state.instruments})

    def share_limits(self, part: int, whole: int) -> None:
        """Let openings of this process use no more than a share of the account's order limits."""
        self._budget.set_share(part, whole)

    def on_gap(self, look: Callable[[], None]) -> None:
        """Call a function whenever reports may have been missed, after they were read back."""
        self._look = look

    def on_leap(self, doubt: Callable[[float], None]) -> None:
        """Call a function when the exchange's clock has moved ahead of this machine's, with the seconds."""
        self._doubt = doubt

    def _gap_closed(self) -> None:
        self._look()

    def _leapt(self, seconds: float) -> None:
        self._doubt(seconds)

    # ---------------------------------------------------------------- facts

    async def instruments(self) -> Sequence[Instrument]:
        """Trading rules of every perpetual contract; while the venue is open they are at most an hour old.

        Raises
        ------
        ConfigError
            If the address is not that of such an exchange.
        RetrySafe
            If the exchange does not answer.
        """
        if self._session is not None:
            return tuple(self._session.instruments.values())
        terms = self._terms
        client = connect(terms)
        try:
            rest = RestCaller(client, self._budget, self._clock)
            setup = SymbolSetup(rest, terms.symbol_terms)
            startup = Startup(rest, self._budget, terms.addresses, setup, terms.mode, terms.symbols)
            found, _ = await startup.read_rules()
        except Rejected as error:
            raise ConfigError(f"{terms.addresses.rest} does not answer as the exchange does: {error}") from error
        finally:
            await client.close_connection()
        return tuple(found.values())

    def mark_price(self, symbol: str) -> Decimal | None:
        """Newest mark price, ``None`` while there is none that is new enough."""
        return self._session.mark_price(symbol) if self._session else None

    async def account(self) -> AccountFigures:
        """What the account holds by the exchange's books.

        Raises
        ------
        RetrySafe
            If the exchange did not answer, or left out a figure.
        """
        try:
            return await read_figures(self._opened().rest)
        except Rejected as error:
            raise RetrySafe(f"the account cannot be read: {error}") from error

    @property
    def report(self) -> StartReport | None:
        """What the last opening found, ``None`` while the venue is closed."""
        return self._session.report if self._session else None

    def usage(self) -> Usage:
        """What is used of the exchange's limits."""
        return self._budget.usage()

    def state(self) -> VenueState:
        """Whether the exchange is heard and may be asked, with figures for people."""
        session = self._session
        usage = self._budget.usage()
        details: dict[str, JsonValue] = {
            "rest_url": self._terms.addresses.rest,
            "stream_url": self._terms.addresses.stream,
            "kind": self._terms.addresses.kind.value,
            "order_share": "{} of {}".format(*self._budget.share),
            "clock_offset_ms": self._budget.offset_ms,
            "clock_error_ms": _clock_error_ms(session),
            "weight_1m": usage.weight_1m,
            "order_count_10s": usage.order_count_10s,
            "order_count_1m": usage.order_count_1m,
        }
        figures = measured(self._budget, session, self._clock)
        if session is None:
            return VenueState("the exchange is not connected", details, measured=figures)
        details |= {
            "user_stream_heard_ms": session.feed.stream.last_heard_ms,
            "user_stream_rebuilds": session.feed.stream.rebuilds,
            "market_stream_heard_ms": session.market.last_heard_ms,
            "market_stream_rebuilds": session.market.rebuilds,
            "funding_read_ms": session.funding.read_ms,
            "blocked_symbols": dict(session.closed_symbols()),
            "stopped_s": round(usage.stopped_s, 3),
        }
        return VenueState(self._trouble(session, usage), details, session.closed_symbols(), figures)

    def _trouble(self, session: Session, usage: Usage) -> str | None:
        if usage.stopped_s > _QUIET_S:
            return f"the exchange takes no requests for {usage.stopped_s:.0f} s more: too many were made"
        return session.rest.time.trouble or session.feed.trouble or session.market.trouble

    # ---------------------------------------------------------------- orders

    async def place(self, order: ApprovedOrder) -> None:
        """Send an order. Its acceptance and its fills arrive at the sink, perhaps before this returns.

        Raises
        ------
        Rejected
            If the exchange refused it for good, or its rules say that it would.
        RetrySafe
            If it surely did not arrive and may be sent again.
        OutcomeUnknown
            If it may or may not have arrived: :meth:`query` tells.
        """
        session = self._opened()
        rules = session.instruments.get(order.symbol)
        if rules is None:
            raise Rejected(
                f"order {order.client_order_id}: {order.symbol} is not traded at {self._terms.addresses.host}",
                code="-1121",
                refusal=Refusal.NOT_ALLOWED,
            )
        session.trade(order.symbol)
        await session.desk.place(order, rules)

    async def cancel(self, order: ApprovedOrder | OrderName) -> None:
        """Ask for the end of an order; its end arrives at the sink. Cancelling what has ended is no error.

        Raises
        ------
        RetrySafe, OutcomeUnknown
            As for :meth:`place`; a cancel may be repeated freely.
        Rejected
            If the exchange refuses to cancel it.
        """
        await self._opened().desk.cancel(order)

    async def query(self, order: ApprovedOrder) -> Sequence[Report] | None:
        """What the exchange knows of an order: its state and all its fills, or ``None`` if it never arrived.

        Raises
        ------
        RetrySafe
            If the exchange did not answer, or not in full.
        Rejected
            If it lists the symbol no more, and will never tell.
        """
        session = self._opened()
        session.trade(order.symbol)
        try:
            found = await session.lookup.find(order)
        except Rejected as error:
            if order.symbol not in session.instruments:
                raise
            # A question is answered or not: a refusal of it says nothing about the order.
            raise RetrySafe(f"order {order.client_order_id} cannot be asked for: {error}") from error
        return None if found is None else found.reports

    async def observe(self, last_trades: Mapping[str, str | None]) -> Sight:
        """What the exchange holds of symbols, read once, after every trade that it knows has been told to the sink.

        A symbol that it lists no more is left out: it refuses to tell of it, and the others must be known.

        Raises
        ------
        RetrySafe
            If the exchange did not answer in full: that is unknown, never flat.
        """
        session = self._opened()
        listed = {symbol: known for symbol, known in last_trades.items() if symbol in session.instruments}
        for symbol in listed:
            session.trade(symbol)
        try:
            return await session.feed.observe(listed)
        except Rejected as error:
            raise RetrySafe(f"what the exchange holds cannot be read: {error}") from error

    def _opened(self) -> Session:
        if self._session is None:
            raise RetrySafe("the exchange is not connected; open the venue and send again")
        return self._session


def _clock_error_ms(session: Session | None) -> float | None:
    """Most by which the exchange's time is wrong here, ``None`` before it was measured."""
    error_ms = session.rest.time.error_ms if session else math.inf
    return None if math.isinf(error_ms) else round(error_ms, 3)
