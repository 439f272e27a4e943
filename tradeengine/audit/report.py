"""Reports: what an audit found."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from tradeengine.domain.events import DifferenceFound
from tradeengine.domain.inputs import FillReported
from tradeengine.projection.base import ParkedRow


class Verdict(StrEnum):
    """What a comparison comes to."""

    EQUAL = "equal"
    DIFFERENT = "different"
    UNKNOWN = "unknown"
    """It could not be made, or not of everything."""


def overall(verdicts: Iterable[Verdict]) -> Verdict:
    """What several come to: what differs outweighs what is not known, and that what is equal."""
    given = set(verdicts)
    return next((one for one in (Verdict.DIFFERENT, Verdict.UNKNOWN) if one in given), Verdict.EQUAL)


@dataclass(frozen=True, slots=True)
class Difference:
    """One row that is not what the journal says.

    Parameters
    ----------
    expected, found
        The columns that differ, by name; of a row that one side lacks, ``None`` for that side.
    """

    table: str
    key: Mapping[str, Any]
    expected: Mapping[str, Any] | None
    found: Mapping[str, Any] | None

    @property
    def kind(self) -> str:
        """``missing``, ``extra`` or ``different``."""
        if self.found is None:
            return "missing"
        return "extra" if self.expected is None else "different"


@dataclass(frozen=True, slots=True)
class TableReport:
    """How one table compares.

    Parameters
    ----------
    expected_rows, rows
        Rows by the journal, and in the copy.
    sums
        Columns whose sums differ: by the journal, and in the copy.
    expected_digest, digest
        Of the rows by the journal, and of the copy's. They may differ where no row does: while an engine works, rows
        move on between the two readings.
    differing
        How many rows differ.
    differences
        The first of them.
    moving
        Rows that changed whenever they were read: nothing can be said of them.
    """

    table: str
    expected_rows: int
    rows: int
    sums: Mapping[str, tuple[Decimal, Decimal]]
    expected_digest: str
    digest: str
    differing: int = 0
    differences: tuple[Difference, ...] = ()
    moving: int = 0

    @property
    def verdict(self) -> Verdict:
        """What the table comes to."""
        if self.differing:
            return Verdict.DIFFERENT
        return Verdict.UNKNOWN if self.moving else Verdict.EQUAL


@dataclass(frozen=True, slots=True)
class CopyReport:
    """How one copy compares.

    Parameters
    ----------
    behind
        Records that it has not applied yet, by shard: that is lag, no difference.
    parked
        Number of rows that the store refused.
    first_parked
        The first of them.
    trouble
        Why it could not be compared; nothing else holds then.
    """

    name: str
    tables: tuple[TableReport, ...] = ()
    behind: Mapping[int, int] = field(default_factory=dict)
    parked: int = 0
    first_parked: tuple[ParkedRow, ...] = ()
    trouble: str | None = None

    @property
    def verdict(self) -> Verdict:
        """What the copy comes to."""
        if self.trouble is not None:
            return Verdict.UNKNOWN
        return overall([Verdict.DIFFERENT if self.parked else Verdict.EQUAL, *[t.verdict for t in self.tables]])

    @property
    def equal(self) -> bool:
        """Whether everything was compared, and is as the journal says."""
        return self.verdict is Verdict.EQUAL


@dataclass(frozen=True, slots=True)
class Worth:
    """What an account is worth, quote currency.

    Parameters
    ----------
    wallet
        By the exchange: deposits, realised P&L, fees and funding.
    unrealized
        By the exchange.
    booked
        Realised P&L less fees plus funding that the books have, since the journal began.
    books_unrealized
        By the books, at the exchange's mark prices; ``None`` where one is missing.
    """

    wallet: Decimal
    unrealized: Decimal
    booked: Decimal
    books_unrealized: Decimal | None


@dataclass(frozen=True, slots=True)
class ExchangeReport:
    """How the exchange's account compares with the books.

    Parameters
    ----------
    legs
        How many legs were compared, as ``(symbol, position side)``.
    differences
        What every look has found.
    unseen
        Trades that the exchange lists and the books do not have.
    unjudged
        Legs of which nothing can be said, and why.
    foreign_orders
        Resting orders that are not the engine's: they are left alone.
    worth
        For information: deposits and other traders are in the one and not in the other.
    trouble
        Why it could not be compared; nothing else holds then.
    """

    name: str
    legs: int = 0
    differences: tuple[DifferenceFound, ...] = ()
    unseen: tuple[FillReported, ...] = ()
    unjudged: Mapping[str, str] = field(default_factory=dict)
    foreign_orders: int = 0
    worth: Worth | None = None
    trouble: str | None = None

    @property
    def verdict(self) -> Verdict:
        """What the account comes to."""
        if self.trouble is None and (self.differences or self.unseen):
            return Verdict.DIFFERENT
        return Verdict.UNKNOWN if self.trouble is not None or self.unjudged else Verdict.EQUAL
