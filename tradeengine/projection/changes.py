"""Changes: the small vocabulary in which records speak to every store of the read model.

A store applies the changes of a record in order, all or none, and notes the record's sequence with them; so a record
that comes again changes nothing.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from contracts.enums import CloseReason, PositionSide

MAX_LISTED = 1_000
"""Most items of a JSON list that grows."""

Key = tuple[Any, ...]
"""Values of a table's key columns, in the table's order."""

Values = Mapping[str, Any]
"""Values by column, in the form that the column's :class:`~tradeengine.projection.tables.Kind` says."""


class Reference(msgspec.Struct, frozen=True):
    """A value that another row holds; ``None`` if there is no such row."""

    table: str
    key: Key
    column: str


class Put(msgspec.Struct, frozen=True):
    """Make a row, or set these columns of it.

    Parameters
    ----------
    references
        Columns that take their value from other rows.
    """

    table: str
    key: Key
    values: Values
    references: Mapping[str, Reference] = {}


class Patch(msgspec.Struct, frozen=True):
    """Set columns of a row, if it exists."""

    table: str
    key: Key
    values: Values


class Amend(msgspec.Struct, frozen=True, kw_only=True):
    """Change columns of a row by what they hold, if it exists.

    Parameters
    ----------
    amounts
        What to add to numbers.
    appended, removed
        What to add at the end of, or take out of, JSON lists. What a list has is not added again, and nothing is
        added to one of :data:`MAX_LISTED`.
    quotients
        Columns to set, after that, to the quotient of two amounts.
    missing
        Columns of the row to make first if it does not exist; ``None`` leaves it out.
    """

    table: str
    key: Key
    amounts: Mapping[str, Decimal | int] = {}
    appended: Mapping[str, str] = {}
    removed: Mapping[str, str] = {}
    quotients: Mapping[str, tuple[str, str]] = {}
    missing: Values | None = None


class CloseContributions(msgspec.Struct, frozen=True, kw_only=True):
    """Close all contributions to a strategy position that was closed.

    Parameters
    ----------
    exit_quantity, exit_value
        Totals of the position's closing fills, in base and quote currency.
    """

    position_id: str
    position_side: PositionSide
    exit_quantity: Decimal
    exit_value: Decimal
    exit_time: int
    close_reason: CloseReason


class DropProtection(msgspec.Struct, frozen=True):
    """An order rests no more; a position that is open and names it as its stop or target names the one before it."""

    order_id: str


Change = Put | Patch | Amend | CloseContributions | DropProtection
