"""SQLite from asyncio: one connection in one thread of its own, and errors that say what to do."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

from shared.errors import ConfigError, OutcomeUnknown, RetrySafe
from shared.sqlite_reading import Unlocked, connect_reading
from shared.worker import WorkerThread

T = TypeVar("T")

# A failed sync of the log is the one error after which a transaction may still turn up after a crash.
_UNSYNCED = (sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC)

_ADVICE = {
    sqlite3.SQLITE_FULL: "free space on its disk",
    sqlite3.SQLITE_READONLY: "make the file and its folder writable for this user",
    sqlite3.SQLITE_PERM: "make the file and its folder writable for this user",
    sqlite3.SQLITE_CANTOPEN: "make the file and its folder writable for this user",
    sqlite3.SQLITE_BUSY: "another process holds it locked: wait, or stop that process",
    sqlite3.SQLITE_LOCKED: "another process holds it locked: wait, or stop that process",
    sqlite3.SQLITE_IOERR: "check the disk and the system's log",
    sqlite3.SQLITE_NOTADB: "it is no database of the engine: move it away",
    sqlite3.SQLITE_CORRUPT: "it is damaged: restore it from a copy",
}


class SqliteThread:
    """A connection that lives in a thread of its own, so that no commit ever holds up the event loop.

    Work is done in the order in which it was asked for. A caller that is cancelled stops waiting; its work is done
    all the same, before any that is asked for later.

    Parameters
    ----------
    path
        The database file.
    pragmas
        Statements after ``PRAGMA`` that set the connection up, such as ``synchronous=FULL``.
    create
        Whether a file that does not exist is made.
    busy_timeout_ms
        How long to wait for another process's lock, in milliseconds.
    read_only
        Whether nothing is ever written: nor is the file made, and it may lie where nothing can be written.
    """

    def __init__(
        self,
        path: Path,
        *,
        pragmas: tuple[str, ...] = (),
        create: bool = True,
        busy_timeout_ms: int = 5_000,
        read_only: bool = False,
    ) -> None:
        self._path = path
        self._pragmas = pragmas
        self._create = create and not read_only
        self._read_only = read_only
        self._busy_timeout_ms = busy_timeout_ms
        self._thread = WorkerThread(f"sqlite-{path.stem}")
        self._connection: sqlite3.Connection | None = None
        self._unlocked: Unlocked | None = None

    async def open(self, prepare: Callable[[sqlite3.Connection], None]) -> None:
        """Connect and prepare, for instance make the tables.

        Raises
        ------
        ConfigError
            If the file cannot be used; the text names it and what to do.
        RetrySafe
            If another process holds it locked for longer than the busy timeout.
        """
        self._thread.start()
        try:
            await self._thread.call(partial(self._connect, prepare))
        except BaseException:
            await self.close()
            raise

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do work on the connection.

        Raises
        ------
        RetrySafe
            If SQLite refused; a transaction of the work was rolled back.
        OutcomeUnknown
            If the disk failed while it confirmed a commit.
        """
        return await self._thread.call(partial(self._run, work))

    async def close(self) -> None:
        """Finish the work under way and disconnect."""
        await self._thread.close(self._disconnect)

    def _connect(self, prepare: Callable[[sqlite3.Connection], None]) -> None:
        if not self._path.parent.is_dir():
            raise ConfigError(f"cannot open {self._path}: the folder does not exist; create {self._path.parent}")
        if not self._create and not self._path.exists():
            raise ConfigError(f"cannot open {self._path}: there is no such file; name the folder of an existing store")
        timeout = self._busy_timeout_ms / 1000
        # SQLite does not wait, whatever its timeout, where two that open the file at once would wait for each other.
        patiently = Retrying(
            retry=retry_if_exception(_is_busy), stop=stop_after_delay(timeout), wait=wait_fixed(0.01), reraise=True
        )
        try:
            if self._read_only:
                self._connection, self._unlocked = patiently(connect_reading, self._path, self._new)
            else:
                self._connection = self._new(self._path)
            for pragma in self._pragmas:
                patiently(self._connection.execute, f"PRAGMA {pragma}")
            prepare(self._connection)
        except sqlite3.Error as error:
            kind = RetrySafe if _is_busy(error) else ConfigError
            raise kind(_text(error, "open", self._path)) from error

    def _new(self, database: Path | str) -> sqlite3.Connection:
        timeout = self._busy_timeout_ms / 1000
        return sqlite3.connect(
            database, isolation_level=None, timeout=timeout, cached_statements=512, uri=self._read_only
        )

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._connection is None:
            raise RuntimeError(f"{self._path} is not open")
        try:
            result = work(self._connection)
        except sqlite3.Error as error:
            text = _text(error, "use", self._path)
            if getattr(error, "sqlite_errorcode", None) in _UNSYNCED:
                raise OutcomeUnknown(text) from error
            raise RetrySafe(text) from error
        if self._unlocked is not None:
            self._unlocked.check()
        return result

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what the block writes, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _is_busy(error: BaseException) -> bool:
    return isinstance(error, sqlite3.Error) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def _text(error: sqlite3.Error, verb: str, path: Path) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return f"cannot {verb} {path}: {error} ({name}); {_ADVICE.get(code, 'see the text of the error')}"
