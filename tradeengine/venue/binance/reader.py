"""The truth: trades that were not told, ends that were not heard of, and what the exchange holds."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal

from shared.clock import Clock
from shared.errors import Rejected, RetrySafe
from tradeengine.domain.inputs import VenueObserved
from tradeengine.venue.base import ReportSink, Sight
from tradeengine.venue.binance.budget import Priority
from tradeengine.venue.binance.endpoints import TIME
from tradeengine.venue.binance.events import EventReader
from tradeengine.venue.binance.history import NotKnownYet, TradeHistory
from tradeengine.venue.binance.outcomes import OrderOutcomes
from tradeengine.venue.binance.parts import Rest
from tradeengine.venue.binance.rows import integer
from tradeengine.venue.binance.snapshot import SnapshotReader


class TruthReader:
    """Reads what the exchange holds, and tells what the user stream has not.

    Parameters
    ----------
    events
        Understands messages, and remembers what was told and whose orders they are.
    symbols
        Symbols that are traded, whatever is known of them already.
    sink
        Where trades and ends go that were not told.
    marks
        Newest mark price of a symbol, ``None`` if not known.
    on_missed
        Told the symbol when a trade is found that the stream should have told long ago: the stream is deaf.
    visible_ms
        A trade that is older, milliseconds, and was not told by the stream will not be told by it any more.
    """

    def __init__(
        self,
        rest: Rest,
        clock: Clock,
        events: EventReader,
        sink: ReportSink,
        *,
        symbols: Callable[[], Iterable[str]],
        marks: Callable[[str], Decimal | None] = lambda _: None,
        on_missed: Callable[[str], None] = lambda _: None,
        visible_ms: int = 5_000,
    ) -> None:
        self._rest = rest
        self._clock = clock
        self._trades = events.trades
        self._events = events
        self._sink = sink
        self._symbols = symbols
        self._marks = marks
        self._on_missed = on_missed
        self._history = TradeHistory(rest, clock, events, sink)
        self._outcomes = OrderOutcomes(rest, clock, events, sink)
        self._snapshot = SnapshotReader(rest, events.links, self._history.owner, hedge=events.hedge)
        self._visible_ms = visible_ms
        self._connected_ms: int | None = None

    @property
    def trouble(self) -> str | None:
        """What of the truth cannot be read on this exchange at all, ``None`` if nothing."""
        return self._snapshot.trouble

    async def close_gaps(self, symbols: Collection[str] | None = None) -> None:
        """Tell every trade and every end that was not told.

        Parameters
        ----------
        symbols
            Where something may be missing; ``None`` after the stream has just connected: anything may be.

        Raises
        ------
        RetrySafe
            If the exchange did not answer in full; what was found is told, the rest is not known.
        """
        with _unknown_if_refused():
            await self._close_gaps(symbols)

    async def _close_gaps(self, symbols: Collection[str] | None) -> None:
        moment, served_ms = self._clock.monotonic(), await self._exchange_ms()
        if symbols is None:
            self._connected_ms = served_ms
        everything = {*self._symbols(), *self._trades.symbols(), *self._events.doubted()}
        of = sorted((everything if symbols is None else set(symbols)) - {""})
        await self._history.read(of, served_ms, Priority.QUERY)
        await self._outcomes.read(None if symbols is None else of)
        # A message that could not be read names no symbol, perhaps.
        connected = symbols is None
        for symbol in [*of, *([""] if connected else [])]:
            self._events.tell(self._events.truth_was_read(symbol, moment, connected=connected), self._sink)

    async def observe(self, last_trades: Mapping[str, str | None]) -> Sight:
        """As :meth:`tradeengine.venue.base.Venue.observe`.

        A symbol moves if something of it was traded while positions were read, if an own order lives that the exchange
        does not list, or if one is listed that the exchange does not know yet.

        Raises
        ------
        RetrySafe
            If the exchange did not answer in full.
        """
        for symbol, trade_id in last_trades.items():
            self._trades.books_know(symbol, None if trade_id is None else int(trade_id))
        symbols = list(last_trades)
        while True:
            try:
                with _unknown_if_refused():
                    observed = await self._still(symbols)
            except NotKnownYet as error:
                symbols.remove(error.symbol)
                continue
            return Sight(observed, frozenset(last_trades).difference([seen.symbol for seen in observed]))

    async def _still(self, symbols: Sequence[str]) -> list[VenueObserved]:
        """Observations of the symbols of which nothing was traded while they were read, and no order is in between."""
        moment, asked_ms = self._clock.monotonic(), self._clock.now_ms()
        served_ms = await self._exchange_ms()
        before = {symbol: self._trades.version(symbol) for symbol in symbols}
        holdings = await self._snapshot.read(symbols)
        # Afterwards, so that a trade that the snapshot may lack is seen.
        for symbol, happened_ms in await self._history.read(symbols, served_ms, Priority.READ):
            if self._connected_ms is not None and self._connected_ms < happened_ms < served_ms - self._visible_ms:
                self._on_missed(symbol)
        unlisted = await self._outcomes.settle(symbols, holdings.listed, moment)
        still = [s for s in symbols if self._trades.version(s) == before[s] and s not in unlisted]
        for symbol in still:
            self._events.tell(self._events.truth_was_read(symbol, moment), self._sink)
        return [
            VenueObserved(
                time_ms=self._clock.now_ms(),
                symbol=symbol,
                asked_ms=asked_ms,
                mark_price=self._marks(symbol),
                positions=tuple(holdings.positions.get(symbol, ())),
                orders=tuple(holdings.orders.get(symbol, ())),
            )
            for symbol in still
        ]

    async def _exchange_ms(self) -> int:
        return integer(await self._rest.call(TIME, Priority.QUERY), "serverTime")


@contextmanager
def _unknown_if_refused() -> Iterator[None]:
    """What may not be read is as unknown as what was not answered, and may be asked for again."""
    try:
        yield
    except Rejected as error:
        raise RetrySafe(f"the exchange refuses to say what it holds: {error}") from error
