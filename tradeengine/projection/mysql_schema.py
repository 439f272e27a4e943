"""Schema of the read model on MySQL: numbered migrations, what is applied of them, and what is missing."""

import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final, NamedTuple

from shared.errors import ConfigError, RetrySafe
from shared.mysql import MySqlConnection
from tradeengine.projection.tables import TABLES

_PACKAGE: Final = "tradeengine.projection"
_SOURCES: Final = Path(__file__).resolve().parents[2] / "scripts" / "mysql"
_FILE: Final = re.compile(r"(\d{4})_(\w+)\.sql")
_COMMENT: Final = re.compile(r"^\s*--.*$", re.MULTILINE)
_END: Final = re.compile(r";\s*$", re.MULTILINE)
_LOCK_WAIT_S: Final = 30


class Migration(NamedTuple):
    """One numbered step of the schema; running it again changes nothing."""

    number: int
    name: str
    sql: str

    def statements(self) -> list[str]:
        """The statements of the file; each ends with a semicolon at the end of a line."""
        return [text.strip() for text in _END.split(_COMMENT.sub("", self.sql)) if text.strip()]


class SchemaStatus(NamedTuple):
    """What a database has of the schema.

    Parameters
    ----------
    applied
        When each migration was applied, UTC, by number.
    pending
        Migrations that are still to be applied.
    unknown
        Numbers that only a newer engine knows.
    missing
        Columns, as ``table.column``, that applied migrations have made and somebody took away.
    """

    applied: dict[int, str]
    pending: list[Migration]
    unknown: list[int]
    missing: list[str]


def migrations() -> list[Migration]:
    """All migrations that this engine knows, in order."""
    found = []
    for file in _folder().iterdir():
        named = _FILE.fullmatch(file.name)
        if named:
            found.append(Migration(int(named[1]), named[2], file.read_text(encoding="utf-8")))
    return sorted(found)


def schema_status(connection: MySqlConnection) -> SchemaStatus:
    """Look at what a database has."""
    known = migrations()
    with connection.cursor() as cursor:
        cursor.execute("SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = DATABASE()")
        present: dict[str, set[str]] = {}
        for table, column in cursor.fetchall():
            present.setdefault(table, set()).add(column)
        applied = {}
        if "schema_version" in present:
            cursor.execute("SELECT version, applied_at FROM schema_version ORDER BY version")
            applied = dict(cursor.fetchall())
    pending = [migration for migration in known if migration.number not in applied]
    missing = [f"{t.name}.{c}" for t in TABLES.values() for c in t.columns if c not in present.get(t.name, ())]
    unknown = sorted(applied.keys() - {migration.number for migration in known})
    return SchemaStatus(applied, pending, unknown, [] if pending else missing)


def apply_schema(connection: MySqlConnection) -> list[Migration]:
    """Apply what is pending, one process at a time, and return it.

    Raises
    ------
    RetrySafe
        If another process applies migrations for longer than half a minute.
    """
    lock = f"tradeengine_schema_{connection.db!r}"[:64]
    with connection.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, %s)", (lock, _LOCK_WAIT_S))
        if cursor.fetchone() != (1,):
            raise RetrySafe(
                f"another process has been applying the schema for {_LOCK_WAIT_S} s: try again when it ends"
            )
        try:
            pending = schema_status(connection).pending
            for migration in pending:
                for statement in migration.statements():
                    cursor.execute(statement)
        finally:
            cursor.execute("SELECT RELEASE_LOCK(%s)", (lock,))
    return pending


def require_schema(connection: MySqlConnection) -> None:
    """Refuse a database whose schema is not the one that this engine knows.

    Raises
    ------
    ConfigError
        The text says what to do.
    """
    status = schema_status(connection)
    where = f"{connection.host}:{connection.port}, database {connection.db!r}"
    if status.unknown:
        raise ConfigError(
            f"the schema at {where} is version {status.unknown[-1]}, this engine knows {migrations()[-1].number}: "
            "start the engine that it was made for"
        )
    if status.pending:
        names = ", ".join(f"{migration.number:04} {migration.name}" for migration in status.pending)
        raise ConfigError(f"the schema at {where} lacks {names}: run tradeengine schema apply --target mysql")
    if status.missing:
        raise ConfigError(
            f"the schema at {where} lacks {', '.join(status.missing[:5])}, which it once had: restore it, or drop the "
            "tables, run tradeengine schema apply --target mysql and tradeengine project --rebuild mysql"
        )


def _folder() -> Traversable:
    # A wheel brings the files inside the package; a checkout has them where people look for scripts.
    packaged = files(_PACKAGE) / "migrations" / "mysql"
    return packaged if packaged.is_dir() else _SOURCES
