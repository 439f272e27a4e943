"""MySQL and MongoDB with the rows of a history, written by the read models themselves."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from shared.clock import ManualClock
from shared.mongodb import MongoStore
from shared.mysql_address import MySqlAddress
from tests.projection.mysql_place import on_mysql
from tests.support import services
from tests.support.records import T0
from tradeengine.analytics.mongodb import ask_mongodb
from tradeengine.analytics.mysql import ask_mysql
from tradeengine.analytics.parameters import Parameters
from tradeengine.analytics.query import Query
from tradeengine.analytics.values import Value
from tradeengine.journal.record import Record
from tradeengine.projection.mongodb import MongoReadModel, apply_schema
from tradeengine.projection.mysql import MySqlReadModel
from tradeengine.projection.mysql_schema import apply_schema as apply_mysql_schema

STORES = ("mysql", "mongodb")

_TIMEOUT_MS = 60_000


class Filled:
    """A database on each server.

    Parameters
    ----------
    mysql_uri
        With the database in it.
    """

    def __init__(self, mysql_uri: str, mongodb_uri: str, mongodb_database: str) -> None:
        self.mysql_uri = mysql_uri
        self.mongodb_uri = mongodb_uri
        self.mongodb_database = mongodb_database

    async def ask(self, store: str, query: Query, parameters: Parameters | None = None) -> list[dict[str, Value]]:
        asked = Parameters() if parameters is None else parameters
        if store == "mysql":
            return await ask_mysql(MySqlAddress.parse(self.mysql_uri), query, asked)
        return await ask_mongodb(self._mongo_store(), query, asked)

    async def fill(self, records: Sequence[Record]) -> None:
        address, store = MySqlAddress.parse(self.mysql_uri), self._mongo_store()
        await on_mysql(address, apply_mysql_schema)
        await store.open()
        await apply_schema(store)
        for model in (
            MySqlReadModel(address, venue="paper", clock=ManualClock(T0), timeout_s=60),
            MongoReadModel(store, venue="paper", clock=ManualClock(T0)),
        ):
            await model.open()
            await model.apply(records)
            await model.close()
        await store.close()

    def _mongo_store(self) -> MongoStore:
        return MongoStore(self.mongodb_uri, self.mongodb_database, timeout_ms=_TIMEOUT_MS)


@contextmanager
def filled(records: Sequence[Record]) -> Iterator[Filled]:
    """Databases with the rows of records, dropped in the end."""
    with (
        services.fresh_mysql_database(services.mysql_uri()) as mysql_uri,
        services.fresh_mongodb_database(services.mongodb_uri()) as mongodb_database,
    ):
        made = Filled(mysql_uri, services.mongodb_uri(), mongodb_database)
        asyncio.run(made.fill(records))
        yield made
