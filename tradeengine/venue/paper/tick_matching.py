"""Matching against single prices as they come: how the paper exchange trades live."""

from decimal import Decimal

from contracts.enums import OrderStatus, TimeInForce
from shared.errors import ConfigError
from tradeengine.venue.base import Report
from tradeengine.venue.paper.ledger import Ledger
from tradeengine.venue.paper.order import Arrival, PaperOrder, Rank
from tradeengine.venue.paper.terms import PaperTerms

NOT_FILLABLE = "could not be filled at the newest price, as its time in force demands"
REMAINDER = "the rest could not be filled at once, as its time in force demands"


class TickMatcher:
    """Executes the ledger's orders at posted prices.

    Parameters
    ----------
    max_fill_quantity
        Most that one price executes of one order, base asset; ``None`` for no limit. A larger order fills over several
        prices.

    Attributes
    ----------
    max_age_ms
        How long a price executes orders that arrive after it; ``None``: until the next.

    Raises
    ------
    ConfigError
        If the quantity is not above zero.
    """

    def __init__(self, ledger: Ledger, terms: PaperTerms, max_fill_quantity: Decimal | None) -> None:
        self._ledger = ledger
        self._terms = terms
        if max_fill_quantity is not None and not max_fill_quantity > 0:
            raise ConfigError(f"greatest fill {max_fill_quantity}: state a quantity above zero, or none for no limit")
        self._max_fill = max_fill_quantity
        self.max_age_ms: int | None = None
        self._prices: dict[str, Decimal] = {}
        self._times: dict[str, int] = {}

    def last_price(self, symbol: str) -> Decimal | None:
        """Newest price, however old; ``None`` before the first."""
        return self._prices.get(symbol)

    def price(self, symbol: str, now_ms: int) -> Decimal | None:
        """Newest price, ``None`` if there is none or it is too old to trade at."""
        price = self._prices.get(symbol)
        if price is None or self.max_age_ms is None:
            return price
        return price if now_ms - self._times[symbol] <= self.max_age_ms else None

    def tick(self, symbol: str, price: Decimal, now_ms: int) -> list[Report]:
        """Execute what a price calls for, by rank, then by arrival."""
        self._prices[symbol], self._times[symbol] = price, now_ms
        for resting in self._ledger.live(symbol):
            resting.see(price)
        due = [resting for resting in self._ledger.live(symbol) if _is_due(resting, price)]
        due.sort(key=lambda resting: (resting.rank, resting.number))
        return [report for resting in due for report in self._meet(resting, price, now_ms)]

    def arrived(self, resting: PaperOrder, now_ms: int) -> list[Report]:
        """Execute what an order that has just arrived can have at the newest price, if there is one."""
        price = self.price(resting.order.symbol, now_ms)
        if price is None:
            return []
        resting.see(price)
        if not _is_due(resting, price):
            return []
        return self._meet(resting, price, now_ms)

    def _meet(self, resting: PaperOrder, price: Decimal, now_ms: int) -> list[Report]:
        if resting.waiting:
            resting.trigger()
        if resting.rank is Rank.MARKET:
            return self._fill(resting, self._terms.slipped(price, resting.order.side), now_ms, maker=False)
        if resting.rested:
            return self._fill(resting, resting.limit_price, now_ms, maker=True)
        arrival = resting.arrive(price, self._available(resting))
        if arrival is Arrival.EXPIRE:
            return [self._ledger.end(resting, OrderStatus.EXPIRED, now_ms, NOT_FILLABLE)]
        resting.rested = True
        if arrival is Arrival.REST:
            return []
        reports = self._fill(resting, price, now_ms, maker=False)
        if resting.order.time_in_force is TimeInForce.IOC and not resting.status.terminal:
            reports.append(self._ledger.end(resting, OrderStatus.EXPIRED, now_ms, REMAINDER))
        return reports

    def _fill(self, resting: PaperOrder, price: Decimal, now_ms: int, *, maker: bool) -> list[Report]:
        return self._ledger.fill(resting, price, self._available(resting), now_ms, maker=maker)

    def _available(self, resting: PaperOrder) -> Decimal:
        return resting.remaining if self._max_fill is None else min(resting.remaining, self._max_fill)


def _is_due(resting: PaperOrder, price: Decimal) -> bool:
    match resting.rank:
        case Rank.MARKET:
            return True
        case Rank.LIMIT:
            return not resting.rested or resting.crossed(price)
        case _:
            return resting.reached(price)
