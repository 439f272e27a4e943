"""Made-up prices for demonstrations."""

import random
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from tradeengine.domain.instrument import Instrument
from tradeengine.domain.money import MONEY, ONE

_DRAWS = 12
_HALF_SPAN = 500_000
_EXACT = Decimal("1e-12")


class PriceGenerator:
    """A geometric random walk per symbol that the seed alone determines, on every machine.

    Parameters
    ----------
    seed
        Same seed, same prices.
    instruments
        Their tick is what prices are rounded to.
    start_prices
        Where each symbol begins, quote asset, above zero.
    volatility
        Standard deviation of one step, as a fraction of the price, such as 0.0005.
    """

    def __init__(
        self, seed: int, instruments: Iterable[Instrument], start_prices: Mapping[str, Decimal], volatility: Decimal
    ) -> None:
        self._random = random.Random(seed)
        self._instruments = [instrument for instrument in instruments if instrument.symbol in start_prices]
        self._prices = {instrument.symbol: start_prices[instrument.symbol] for instrument in self._instruments}
        self._volatility = volatility

    def step(self) -> Iterator[tuple[str, Decimal]]:
        """Next price of each symbol in turn, a multiple of its tick and at least one."""
        for instrument in self._instruments:
            symbol, tick = instrument.symbol, instrument.tick_size
            change = MONEY.multiply(self._volatility, self._normal())
            price = MONEY.multiply(self._prices[symbol], MONEY.add(ONE, change)).quantize(_EXACT, context=MONEY)
            self._prices[symbol] = price = max(price, tick)
            yield symbol, instrument.round_price(price)

    def _normal(self) -> Decimal:
        """A draw near the standard normal distribution, made of integers so that no machine rounds it differently."""
        total = sum([self._random.randint(-_HALF_SPAN, _HALF_SPAN) for _ in range(_DRAWS)])
        return Decimal(total) / (2 * _HALF_SPAN)
