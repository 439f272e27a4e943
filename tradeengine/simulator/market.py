"""Prices of a symbol: mark, last, the book around them, and what was recorded of them."""

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from tradeengine.simulator.numbers import ZERO, ceil_to, floor_to
from tradeengine.simulator.options import Options
from tradeengine.simulator.symbols import SymbolRules

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
FUNDING_INTERVAL_MS = 8 * HOUR_MS
_MOST_PRINTS = 1_000
_MOST_CANDLES = 20_000
# what a level holds as the book is shown; MARKET orders fill beyond it unless a depth is set
SHOWN_DEPTH = Decimal(1_000)


class Candle(msgspec.Struct):
    """Prices and volume of a time span that starts at ``time_ms``."""

    time_ms: int
    length_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = ZERO
    quote: Decimal = ZERO
    count: int = 0
    first_id: int = 0
    last_id: int = 0


class Print(msgspec.Struct, frozen=True):
    """A public trade."""

    print_id: int
    price: Decimal
    quantity: Decimal
    time_ms: int
    buyer_is_maker: bool


class FundingRate(msgspec.Struct, frozen=True):
    """A settlement: when, at which rate (fraction of the notional) and mark price."""

    time_ms: int
    rate: Decimal
    mark: Decimal


class Market(msgspec.Struct):
    """State of a symbol's prices.

    Trades of the account do not move it: prices change by :meth:`move` alone.

    Parameters
    ----------
    mark, last, bid, ask
        Quote asset; a bid or ask of 0 is an empty side.
    funding_rate, next_funding_ms
        Fraction of the notional that is settled next, and when.
    updates
        Number of changes of the book.
    funding_interval_ms
        Time between two settlements; they fall on its multiples, in UTC.
    """

    mark: Decimal
    last: Decimal
    bid: Decimal
    ask: Decimal
    time_ms: int
    funding_rate: Decimal
    next_funding_ms: int
    updates: int = 0
    prints: list[Print] = []
    candles: list[Candle] = []
    funding: list[FundingRate] = []
    funding_interval_ms: int = FUNDING_INTERVAL_MS

    @classmethod
    def start(
        cls,
        rules: SymbolRules,
        mark: Decimal,
        now_ms: int,
        options: Options,
        funding_interval_ms: int = FUNDING_INTERVAL_MS,
    ) -> "Market":
        """Market at its first price."""
        next_funding_ms = (now_ms // funding_interval_ms + 1) * funding_interval_ms
        market = cls(mark, mark, mark, mark, now_ms, options.funding_rate, next_funding_ms)
        market.funding_interval_ms = funding_interval_ms
        market.move(rules, mark, None, None, now_ms)
        return market

    def move(
        self,
        rules: SymbolRules,
        price: Decimal,
        bid: Decimal | None,
        ask: Decimal | None,
        now_ms: int,
        last: Decimal | None = None,
    ) -> None:
        """Set the mark price, and the last price and the book with it.

        Parameters
        ----------
        price
            New mark price, quote asset, above 0.
        bid, ask
            Best prices; without them the book lies one tick below and above the mark price.
        last
            Last price; without it the mark price, cut to the tick.
        """
        self.mark = price
        self.last = floor_to(price, rules.tick) if last is None else last
        self.bid = max(floor_to(price, rules.tick) - rules.tick, ZERO) if bid is None else bid
        self.ask = ceil_to(price, rules.tick) + rules.tick if ask is None else ask
        self.time_ms = now_ms
        self.updates += 1
        self.record(self.last, ZERO, now_ms, buyer_is_maker=False)

    def record(self, price: Decimal, quantity: Decimal, now_ms: int, *, buyer_is_maker: bool) -> Print:
        """Note a public trade; one of quantity 0 only marks the price in the candle."""
        public = Print(self.prints[-1].print_id + 1 if self.prints else 1, price, quantity, now_ms, buyer_is_maker)
        if quantity:
            self.prints.append(public)
            if len(self.prints) > 2 * _MOST_PRINTS:
                del self.prints[:_MOST_PRINTS]
        start = now_ms - now_ms % MINUTE_MS
        if not self.candles or self.candles[-1].time_ms + self.candles[-1].length_ms <= now_ms:
            self.add_candle(Candle(start, MINUTE_MS, price, price, price, price))
        candle = self.candles[-1]
        candle.high, candle.low, candle.close = max(candle.high, price), min(candle.low, price), price
        if quantity:
            candle.volume += quantity
            candle.quote += price * quantity
            candle.count += 1
            candle.first_id = candle.first_id or public.print_id
            candle.last_id = public.print_id
        return public

    def add_candle(self, candle: Candle) -> None:
        """Begin a candle; one that begins at the same time replaces the one before."""
        if self.candles and self.candles[-1].time_ms >= candle.time_ms:
            self.candles.pop()
        self.candles.append(candle)
        if len(self.candles) > 2 * _MOST_CANDLES:
            del self.candles[:_MOST_CANDLES]

    def best(self, side: str) -> Decimal:
        """Price at which an order of this side would trade; 0 if that side of the book is empty."""
        return self.ask if side == "BUY" else self.bid

    def levels(self, side: str, tick: Decimal, options: Options) -> Iterator[tuple[Decimal, Decimal | None]]:
        """Prices and quantities that an order of this side meets, best first; ``None`` is any quantity."""
        price = self.best(side)
        if not price:
            return
        step = tick if side == "BUY" else -tick
        price += step * options.slippage_ticks
        for _ in range(options.levels if options.depth is not None else 1):
            if price <= ZERO:
                return
            yield price, options.depth
            price += step

    def price_of(self, working_type: str) -> Decimal:
        """Price that a trigger looks at: mark price or last price."""
        return self.mark if working_type == "MARK_PRICE" else self.last
