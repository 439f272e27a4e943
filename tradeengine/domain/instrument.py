"""Trading rules of one symbol."""

from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Decimal

import msgspec

from contracts.enums import Side
from tradeengine.domain.money import ZERO, plain


class Instrument(msgspec.Struct, frozen=True):
    """Filters of one symbol, as the exchange's ``exchangeInfo`` states them.

    A limit of zero means that the exchange sets none.
    """

    symbol: str
    tick_size: Decimal
    step_size: Decimal
    min_quantity: Decimal = ZERO
    max_quantity: Decimal = ZERO
    market_min_quantity: Decimal = ZERO
    market_max_quantity: Decimal = ZERO
    min_notional: Decimal = ZERO
    min_price: Decimal = ZERO
    max_price: Decimal = ZERO
    settle_asset: str = "USDT"

    def floor_quantity(self, quantity: Decimal) -> Decimal:
        """Largest multiple of the step that is not above the quantity."""
        return _multiple(quantity, self.step_size, ROUND_DOWN)

    def round_price(self, price: Decimal) -> Decimal:
        """Nearest multiple of the tick; halves go up."""
        return _multiple(price, self.tick_size, ROUND_HALF_UP)

    def limit_price(self, price: Decimal, side: Side) -> Decimal:
        """Nearest multiple of the tick that is no worse for the order than the price asked for."""
        return _multiple(price, self.tick_size, ROUND_FLOOR if side is Side.BUY else ROUND_CEILING)

    def quantity_limits(self, *, market: bool) -> tuple[Decimal, Decimal]:
        """Least and greatest quantity of an order, in the base asset; zero means no limit."""
        if market:
            return (
                self.market_min_quantity or self.min_quantity,
                self.market_max_quantity or self.max_quantity,
            )
        return self.min_quantity, self.max_quantity

    def price_in_range(self, price: Decimal) -> bool:
        """Whether the exchange takes an order at this price."""
        return price > 0 and price >= self.min_price and (not self.max_price or price <= self.max_price)


def _multiple(value: Decimal, unit: Decimal, rounding: str) -> Decimal:
    if not unit:
        return value
    return plain((value / unit).to_integral_value(rounding=rounding) * unit)
