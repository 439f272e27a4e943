"""Every store that a read model can be kept in: what the suite of this folder is run against."""

import atexit
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar, Protocol

from contracts.query import Page
from shared.clock import Clock, ManualClock
from shared.mongodb import MongoStore
from tests.projection.mysql_place import MySqlPlace
from tests.support import services
from tests.support.records import T0
from tradeengine.projection.base import ReadModel
from tradeengine.projection.mongodb import MongoReadModel, apply_schema
from tradeengine.projection.sqlite import SqliteReadModel


class Model(ReadModel, Protocol):
    """A read model that can be asked."""

    async def query(
        self, table: str, *, filters: Mapping[str, str], sort: str | None, cursor: str | None, limit: int
    ) -> Page: ...

    async def open(self) -> None: ...

    async def close(self) -> None: ...


class Place(Protocol):
    """Where one read model is kept; what is made at one place twice is the same read model.

    Parameters
    ----------
    folder
        An empty folder of the test's own, which names the place too.
    """

    target: ClassVar[str]

    def __init__(self, folder: Path) -> None: ...

    async def prepare(self) -> None:
        """Make tables or collections."""
        ...

    def model(self, clock: Clock | None = None) -> Model:
        """Make a read model on the place, not open yet."""
        ...

    async def drop(self) -> None:
        """Leave nothing behind."""
        ...


class SqlitePlace:
    """A file."""

    target: ClassVar[str] = "sqlite"

    def __init__(self, folder: Path) -> None:
        self.path = folder / "read-model.db"

    async def prepare(self) -> None:
        """Do nothing: the read model makes its file."""

    def model(self, clock: Clock | None = None) -> SqliteReadModel:
        return SqliteReadModel(self.path, venue="paper", clock=clock or ManualClock(T0))

    async def drop(self) -> None:
        """Do nothing: the folder goes with the test."""


class MongoPlace:
    """A database on the server that all tests share; those of places that were dropped are emptied and used again."""

    target: ClassVar[str] = "mongodb"

    def __init__(self, folder: Path) -> None:
        self._note = folder / "mongodb-database"

    async def prepare(self) -> None:
        new = not _FREE_DATABASES
        if new:
            database = services.fresh_mongodb_database(services.mongodb_uri())
            _FREE_DATABASES.append(database.__enter__())
            atexit.register(database.__exit__, None, None, None)
        # With the server's address, so that another process finds the place too.
        self._note.write_text(f"{services.mongodb_uri()} {_FREE_DATABASES.pop()}")
        if new:
            async with opened(self.store()) as store:
                await apply_schema(store)

    def store(self) -> MongoStore:
        """Make a client on the place, not open yet."""
        return MongoStore(*self._note.read_text().split())

    def model(self, clock: Clock | None = None) -> MongoReadModel:
        return MongoReadModel(self.store(), venue="paper", clock=clock or ManualClock(T0))

    async def drop(self) -> None:
        async with opened(self.store()) as store:
            for name in await store.database.list_collection_names():
                if name != "control":
                    await store.collection(name).delete_many({})
        _FREE_DATABASES.append(store.name)


@asynccontextmanager
async def opened(store: MongoStore) -> AsyncIterator[MongoStore]:
    """Open a store for a while."""
    await store.open()
    try:
        yield store
    finally:
        await store.close()


_FREE_DATABASES: list[str] = []

TARGETS: dict[str, type[Place]] = {"sqlite": SqlitePlace, "mongodb": MongoPlace, "mysql": MySqlPlace}
"""Places by target; a new store joins the suite with one entry."""


@asynccontextmanager
async def prepared(target: str, folder: Path) -> AsyncIterator[Place]:
    """A place with empty tables, gone in the end."""
    place = TARGETS[target](folder)
    await place.prepare()
    try:
        yield place
    finally:
        await place.drop()
