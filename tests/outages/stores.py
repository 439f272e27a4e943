"""Stores of an engine under test: a database of its own on real servers, made ready by the schema job."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

from shared.clock import SystemClock
from shared.mongodb import MongoStore
from shared.mysql_address import MySqlAddress
from tests.support.process import tradeengine
from tests.support.services import fresh_name
from tradeengine.audit.copy import Copy
from tradeengine.audit.mongodb_copy import MongoCopy
from tradeengine.journal.mongodb import MongoJournal
from tradeengine.projection.mysql import MySqlReadModel

VENUE = "binance-testnet"


class Stores(NamedTuple):
    """Where an engine keeps what it knows; addresses without any fault in front of the servers.

    Parameters
    ----------
    mongodb, mysql
        URIs; no copy without the second.
    """

    mongodb: str
    database: str
    mysql: str | None = None

    def settings(self, *, mongodb: str | None = None, mysql: str | None = None) -> dict[str, Any]:
        """Environment of an engine that uses them, perhaps by other addresses: those of a proxy."""
        copy = mysql or self.mysql
        named = {"MONGODB_URI": mongodb or self.mongodb, "MONGODB_DATABASE": self.database}
        return named | ({"MYSQL_URI": copy} if copy else {})

    @asynccontextmanager
    async def client(self) -> AsyncIterator[MongoStore]:
        """The MongoDB database, as somebody beside the engine uses it."""
        store = MongoStore(self.mongodb, self.database)
        await store.open()
        try:
            yield store
        finally:
            await store.close()

    @asynccontextmanager
    async def journal(self) -> AsyncIterator[MongoJournal]:
        """The journal."""
        journal = MongoJournal(MongoStore(self.mongodb, self.database))
        await journal.open()
        try:
            yield journal
        finally:
            await journal.close()

    @asynccontextmanager
    async def copies(self) -> AsyncIterator[Mapping[str, Copy]]:
        """What is made from the journal, by name; read as an audit reads it, nothing is finished here."""
        async with AsyncExitStack() as stack:
            clock = SystemClock()
            rows = MongoCopy(MongoStore(self.mongodb, self.database), clock)
            await rows.open()
            stack.push_async_callback(rows.close)
            made: dict[str, Copy] = {"MongoDB": rows}
            if self.mysql is not None:
                copy = MySqlReadModel(MySqlAddress.parse(self.mysql), venue=VENUE, clock=clock)
                await copy.open()
                stack.push_async_callback(copy.close)
                made["MySQL"] = copy
            yield made


async def ready_stores(mongodb: str, mysql: str | None = None) -> Stores:
    """Let the schema jobs make a fresh MongoDB database, and the MySQL one that is named, ready."""
    stores = Stores(mongodb, fresh_name(), mysql)
    for target in ("mongodb", "mysql") if mysql else ("mongodb",):
        await schema_applied(stores, target)
    return stores


async def schema_applied(stores: Stores, target: str) -> None:
    """Run a schema job as an operator does."""
    arguments = ("schema", "apply", "--target", target, "--wait", "30")
    done = await asyncio.to_thread(tradeengine, *arguments, env=stores.settings())
    assert done.returncode == 0, done.stdout + done.stderr
