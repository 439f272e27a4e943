"""SQL statements on the read model's tables in MySQL.

Table and column names come from the engine's own tables; values are parameters, or literals of
:class:`~tradeengine.projection.mysql_codec.RowLiteral` where there are many.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache

from tradeengine.projection.mysql_codec import RowLiteral
from tradeengine.projection.tables import TABLES


class Upsert:
    """Makes rows, or sets columns of those that are there; in the form that MySQL and MariaDB share.

    Parameters
    ----------
    columns
        Columns to set, without those of the key.
    """

    def __init__(self, table: str, prefix: str, columns: tuple[str, ...]) -> None:
        key = TABLES[table].key
        names = (*columns, *key)
        changed = ", ".join(f"`{column}` = VALUES(`{column}`)" for column in columns or key[:1])
        self.row = RowLiteral(TABLES[table], names)
        """Writes a row: values of the columns, then of the key."""
        self._head = f"INSERT INTO `{prefix}{table}` ({_listed(names)}) VALUES ".encode()  # noqa: S608
        self._tail = f" ON DUPLICATE KEY UPDATE {changed}".encode()

    def statements(self, rows: Iterable[bytes], most: int) -> Iterator[bytes]:
        """As few statements as hold all rows in at most so many bytes each, or one row."""
        held: list[bytes] = []
        size = bare = len(self._head) + len(self._tail)
        for row in rows:
            if held and size + len(row) + 1 > most:
                yield self._head + b",".join(held) + self._tail
                held, size = [], bare
            held.append(row)
            size += len(row) + 1
        if held:
            yield self._head + b",".join(held) + self._tail


@lru_cache(maxsize=1024)
def upsert(table: str, prefix: str, columns: tuple[str, ...]) -> Upsert:
    """Statement for rows of which the same columns are set."""
    return Upsert(table, prefix, columns)


def select(table: str, prefix: str, columns: tuple[str, ...], keys: int) -> str:
    """Columns of rows, the key's last, by a number of keys."""
    key = TABLES[table].key
    wanted = ", ".join([f"({_marks(len(key))})"] * keys)
    return (
        f"SELECT {_listed((*columns, *key))} FROM `{prefix}{table}`"  # noqa: S608
        f" WHERE ({_listed(key)}) IN ({wanted})"
    )


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _marks(count: int) -> str:
    return ", ".join(["%s"] * count)
