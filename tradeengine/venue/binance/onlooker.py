"""Looking at an account beside whoever trades it: nothing is heard, sent or set."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from contracts.enums import PositionMode
from shared.clock import Clock
from shared.errors import RetrySafe
from tradeengine.domain.inputs import FillReported, VenueObserved
from tradeengine.domain.instrument import Instrument
from tradeengine.venue.base import AccountFigures, Report
from tradeengine.venue.binance.account import read_figures
from tradeengine.venue.binance.budget import Budget, Priority
from tradeengine.venue.binance.client import BinanceClient
from tradeengine.venue.binance.doubts import Doubts
from tradeengine.venue.binance.endpoints import MARK_PRICE
from tradeengine.venue.binance.events import EventReader
from tradeengine.venue.binance.links import OrderLinks
from tradeengine.venue.binance.reader import TruthReader
from tradeengine.venue.binance.rest import RestCaller
from tradeengine.venue.binance.rows import number, rows, text
from tradeengine.venue.binance.session import Terms, connect
from tradeengine.venue.binance.startup import Startup
from tradeengine.venue.binance.symbols import SymbolSetup
from tradeengine.venue.binance.trades import TradeLog

_MOST_READINGS: Final = 3


class Look(NamedTuple):
    """What an account held at one moment.

    Parameters
    ----------
    observed
        Positions and resting orders of each symbol that the exchange lists.
    unseen
        Trades above those that the books said they know.
    marks
        Mark price by symbol, quote currency.
    """

    observed: Sequence[VenueObserved]
    unseen: Sequence[FillReported]
    figures: AccountFigures
    marks: Mapping[str, Decimal]


class Onlooker:
    """Reads what an account holds, as :class:`.venue.BinanceVenue` does, but without a session.

    Parameters
    ----------
    terms
        Which account, and where; leverage and margin type are not looked at.
    """

    def __init__(self, terms: Terms, clock: Clock) -> None:
        self._terms = terms
        self._clock = clock
        self._client: BinanceClient | None = None
        self._rest: RestCaller | None = None
        self._listed: Mapping[str, Instrument] = {}

    async def open(self) -> None:
        """Connect, measure the exchange's clock, and read which symbols it lists and what it allows.

        Raises
        ------
        RetrySafe
            If the exchange does not answer.
        Rejected
            If it refuses to.
        """
        terms, budget = self._terms, Budget(self._clock)
        self._client = connect(terms)
        try:
            rest = RestCaller(self._client, budget, self._clock)
            await rest.measure_clock()
            setup = SymbolSetup(rest, terms.symbol_terms)
            rules = Startup(rest, budget, terms.addresses, setup, terms.mode, terms.symbols)
            self._listed, _ = await rules.read_rules()
        except BaseException:
            await self.close()
            raise
        self._rest = rest

    async def close(self) -> None:
        """Disconnect."""
        client, self._client, self._rest = self._client, None, None
        if client is not None:
            await client.close_connection()

    async def look(self, last_trades: Mapping[str, str | None]) -> Look:
        """Read what is held of symbols now.

        Parameters
        ----------
        last_trades
            Newest trade id that the books know of each symbol to be read, ``None`` if they know none.

        Raises
        ------
        RetrySafe
            If the exchange did not answer in full, or a symbol did not stand still: that is unknown, never flat.
        Rejected
            If it refuses to tell of the account.
        """
        if self._rest is None:
            raise RetrySafe("the exchange is not connected; open it first")
        listed = {symbol: known for symbol, known in last_trades.items() if symbol in self._listed}
        marks = await self._marks(self._rest)
        unseen: list[FillReported] = []

        def take(report: Report) -> None:
            if isinstance(report, FillReported):
                unseen.append(report)

        # A memory of its own for each look, so that every one tells all that the books do not know.
        hedge = self._terms.mode is PositionMode.HEDGE
        events = EventReader(self._clock, OrderLinks(), TradeLog(), Doubts(), hedge=hedge)
        reader = TruthReader(self._rest, self._clock, events, take, symbols=lambda: listed, marks=marks.get)
        observed = await _all_of(reader, listed)
        return Look(observed, unseen, await read_figures(self._rest), marks)

    async def _marks(self, rest: RestCaller) -> dict[str, Decimal]:
        found = rows(await rest.call(MARK_PRICE, Priority.READ), "premiumIndex")
        return {text(row, "symbol"): number(row, "markPrice") for row in found}


async def _all_of(reader: TruthReader, last_trades: Mapping[str, str | None]) -> list[VenueObserved]:
    """Read what moves once more, and a third time, so that all symbols are seen."""
    found: dict[str, VenueObserved] = {}
    moving = frozenset(last_trades)
    for _ in range(_MOST_READINGS):
        sight = await reader.observe({symbol: known for symbol, known in last_trades.items() if symbol in moving})
        found |= {seen.symbol: seen for seen in sight.observed}
        moving = sight.moving
        if not moving:
            return [found[symbol] for symbol in last_trades]
    raise RetrySafe(
        f"{', '.join(sorted(moving))} does not stand still: it is traded while positions are read, or orders live that "
        "the exchange does not list; look later"
    )
