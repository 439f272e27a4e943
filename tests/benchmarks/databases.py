"""Empty databases on real servers, with the schema that ``tradeengine schema apply`` makes there."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from shared.mongodb import MongoStore
from shared.mysql import MySqlThread
from shared.mysql_address import MySqlAddress
from tests.support import services
from tradeengine.journal import mongodb_schema as journal_schema
from tradeengine.projection import mongodb_schema as read_model_schema
from tradeengine.projection import mysql_schema


@contextmanager
def mongodb() -> Iterator[dict[str, str]]:
    """Settings that name an empty database, which is dropped in the end."""
    uri = services.mongodb_uri()
    with services.fresh_mongodb_database(uri) as name:
        asyncio.run(_apply_mongodb(uri, name))
        yield {"MONGODB_URI": uri, "MONGODB_DATABASE": name}


@contextmanager
def mysql() -> Iterator[dict[str, str]]:
    """Settings that name an empty database, which is dropped in the end."""
    with services.fresh_mysql_database(services.mysql_uri()) as uri:
        asyncio.run(_apply_mysql(uri))
        yield {"MYSQL_URI": uri}


async def _apply_mongodb(uri: str, name: str) -> None:
    store = MongoStore(uri, name, timeout_ms=60_000)
    await store.open()
    try:
        await journal_schema.apply_schema(store)
        await read_model_schema.apply_schema(store)
    finally:
        await store.close()


async def _apply_mysql(uri: str) -> None:
    thread = MySqlThread(MySqlAddress.parse(uri), timeout_s=60)
    try:
        await thread.open(mysql_schema.apply_schema)
    finally:
        await thread.close()
