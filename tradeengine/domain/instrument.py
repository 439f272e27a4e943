"""Trading rules of one symbol."""

from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Decimal

import msgspec

from contracts.enums import PositionSide, Side
from tradeengine.domain.money import ZERO, plain

BAND_SHARE = Decimal("0.95")
"""Part of the exchange's band around the mark price that triggers are placed in."""


class Instrument(msgspec.Struct, frozen=True):
    """Filters of one symbol, as the exchange's ``exchangeInfo`` states them.

    A limit of zero means that the exchange sets none.

    Parameters
    ----------
    percent_up, percent_down
        Multiples of the mark price: no buy order is priced above the one, no sell order below the other.
    trading
        Whether the exchange takes orders that open.
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
    percent_up: Decimal = ZERO
    percent_down: Decimal = ZERO
    trading: bool = True

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

    def room_beyond(self, side: PositionSide) -> Decimal | None:
        """How far below (LONG) or above the market a trigger may lie, a fraction of its price; ``None``: anywhere.

        A part of what the exchange allows is kept free: the mark price moves between a decision and its arrival.
        """
        multiplier = self.percent_down if side is PositionSide.LONG else self.percent_up
        return BAND_SHARE * abs(multiplier - 1) if multiplier else None

    def trigger_band(self, reference: Decimal) -> tuple[Decimal, Decimal | None]:
        """Least and greatest trigger price, both in ticks, while the market stands at ``reference``.

        Trigger prices have a floor and a cap whatever the order's side (Binance docs, Error Codes, -4210 and -4211).
        """
        below, above = self.room_beyond(PositionSide.LONG), self.room_beyond(PositionSide.SHORT)
        low = max(self.min_price, self.tick_size)
        if below is not None:
            low = max(low, reference * (1 - below))
        highs = [self.max_price] if self.max_price else []
        if above is not None:
            highs.append(reference * (1 + above))
        high = _multiple(min(highs), self.tick_size, ROUND_FLOOR) if highs else None
        return _multiple(low, self.tick_size, ROUND_CEILING), high

    def price_in_band(self, price: Decimal, side: Side, mark: Decimal) -> bool:
        """Whether a price keeps the exchange's distance from the mark price; the better direction is free.

        Binance docs, "Filters", PERCENT_PRICE.
        """
        if side is Side.BUY:
            return not self.percent_up or price <= mark * self.percent_up
        return not self.percent_down or price >= mark * self.percent_down


def _multiple(value: Decimal, unit: Decimal, rounding: str) -> Decimal:
    if not unit:
        return value
    return plain((value / unit).to_integral_value(rounding=rounding) * unit)
