"""Reports: what an audit found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any


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
    digest
        Of the copy's rows.
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
    digest: str
    differing: int = 0
    differences: tuple[Difference, ...] = ()
    moving: int = 0


@dataclass(frozen=True, slots=True)
class CopyReport:
    """How one copy compares.

    Parameters
    ----------
    behind
        Records that it has not applied yet, by shard: that is lag, no difference.
    parked
        Rows that the store refused.
    trouble
        Why it could not be compared; nothing else holds then.
    """

    name: str
    tables: tuple[TableReport, ...] = ()
    behind: Mapping[int, int] = field(default_factory=dict)
    parked: int = 0
    trouble: str | None = None

    @property
    def equal(self) -> bool:
        """Whether everything that was compared is as the journal says."""
        return self.trouble is None and not self.parked and not any(table.differing for table in self.tables)
