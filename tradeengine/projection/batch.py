"""Batch: the changes of many records, gathered to one write a row before a store is touched."""

from collections.abc import Callable, Iterable, Sequence
from decimal import localcontext
from typing import Any

from tradeengine.domain.money import MONEY, average
from tradeengine.projection.changes import (
    MAX_LISTED,
    Amend,
    Change,
    CloseContributions,
    DropProtection,
    Key,
    Patch,
    Put,
    Reference,
)
from tradeengine.projection.cover import in_force

Load = Callable[[str, Key, Sequence[str]], dict[str, Any] | None]
"""Reads columns of a stored row by table and key; ``None`` if there is no such row."""


class PendingRow:
    """A row as the batch will leave it.

    Parameters
    ----------
    values
        Columns to write.
    made
        Whether the row is to be made if the store does not have it.
    """

    __slots__ = ("made", "values")

    def __init__(self, values: dict[str, Any], *, made: bool) -> None:
        self.values = values
        self.made = made


class Batch:
    """Rows that a sequence of changes leaves behind.

    Parameters
    ----------
    load
        Reads what the store holds, where a change builds on it.
    """

    def __init__(self, load: Load) -> None:
        self._load = load
        self.rows: dict[tuple[str, Key], PendingRow] = {}
        self.closings: list[CloseContributions] = []
        """To be applied after the rows are written: a closed position gets no more contributions."""

    def add(self, changes: Iterable[Change]) -> None:
        """Take changes in, in their order."""
        with localcontext(MONEY):
            for change in changes:
                if isinstance(change, Put):
                    self._put(change)
                elif isinstance(change, Patch):
                    self._patch(change)
                elif isinstance(change, Amend):
                    self._amend(change)
                elif isinstance(change, DropProtection):
                    for patch in in_force(change, self._read):
                        self._patch(patch)
                else:
                    self.closings.append(change)

    def _put(self, change: Put) -> None:
        row = self.rows.get((change.table, change.key))
        if row is None:
            row = self.rows[change.table, change.key] = PendingRow(dict(change.values), made=True)
        else:
            row.values.update(change.values)
            row.made = True
        for column, reference in change.references.items():
            row.values[column] = self._resolve(reference)

    def _resolve(self, reference: Reference) -> Any:
        row = self._read(reference.table, reference.key, (reference.column,))
        return None if row is None else row[reference.column]

    def _read(self, table: str, key: Key, columns: Sequence[str]) -> dict[str, Any] | None:
        """Columns of a row as the batch leaves it so far; ``None`` if there is no such row."""
        row = self.rows.get((table, key))
        pending = {} if row is None else {name: row.values[name] for name in columns if name in row.values}
        missing = [name for name in columns if name not in pending]
        if not missing:
            return pending
        held = self._load(table, key, missing)
        if held is None:
            if row is None or not row.made:
                return None
            held = dict.fromkeys(missing)
        return pending | held

    def _patch(self, change: Patch) -> None:
        row = self.rows.get((change.table, change.key))
        if row is None:
            self.rows[change.table, change.key] = PendingRow(dict(change.values), made=False)
        else:
            row.values.update(change.values)

    def _amend(self, change: Amend) -> None:
        row = self._loaded(change)
        if row is None:
            return
        values = row.values
        for column, amount in change.amounts.items():
            values[column] += amount
        for column, item in change.appended.items():
            listed = values[column]
            if item not in listed and len(listed) < MAX_LISTED:
                values[column] = [*listed, item]
        for column, item in change.removed.items():
            values[column] = [other for other in values[column] if other != item]
        for column, (dividend, divisor) in change.quotients.items():
            values[column] = average(values[dividend], values[divisor])

    def _loaded(self, change: Amend) -> PendingRow | None:
        """The row with every column that the change builds on; ``None`` if there is none and none is to be made."""
        row = self.rows.get((change.table, change.key))
        needed = [*change.amounts, *change.appended, *change.removed]
        unknown = needed if row is None else [column for column in needed if column not in row.values]
        if not unknown:
            return row
        held = self._load(change.table, change.key, unknown)
        if held is None:
            if change.missing is None:
                return None
            held = dict(change.missing)
        if row is None:
            row = self.rows[change.table, change.key] = PendingRow(held, made=change.missing is not None)
        else:
            row.values = held | row.values
        return row
