"""Lives of the exchange's positions: from flat to flat, as its own list of trades has them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal, Inexact

from contracts.enums import PositionSide, Side
from tests.campaigns.exchange import Row

TRUNCATION = Decimal("1e-8")
"""The exchange cuts realised P&L to 8 decimals."""
_ENTRY_DIGITS = 13
_CUT = Decimal("1e-12")
"""Relative: the exchange cuts an average price after 13 significant digits."""

Leg = tuple[str, PositionSide]


@dataclass
class Life:
    """Trades of one leg from its opening to its end.

    Parameters
    ----------
    bounds
        Trade id to how far the exchange's P&L of it may lie from the exact one: by what it cuts off, and nothing else.
    cuts
        How many average prices were cut so far; one that was cut once stays cut.
    in_order
        Whether the books heard of the trades in the order in which they happened. Otherwise a closing fill met another
        average: what it realised was booked otherwise, until the books took over the exchange's average.
    """

    quantity: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    bounds: dict[str, Decimal] = field(default_factory=dict)
    cuts: int = 0
    in_order: bool = True

    def add(self, row: Row, side: PositionSide) -> None:
        """Take the next trade."""
        quantity, price = Decimal(row["qty"]), Decimal(row["price"])
        if Side(row["side"]) is side.opening:
            self.quantity += quantity
            self.cost += quantity * price
            exact = Context(prec=_ENTRY_DIGITS, traps=[])
            exact.divide(self.cost, self.quantity)
            self.cuts += bool(self.cuts or exact.flags[Inexact])
            self.bounds[str(row["id"])] = Decimal(0)
            return
        entry = self.cost / self.quantity
        gain = (price - entry) * quantity
        ends = gain == gain.quantize(TRUNCATION)
        self.bounds[str(row["id"])] = (Decimal(0) if ends and not self.cuts else TRUNCATION) + self.drift(quantity)
        self.quantity -= quantity
        self.cost -= entry * quantity

    def drift(self, quantity: Decimal) -> Decimal:
        """What cut average prices make of a quantity, at most."""
        return self.cuts * quantity * self.cost / self.quantity * _CUT if self.cuts else Decimal(0)


def lives_of(rows: Iterable[Row], booked: Sequence[str], side: PositionSide) -> list[Life]:
    """Lives of a leg.

    Parameters
    ----------
    rows
        The leg's trades, oldest first.
    booked
        Ids of the leg's trades in the order in which the books took them.
    """
    lives: list[Life] = []
    for row in rows:
        if not lives or not lives[-1].quantity:
            lives.append(Life())
        lives[-1].add(row, side)
    start = 0
    for life in lives:
        ids = list(life.bounds)
        life.in_order = list(booked[start : start + len(ids)]) == ids
        start += len(ids)
    return lives
