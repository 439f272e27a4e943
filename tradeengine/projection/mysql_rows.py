"""Rows into MySQL: many in a statement, and what becomes of one that the server refuses."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec
import pymysql
from pymysql.cursors import Cursor

from shared.mysql_errors import refuses_row
from tradeengine.projection.base import ParkedRow
from tradeengine.projection.changes import Key
from tradeengine.projection.contributions import Contribution
from tradeengine.projection.mysql_codec import UnfitError, from_store, to_store
from tradeengine.projection.mysql_statements import Upsert, select, upsert
from tradeengine.projection.prefetch import Rest, Row, RowName, no_rest
from tradeengine.projection.tables import TABLES

_KEYS_A_QUERY: Final = 500
_STATEMENT_BYTES: Final = 1_000_000
_MAX_SHOWN: Final = 60_000


class RefusedRow(NamedTuple):
    """A row that MySQL refused, with what it was to hold; it stays as it was before, or missing."""

    parked: ParkedRow
    values: Row


class RowRefusedError(Exception):
    """MySQL refused a row of a statement; nothing of that statement was done."""


Refuse = Callable[[RowName, Row, str], None]
"""Told of a row that was refused: its name, its values, and why."""


class RowWriter:
    """Writes and reads rows by their keys.

    Parameters
    ----------
    prefix
        Before every table's name.
    rest
        Called between rows.
    refuse
        Takes rows that the server refuses, one by one; without it such a row is an error of the whole statement.
    """

    def __init__(
        self,
        cursor: Cursor,
        prefix: str,
        max_statement_bytes: int,
        *,
        rest: Rest = no_rest,
        refuse: Refuse | None = None,
    ) -> None:
        self._cursor = cursor
        self._prefix = prefix
        self._refuse = refuse
        self._rest = rest
        self._most_row = max_statement_bytes // 8
        # A single row may be larger; MySQL's own limit is kept by the check of each row.
        self._most = min(_STATEMENT_BYTES, max_statement_bytes // 2)

    def write(self, rows: Iterable[tuple[RowName, Row]]) -> None:
        """Make rows, or set these columns of those that are there.

        Raises
        ------
        RowRefusedError
            If one is refused and nobody takes it.
        """
        groups: dict[tuple[str, tuple[str, ...]], list[tuple[RowName, Row]]] = {}
        for name, values in rows:
            groups.setdefault((name[0], tuple(values)), []).append((name, values))
        for (table, columns), group in groups.items():
            statement = upsert(table, self._prefix, columns)
            if self._refuse is None:
                self._execute(statement, group)
                continue
            for name, values in group:
                try:
                    self._execute(statement, [(name, values)])
                except RowRefusedError as error:
                    self._refuse(name, values, str(error))

    def read(self, wanted: Mapping[str, list[Key]]) -> dict[RowName, Row]:
        """All columns of rows, as far as they exist."""
        return {name: row for table in wanted for name, row in self._read(table, tuple(TABLES[table].columns), wanted)}

    def existing(self, wanted: Mapping[str, list[Key]]) -> set[RowName]:
        """Names of those rows that exist."""
        return {name for table in wanted for name, _ in self._read(table, (), wanted)}

    def contributions(self, positions: Sequence[str]) -> dict[str, list[Contribution]]:
        """All contributions to positions, in the order of ``position_sequence``."""
        self._cursor.execute(
            "SELECT strategy_position_id, contribution_id, contribution_quantity, contribution_entry_price"  # noqa: S608
            f" FROM `{self._prefix}position_contributions`"
            " WHERE strategy_position_id IN %s ORDER BY position_sequence",
            (positions,),
        )
        found: dict[str, list[Contribution]] = {}
        for position, contribution, quantity, price in self._cursor.fetchall():
            found.setdefault(position, []).append(Contribution(contribution, Decimal(quantity), Decimal(price)))
        return found

    def _execute(self, upsert: Upsert, rows: list[tuple[RowName, Row]]) -> None:
        try:
            for statement in upsert.statements((self._literal(upsert, *row) for row in rows), self._most):
                # Its stubs forget that the driver sends bytes as they are.
                self._cursor.execute(statement)  # type: ignore[call-overload]
        except UnfitError as error:
            raise RowRefusedError(str(error)) from error
        except pymysql.Error as error:
            if not refuses_row(error):
                raise
            raise RowRefusedError(str(error.args[-1])) from error

    def _literal(self, upsert: Upsert, name: RowName, values: Row) -> bytes:
        self._rest()
        literal = upsert.row((*values.values(), *name[1]))
        if len(literal) > self._most_row:
            raise UnfitError(f"{len(literal)} bytes are too many for the server's max_allowed_packet")
        return literal

    def _read(
        self, name: str, columns: tuple[str, ...], wanted: Mapping[str, list[Key]]
    ) -> Iterable[tuple[RowName, Row]]:
        table, keys = TABLES[name], wanted[name]
        for start in range(0, len(keys), _KEYS_A_QUERY):
            part = keys[start : start + _KEYS_A_QUERY]
            given = [
                to_store(table.columns[column], value)
                for key in part
                for column, value in zip(table.key, key, strict=True)
            ]
            self._cursor.execute(select(name, self._prefix, columns, len(part)), given)
            for held in self._cursor.fetchall():
                values = [from_store(table.columns[c], v) for c, v in zip((*columns, *table.key), held, strict=True)]
                row = {column: value for column, value in zip(columns, values, strict=False) if value is not None}
                yield (name, tuple(values[len(columns) :])), row


def key_text(key: Key) -> str:
    """Text that tells a key."""
    return "/".join(map(str, key))


def park(cursor: Cursor, prefix: str, rows: Iterable[RefusedRow]) -> None:
    """Keep rows that were refused, with the reason, where people find them."""
    # A prefix is a constant of the engine, everything else is a parameter.
    cursor.executemany(
        f"INSERT INTO `{prefix}parked_rows` (table_name, row_key, reason, shard, sequence, row_values, parked_at)"  # noqa: S608
        " VALUES (%s, %s, %s, %s, %s, %s, UTC_TIMESTAMP(3))",
        [(p.table, p.key, p.reason, p.shard, p.sequence, _shown(values)) for p, values in rows],
    )


def _shown(values: Mapping[str, Any]) -> str:
    text = _json(values)
    return (
        text if len(text) <= _MAX_SHOWN else _json({"too_large": {name: len(_json(v)) for name, v in values.items()}})
    )


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
