"""Prefetch: the rows that changes build on, fetched a few queries at a time instead of one by one.

A batch reads rows as it goes, and a store across a network cannot be asked for each. So the batch runs over what is
known, what it lacks is gathered and fetched at once, and it runs again until it lacks nothing: reads that follow from
reads take two to four rounds, and none while the rows are remembered from batches before::

    prefetch = Prefetch(changes, memory)
    while missing := prefetch.missing():
        prefetch.supply(missing, fetch(missing))
    write(prefetch.batch)
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from itertools import count
from typing import Any, Final, NamedTuple

from tradeengine.projection.batch import Batch
from tradeengine.projection.changes import Change, Key
from tradeengine.projection.tables import DAILY_PNL, DECISIONS, EXCHANGE_POSITIONS, ORDERS, POSITIONS

RowName = tuple[str, Key]
"""A table and the key of a row in it."""

Row = dict[str, Any]
"""Columns of a row, as changes carry them; a column that is left out is null."""

Rest = Callable[[], None]
"""Called between small pieces of work: it may wait."""


def no_rest() -> None:
    """Go on at once."""


MAX_REMEMBERED: Final = 20_000
"""Most rows that are remembered."""

READ_TABLES: Final = frozenset(
    {table.name for table in (DAILY_PNL, DECISIONS, EXCHANGE_POSITIONS, ORDERS, POSITIONS)},
)
"""Tables that changes build on; rows of others are not remembered."""

_MAX_ROUNDS: Final = 100_000
"""Far above what any batch needs: a chain of replaced stops is read link by link."""


class RowMemory:
    """Rows as they were written last, the ones used longest ago forgotten first.

    Only for who alone writes the rows: it holds while each write finds the checkpoint where the one before has left
    it, and must be cleared as soon as one does not.

    Parameters
    ----------
    most
        Most rows that are remembered, at least 0.
    """

    def __init__(self, most: int = MAX_REMEMBERED) -> None:
        self._most = most
        self._rows: OrderedDict[tuple[int, RowName], _Known] = OrderedDict()
        self._eras = count()
        self._era = next(self._eras)

    def __len__(self) -> int:
        return len(self._rows)

    def part(self) -> "RowMemory":
        """A memory that shares this one's room, and is cleared on its own."""
        part = copy(self)
        part.clear()
        return part

    def get(self, name: RowName, columns: Sequence[str]) -> Row | None:
        """Columns of a row, ``None`` if not all of them are known."""
        known = self._rows.get((self._era, name))
        if known is None or not known.tells(columns):
            return None
        self._rows.move_to_end((self._era, name))
        return {column: known.row.get(column) for column in columns}

    def clear(self) -> None:
        """Forget everything."""
        # Rows of an era that is over are found no more, and are the first to make room.
        self._era = next(self._eras)

    def forget(self, name: RowName) -> None:
        """Forget a row."""
        self._rows.pop((self._era, name), None)

    def wrote(self, batch: Batch, found: Mapping[RowName, Row | None]) -> None:
        """Remember what a batch has left in the store.

        Parameters
        ----------
        found
            What was fetched for the batch; ``None`` for rows that did not exist.
        """
        for name, row in found.items():
            if row is not None and name[0] in READ_TABLES and name not in batch.rows:
                self._keep(name, _Known(row, whole=True))
        for name, pending in batch.rows.items():
            if name[0] in READ_TABLES:
                known = self._known(name, found)
                if known is not None:
                    self._keep(name, _Known(known.row | pending.values, whole=known.whole))
                elif pending.made:
                    # If the row was there before, it has kept what this batch did not set.
                    self._keep(name, _Known(dict(pending.values), whole=name in found))

    def _known(self, name: RowName, found: Mapping[RowName, Row | None]) -> "_Known | None":
        row = found.get(name)
        return self._rows.get((self._era, name)) if row is None else _Known(row, whole=True)

    def _keep(self, name: RowName, known: "_Known") -> None:
        self._rows[self._era, name] = known
        self._rows.move_to_end((self._era, name))
        while len(self._rows) > self._most:
            self._rows.popitem(last=False)


class _Known(NamedTuple):
    """A row that exists; unless it is known as a whole, columns that it does not name may hold anything."""

    row: Row
    whole: bool

    def tells(self, columns: Sequence[str]) -> bool:
        """Whether these columns are known."""
        return self.whole or all(column in self.row for column in columns)


class Prefetch:
    """Gathers what a batch of changes reads.

    Parameters
    ----------
    changes
        In the order in which they hold.
    memory
        What is known already.
    rest
        Called between changes.
    """

    def __init__(self, changes: Sequence[Change], memory: RowMemory, rest: Rest = no_rest) -> None:
        self._rest = rest
        self._changes = changes
        # Apart from this object, so that the batch, which holds it, leaves no cycle behind for the garbage collector.
        self._sought = _Sought(memory)
        self._rounds = 0
        self.batch = Batch(self._sought.load)
        """The rows to write, once :meth:`missing` has returned nothing."""

    @property
    def found(self) -> dict[RowName, Row | None]:
        """What was fetched; ``None`` for rows that do not exist."""
        return self._sought.found

    def missing(self) -> dict[str, list[Key]]:
        """Keys of rows that must be supplied before the batch is complete, by table; nothing once it is.

        Raises
        ------
        RuntimeError
            If the batch asks for more and more: a defect.
        """
        self._rounds += 1
        if self._rounds > _MAX_ROUNDS:
            raise RuntimeError(f"a batch of {len(self._changes)} changes is not complete after {_MAX_ROUNDS} rounds")
        self.batch, self._sought.missing = Batch(self._sought.load), {}
        for change in self._changes:
            self._rest()
            try:
                self.batch.add((change,))
            except _NotFetchedError:
                # The rest is looked through as well: the more one round finds, the fewer there are.
                continue
        return {table: list(keys) for table, keys in self._sought.missing.items()}

    def supply(self, asked: Mapping[str, Sequence[Key]], rows: Mapping[RowName, Row]) -> None:
        """Hand in what the store holds.

        Parameters
        ----------
        asked
            What was asked for: of these, rows that are not handed in do not exist.
        rows
            With all columns that are not null.
        """
        for table, keys in asked.items():
            for key in keys:
                self.found[table, key] = rows.get((table, key))


class _Sought:
    """What a batch reads: rows that are remembered or fetched, and those that must be fetched first."""

    def __init__(self, memory: RowMemory) -> None:
        self._memory = memory
        self.found: dict[RowName, Row | None] = {}
        self.missing: dict[str, dict[Key, None]] = {}

    def load(self, table: str, key: Key, columns: Sequence[str]) -> Row | None:
        name = (table, key)
        if name in self.found:
            row = self.found[name]
            return None if row is None else {column: row.get(column) for column in columns}
        known = self._memory.get(name, columns)
        if known is None:
            self.missing.setdefault(table, {})[key] = None
            raise _NotFetchedError
        return known


class _NotFetchedError(Exception):
    """A row that is neither remembered nor fetched yet."""
