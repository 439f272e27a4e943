"""SQL statements on the read model's tables in MySQL.

Table and column names come from the engine's own tables, values are always parameters.
"""

from functools import lru_cache

from tradeengine.projection.tables import TABLES


@lru_cache(maxsize=1024)
def upsert(table: str, prefix: str, columns: tuple[str, ...]) -> str:
    """Make rows, or set columns of those that are there; parameters are columns, then key.

    The form that MySQL and MariaDB share; PyMySQL makes one statement for many rows of it.
    """
    key = TABLES[table].key
    names = (*columns, *key)
    changed = ", ".join(f"`{column}` = VALUES(`{column}`)" for column in columns or key[:1])
    return (
        f"INSERT INTO `{prefix}{table}` ({_listed(names)}) VALUES ({_marks(len(names))})"  # noqa: S608
        f" ON DUPLICATE KEY UPDATE {changed}"
    )


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
