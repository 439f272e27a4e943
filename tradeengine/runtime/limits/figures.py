"""What a shard contributes to the account: the figures that every process must know of every shard."""

from decimal import Decimal
from typing import NamedTuple

import msgspec

from tradeengine.domain.money import ZERO


class Amounts(msgspec.Struct, frozen=True, gc=False):
    """Shares of the limits that are dealt out.

    Parameters
    ----------
    exposure
        Notional of positions and entries under way, in quote currency.
    conditional
        Conditional orders; see :func:`~tradeengine.domain.allowance.in_use`.
    """

    exposure: Decimal = ZERO
    conditional: int = 0

    def __add__(self, other: "Amounts") -> "Amounts":
        return Amounts(self.exposure + other.exposure, self.conditional + other.conditional)

    def __sub__(self, other: "Amounts") -> "Amounts":
        return Amounts(self.exposure - other.exposure, self.conditional - other.conditional)

    def least(self, other: "Amounts") -> "Amounts":
        """The lesser of both, each by itself."""
        return Amounts(min(self.exposure, other.exposure), min(self.conditional, other.conditional))

    def most(self, other: "Amounts") -> "Amounts":
        """The greater of both, each by itself."""
        return Amounts(max(self.exposure, other.exposure), max(self.conditional, other.conditional))


NOTHING = Amounts()


class Limits(NamedTuple):
    """Limits of the account that are dealt out; ``None`` is no limit.

    Parameters
    ----------
    exposure
        Greatest notional over all positions and entries under way, in quote currency.
    conditional
        Most conditional orders that openings may lead to; the reserve is taken off already.
    """

    exposure: Decimal | None = None
    conditional: int | None = None

    def less(self, amounts: Amounts) -> "Room":
        """What is left of them."""
        return Room(
            None if self.exposure is None else self.exposure - amounts.exposure,
            None if self.conditional is None else self.conditional - amounts.conditional,
        )


class Room(NamedTuple):
    """What a shard may still open without asking anybody; ``None`` is no limit.

    Below zero where prices have carried what is held beyond what was granted.
    """

    exposure: Decimal | None
    conditional: int | None

    def holds(self, amounts: Amounts) -> bool:
        """Whether it is enough."""
        return (self.exposure is None or amounts.exposure <= self.exposure) and (
            self.conditional is None or amounts.conditional <= self.conditional
        )


class Figures(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A shard's part of the account, in quote currency.

    Parameters
    ----------
    used
        What it takes of the limits that are dealt out, at the newest prices.
    day, day_pnl
        UTC day (days since 1970), and realised P&L less fees plus funding of that day.
    peak_equity
        Highest equity of the account that the shard has seen.
    """

    used: Amounts = NOTHING
    realized: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    unrealized: Decimal = ZERO
    day: int = 0
    day_pnl: Decimal = ZERO
    peak_equity: Decimal = ZERO

    @property
    def net(self) -> Decimal:
        """What it has added to the account's equity."""
        return self.realized - self.fees + self.funding + self.unrealized
