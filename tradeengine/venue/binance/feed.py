"""All that tells what becomes of the account, wired together."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

from shared.clock import Clock
from tradeengine.venue.base import ReportSink, Sight
from tradeengine.venue.binance.doubts import Doubts
from tradeengine.venue.binance.events import EventReader, Notice
from tradeengine.venue.binance.links import OrderLinks
from tradeengine.venue.binance.parts import Rest
from tradeengine.venue.binance.reader import TruthReader
from tradeengine.venue.binance.trades import TradeLog
from tradeengine.venue.binance.user_stream import DEFAULT_PATIENCE, UserPatience, UserStream


class AccountFeed:
    """The user stream, the truth that it is held against, and what both remember.

    Parameters
    ----------
    url
        Address of the streams, without a path.
    sink
        Where reports go; it never blocks.
    symbols
        Symbols that are traded.
    marks
        Newest mark price of a symbol, ``None`` if not known.
    hedge
        Whether the account holds both legs of a symbol.
    on_notice
        Told what is no report: changes of balances and settings, margin calls.
    on_gap
        Called after something may have been missed, and was read back.
    """

    def __init__(
        self,
        rest: Rest,
        url: str,
        clock: Clock,
        sink: ReportSink,
        *,
        symbols: Callable[[], Iterable[str]],
        marks: Callable[[str], Decimal | None] = lambda _: None,
        hedge: bool = True,
        on_notice: Callable[[Notice], None] = lambda _: None,
        on_gap: Callable[[], None] = lambda: None,
        patience: UserPatience = DEFAULT_PATIENCE,
    ) -> None:
        doubts, trades = Doubts(), TradeLog()
        self.links = OrderLinks()
        self.events = EventReader(clock, self.links, trades, doubts, hedge=hedge, on_notice=on_notice)
        self.reader = TruthReader(
            rest,
            clock,
            self.events,
            sink,
            symbols=symbols,
            marks=marks,
            on_missed=self._missed,
            visible_ms=round(patience.silence_s * 1000),
        )
        self.stream = UserStream(
            rest,
            url,
            clock,
            self.events,
            doubts,
            sink,
            self.reader.close_gaps,
            on_alive=on_gap,
            patience=patience,
        )

    @property
    def trouble(self) -> str | None:
        """Why it is not known what becomes of the account, ``None`` while it is."""
        return self.stream.trouble or self.reader.trouble

    async def start(self) -> None:
        """Hear; returns when everything that happened before is read.

        Raises
        ------
        RetrySafe
            If the stream cannot be brought up.
        """
        await self.stream.start()

    async def stop(self) -> None:
        """Hear no more."""
        await self.stream.stop()

    async def observe(self, last_trades: Mapping[str, str | None]) -> Sight:
        """As :meth:`tradeengine.venue.base.Venue.observe`."""
        return await self.reader.observe(last_trades)

    def _missed(self, symbol: str) -> None:
        self.stream.suspect(f"the exchange lists a trade of {symbol} that it never told")
