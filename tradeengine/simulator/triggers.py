"""When a conditional order fires."""

from decimal import Decimal

import msgspec

from tradeengine.simulator.market import Market
from tradeengine.simulator.numbers import ONE, ZERO

STOPS = frozenset({"STOP", "STOP_MARKET"})
TARGETS = frozenset({"TAKE_PROFIT", "TAKE_PROFIT_MARKET"})
TRAILING = "TRAILING_STOP_MARKET"
CONDITIONAL = STOPS | TARGETS | {TRAILING}
WITH_PRICE = frozenset({"STOP", "TAKE_PROFIT"})
_HUNDRED = Decimal(100)


class Trigger(msgspec.Struct):
    """Condition of a conditional order (Binance docs, New Algo Order).

    Parameters
    ----------
    kind, side
        Order type and side.
    price
        Trigger price, quote asset; 0 for a trailing stop.
    working_type
        ``MARK_PRICE`` or ``CONTRACT_PRICE``, which is the last trade.
    is_protected
        ``priceProtect``: fires only while mark and last price are near each other.
    activate_price, callback_rate
        Of a trailing stop: price at which it begins to trail, and percent that it trails behind.
    is_active, extreme
        Whether a trailing stop trails, and the best price since.
    """

    kind: str
    side: str
    price: Decimal
    working_type: str
    is_protected: bool = False
    activate_price: Decimal = ZERO
    callback_rate: Decimal = ZERO
    is_active: bool = False
    extreme: Decimal = ZERO

    @property
    def is_trailing(self) -> bool:
        """Whether it trails the price."""
        return self.kind == TRAILING

    def holds(self, market: Market) -> bool:
        """Whether the condition is met at the current price; moves nothing."""
        price = market.price_of(self.working_type)
        if self.is_trailing:
            return self.is_active and self._has_turned(price)
        above = price >= self.price
        return above if self._fires_above() else price <= self.price

    def would_fire_at_once(self, market: Market) -> bool:
        """Whether the order is refused on placement, -2021."""
        if not self.is_trailing:
            return self.holds(market)
        if not self.activate_price:
            return False
        price = market.price_of(self.working_type)
        return self.activate_price >= price if self.side == "BUY" else self.activate_price <= price

    def follow(self, market: Market) -> bool:
        """Let a trailing stop see the current price.

        Returns
        -------
        bool
            Whether it has just become active.
        """
        if not self.is_trailing:
            return False
        price = market.price_of(self.working_type)
        became_active = False
        if not self.is_active:
            reached = price <= self.activate_price if self.side == "BUY" else price >= self.activate_price
            if self.activate_price and not reached:
                return False
            self.is_active = became_active = True
            self.extreme = price
        self.extreme = min(self.extreme, price) if self.side == "BUY" else max(self.extreme, price)
        return became_active

    def is_apart(self, market: Market, bound: Decimal) -> bool:
        """Whether a protected order must not fire, mark and last price being further apart than the bound."""
        return self.is_protected and abs(market.mark - market.last) > bound * market.mark

    def _fires_above(self) -> bool:
        return (self.kind in STOPS) == (self.side == "BUY")

    def _has_turned(self, price: Decimal) -> bool:
        rate = self.callback_rate / _HUNDRED
        if self.side == "BUY":
            return price >= self.extreme * (ONE + rate)
        return price <= self.extreme * (ONE - rate)
