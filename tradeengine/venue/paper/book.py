"""The paper exchange's matching core: synchronous and deterministic, without clock or chance."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal

from contracts.enums import OrderStatus, PositionSide
from tradeengine.domain.inputs import FundingSettled, VenueOrder, VenuePosition
from tradeengine.domain.instrument import Instrument
from tradeengine.domain.orders import ApprovedOrder, LiveOrder
from tradeengine.venue.base import Report
from tradeengine.venue.paper.bar import Bar
from tradeengine.venue.paper.bar_matching import BarMatcher
from tradeengine.venue.paper.ledger import Ledger
from tradeengine.venue.paper.terms import PaperTerms
from tradeengine.venue.paper.tick_matching import TickMatcher


class PaperBook:
    """The exchange's side of a hedge-mode account: orders that rest, quantity per leg, trades numbered per symbol.

    Prices drive it: bars (:meth:`start_bar`, :meth:`next_execution`) or single prices (:meth:`tick`), for one symbol
    always the same of the two. An order fills at most its quantity, and a leg is never closed by more than it holds:
    an order that would is cut to that, and expires when nothing is left.

    Parameters
    ----------
    maker_fee, taker_fee
        Fraction of the notional; market, stop and target executions pay the taker's. A limit order pays the maker's,
        unless it can be executed at the single price that it meets first.
    slippage_bps
        How far a market execution is moved against the order, basis points. In bars, stops and targets are not moved:
        they fill at their trigger price, or at the open beyond it.
    max_fill_quantity
        Most that a single price executes of one order, base asset; ``None`` for no limit. Should be a multiple of the
        symbols' steps. Bars execute orders whole.
    instruments
        Tell the asset that a symbol's fees are paid in; without one it is USDT.

    Raises
    ------
    ConfigError
        If a fee, the slippage or the greatest fill is outside its range.
    """

    def __init__(
        self,
        *,
        maker_fee: Decimal,
        taker_fee: Decimal,
        slippage_bps: Decimal,
        max_fill_quantity: Decimal | None = None,
        instruments: Iterable[Instrument] = (),
    ) -> None:
        terms = PaperTerms(maker_fee, taker_fee, slippage_bps)
        self._ledger = Ledger(terms, instruments)
        self._bars = BarMatcher(self._ledger, terms)
        self._ticks = TickMatcher(self._ledger, terms, max_fill_quantity)

    def forget(self, symbols: Collection[str]) -> None:
        """Forget what rests and what is held of symbols: somebody else's books tell it better."""
        self._ledger.forget(symbols)

    def restore(
        self,
        orders: Iterable[LiveOrder],
        positions: Mapping[tuple[str, PositionSide], Decimal],
        *,
        entry_prices: Mapping[tuple[str, PositionSide], Decimal] | None = None,
        prefix: str = "",
    ) -> None:
        """Take over what the books say, of symbols that nothing is known of: they are the paper exchange's memory.

        Open orders rest again; a conditional one waits for its trigger again, unless part of it is filled. A trailing
        stop follows the prices from now on: those that it had followed are forgotten. Planned orders never arrived, and
        :meth:`query` says so.

        Parameters
        ----------
        positions
            Quantity per leg, base asset, >= 0.
        entry_prices
            Average price per leg, for :meth:`positions`; zero where none is given.
        prefix
            Put before trade and order numbers, which start from 1 again: keeps them apart from those of former runs.
        """
        self._ledger.restore(orders, positions, entry_prices or {}, prefix)

    def place(self, order: ApprovedOrder, now_ms: int) -> list[Report]:
        """Take an order, and execute what a single price known already allows.

        Raises
        ------
        Rejected
            If what its kind needs is missing, its id belongs to an order that is open, or it is no conditional
            order and closes more than its leg holds.
        """
        resting = self._ledger.admit(order, now_ms)
        reports = list(resting.reports)
        self._bars.arrived(resting)
        return reports + self._ticks.arrived(resting, now_ms)

    def cancel(self, client_order_id: str, now_ms: int) -> list[Report]:
        """End an order; one that has ended or never arrived is left as it is, and nothing is reported."""
        resting = self._ledger.find(client_order_id)
        if resting is None or resting.status.terminal:
            return []
        return [self._ledger.end(resting, OrderStatus.CANCELLED, now_ms)]

    def query(self, client_order_id: str) -> Sequence[Report] | None:
        """Everything that was reported about an order, oldest first; ``None`` if it never arrived.

        An order that was restored begins anew: what was reported before is in the books.
        """
        resting = self._ledger.find(client_order_id)
        return None if resting is None else tuple(resting.reports)

    def held(self, symbol: str, side: PositionSide) -> Decimal:
        """Quantity of a leg, base asset, >= 0."""
        return self._ledger.held(symbol, side)

    def positions(self, symbol: str) -> tuple[VenuePosition, ...]:
        """Legs of a symbol that hold something."""
        return self._ledger.positions(symbol)

    def resting(self, symbol: str) -> tuple[VenueOrder, ...]:
        """Orders of a symbol that have not ended, by arrival."""
        return self._ledger.resting(symbol)

    def expire_prices(self, max_age_ms: int) -> None:
        """Let no single price be traded at for longer than that after it came: orders then wait for the next."""
        self._ticks.max_age_ms = max_age_ms

    def fresh_price(self, symbol: str, now_ms: int) -> Decimal | None:
        """Newest single price that may still be traded at, before slippage; ``None`` while there is none."""
        return self._ticks.price(symbol, now_ms)

    def last_price(self, symbol: str) -> Decimal | None:
        """Newest price of a symbol, before slippage; ``None`` while there is none.

        Within a bar that is the open, then the price at which it last triggered or executed an order; after it the
        close.
        """
        return self._ticks.last_price(symbol) or self._bars.last_price(symbol)

    def start_bar(self, symbol: str, bar: Bar) -> None:
        """Open a symbol's next bar: call :meth:`next_execution` until it returns nothing.

        Raises
        ------
        ValueError
            If the bar before it is not finished or not older, or the symbol trades at single prices.
        """
        if self._ticks.last_price(symbol) is not None:
            raise ValueError(f"{symbol} trades at single prices already, it cannot trade in bars too")
        self._bars.start(symbol, bar)

    def next_execution(self, symbol: str) -> list[Report]:
        """Execute the next order of the bar under way.

        Place and cancel what the engine answers before the next call; :mod:`.bar_matching` says what such orders see
        of the bar.

        Returns
        -------
        list of Report
            What became of one order; empty when the bar is finished.

        Raises
        ------
        ValueError
            If no bar of the symbol is under way.
        """
        return self._bars.next_execution(symbol)

    def tick(self, symbol: str, price: Decimal, now_ms: int) -> list[Report]:
        """Execute everything that a price calls for: market orders, limits, conditional entries, stops, targets.

        Raises
        ------
        ValueError
            If the price is not above zero, or the symbol trades in bars.
        """
        if not (price.is_finite() and price > 0):
            raise ValueError(f"{symbol}: price {price} is not above zero")
        if self._bars.last_price(symbol) is not None:
            raise ValueError(f"{symbol} trades in bars already, it cannot trade at single prices too")
        return self._ticks.tick(symbol, price, now_ms)

    def settle_funding(self, symbol: str, rate: Decimal, mark_price: Decimal, now_ms: int) -> FundingSettled:
        """Report that funding was settled; the books know who pays what.

        Parameters
        ----------
        rate
            Fraction of the notional; longs pay when it is positive.
        mark_price
            Price that values the notional.
        """
        return FundingSettled(time_ms=now_ms, symbol=symbol, rate=rate, mark_price=mark_price)
