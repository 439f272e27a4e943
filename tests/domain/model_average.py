"""A leg's average price as the exchange keeps it."""

from dataclasses import dataclass
from decimal import ROUND_DOWN, Context, Decimal

_DIGITS = Context(prec=13, rounding=ROUND_DOWN)


@dataclass
class Average:
    """Follows trades as they happen, whenever they are told; each time it moves it is cut after 13 digits."""

    quantity: Decimal = Decimal(0)
    price: Decimal = Decimal(0)

    def opened(self, quantity: Decimal, price: Decimal) -> None:
        """Take what a trade adds."""
        cost = self.quantity * self.price + quantity * price
        self.quantity += quantity
        self.price = _DIGITS.divide(cost, self.quantity)

    def closed(self, quantity: Decimal) -> None:
        """Take what a trade takes off: the average of the rest stays."""
        self.quantity -= quantity
        assert self.quantity >= 0, "more is closed than was held"
        if not self.quantity:
            self.price = Decimal(0)
