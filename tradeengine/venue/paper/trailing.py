"""The trigger price of a trailing stop, which follows the best price since the order was placed."""

from decimal import Decimal

import msgspec

from tradeengine.domain.money import MONEY, ONE


class Trail(msgspec.Struct):
    """Follows the price of one order: the lowest of an order that buys, the highest of one that sells.

    A sale triggers at ``highest × (1 − callback)`` or below once the highest has come to the activation price, a
    purchase at ``lowest × (1 + callback)`` or above once the lowest has (Binance docs, New Algo Order). The price at
    which it triggers is not rounded to the tick.

    Parameters
    ----------
    callback
        Fraction, between 0 and 1.
    rising
        It waits for the price to rise from its lowest, as an order that buys.
    activation
        Price from which on it follows; ``None`` follows at once.
    best
        Best price so far, ``None`` before the first.
    """

    callback: Decimal
    rising: bool
    activation: Decimal | None = None
    best: Decimal | None = None

    def see(self, price: Decimal) -> None:
        """Follow a price."""
        self.best = price if self.best is None else self._better(self.best, price)

    def reached(self, price: Decimal) -> bool:
        """Whether a price triggers the order, the trigger price itself included."""
        best = self.best
        return best is not None and self._active(best) and self._beyond(price, self._level(best))

    def reached_within(self, high: Decimal, low: Decimal, *, missed: bool) -> Decimal | None:
        """Price at which the order triggers while the price is everywhere from low to high, in an order unknown.

        It triggers if any way through the span triggers it, and at the worst price of those ways: rises that nobody
        recorded before the fall do not improve a sale.

        Parameters
        ----------
        missed
            What was best in the span may have been before the order came: it follows nothing of it.

        Returns
        -------
        Decimal or None
            Within the span; ``None`` if no way triggers it.
        """
        if self.best is None:
            return None
        favourable, adverse = (low, high) if self.rising else (high, low)
        furthest = self.best if missed else self._better(self.best, favourable)
        if not self._active(furthest) or not self._beyond(adverse, self._level(furthest)):
            return None
        first = self.best if self.activation is None else self._better(self.best, self.activation)
        return self._better(adverse, self._level(first))

    def _active(self, best: Decimal) -> bool:
        return self.activation is None or self._better(best, self.activation) == best

    def _level(self, best: Decimal) -> Decimal:
        factor = MONEY.add(ONE, self.callback) if self.rising else MONEY.subtract(ONE, self.callback)
        return MONEY.multiply(best, factor)

    def _beyond(self, price: Decimal, level: Decimal) -> bool:
        return price >= level if self.rising else price <= level

    def _better(self, one: Decimal, other: Decimal) -> Decimal:
        return min(one, other) if self.rising else max(one, other)
