"""Books of a position: one value for strategy positions and exchange positions alike.

A position keeps its cost, not its average: a closing fill releases a share of the cost, rounded once, and that same
figure leaves the cost and enters the realised P&L. So every sum is exact although an average is not.
"""

from decimal import Decimal

import msgspec

from contracts.enums import PositionSide
from tradeengine.domain.money import ZERO, average, share_of


class Books(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a position holds and what it has brought so far.

    Parameters
    ----------
    quantity
        Base asset held. Below zero it is overdrawn: closing fills took more than was held.
    cost
        What the held quantity cost in quote currency, fees excluded; of an overdrawn one, less what it brought.
    realized, fees, funding
        In quote currency: gross P&L of closing fills, fees paid (positive is a cost), funding received (negative
        is paid).
    other_fees
        Fees paid in other assets, by asset; they are part of no sum.
    entry_quantity, entry_value, exit_quantity, exit_value
        Totals of the opening and of the closing fills.
    """

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    realized: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    entry_quantity: Decimal = ZERO
    entry_value: Decimal = ZERO
    exit_quantity: Decimal = ZERO
    exit_value: Decimal = ZERO
    other_fees: dict[str, Decimal] = {}

    def opened(self, side: PositionSide, quantity: Decimal, price: Decimal, fee: Decimal) -> "Books":
        """Books after a fill that adds ``quantity`` at ``price``; what is overdrawn is settled by it first."""
        value = quantity * price
        settled = min(quantity, -self.quantity) if self.quantity < ZERO else ZERO
        released = share_of(self.cost, settled, -self.quantity) if settled else ZERO
        return Books(
            quantity=self.quantity + quantity,
            cost=self.cost - released + (quantity - settled) * price,
            realized=self.realized - side.sign * (settled * price + released),
            fees=self.fees + fee,
            funding=self.funding,
            entry_quantity=self.entry_quantity + quantity,
            entry_value=self.entry_value + value,
            exit_quantity=self.exit_quantity,
            exit_value=self.exit_value,
            other_fees=self.other_fees,
        )

    def closed(self, side: PositionSide, quantity: Decimal, price: Decimal, fee: Decimal) -> "Books":
        """Books after a fill that takes ``quantity`` off at ``price``; what exceeds the holding is overdrawn."""
        value = quantity * price
        held = min(quantity, max(self.quantity, ZERO))
        released = share_of(self.cost, held, self.quantity) if held else ZERO
        return Books(
            quantity=self.quantity - quantity,
            cost=self.cost - released - (quantity - held) * price,
            realized=self.realized + side.sign * (held * price - released),
            fees=self.fees + fee,
            funding=self.funding,
            entry_quantity=self.entry_quantity,
            entry_value=self.entry_value,
            exit_quantity=self.exit_quantity + quantity,
            exit_value=self.exit_value + value,
            other_fees=self.other_fees,
        )

    def charged(self, asset: str, fee: Decimal) -> "Books":
        """Books after a fee in an asset other than the quote currency."""
        fees = self.other_fees | {asset: self.other_fees.get(asset, ZERO) + fee}
        return msgspec.structs.replace(self, other_fees=fees)

    def funded(self, amount: Decimal) -> "Books":
        """Books after a funding payment; positive is received."""
        return msgspec.structs.replace(self, funding=self.funding + amount)

    def revalued(self, side: PositionSide, cost: Decimal) -> "Books":
        """Books that hold the same at another cost: realised and unrealised P&L change, their sum does not."""
        return msgspec.structs.replace(self, cost=cost, realized=self.realized + side.sign * (cost - self.cost))

    def unrealized(self, side: PositionSide, mark: Decimal) -> Decimal:
        """Gross P&L of what is held, valued at ``mark``."""
        value = self.quantity * mark
        return value - self.cost if side is PositionSide.LONG else self.cost - value

    @property
    def entry_price(self) -> Decimal:
        """Average price of what is held, to 18 decimals; zero when nothing is."""
        return average(self.cost, self.quantity)

    @property
    def net(self) -> Decimal:
        """Realised P&L less fees plus funding."""
        return self.realized - self.fees + self.funding


EMPTY = Books()
