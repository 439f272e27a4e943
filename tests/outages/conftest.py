import os
from collections.abc import AsyncIterator
from random import Random, SystemRandom

import pytest
import pytest_asyncio

from tests.outages.stores import Stores, ready_stores, schema_applied
from tests.support.nats import nats_server
from tests.support.services import MongoServer, MySqlServer

__all__ = ["nats_server"]


@pytest.fixture
def chance() -> Random:
    """Random numbers of a printed seed; OUTAGE_SEED repeats them (not the load on the machine)."""
    seed = int(os.environ.get("OUTAGE_SEED") or SystemRandom().getrandbits(32))
    print(f"OUTAGE_SEED={seed}")
    return Random(seed)


@pytest_asyncio.fixture
async def stores(mongodb_uri: str) -> AsyncIterator[Stores]:
    """A database on the MongoDB that the tests share, dropped in the end; without a copy."""
    made = await ready_stores(mongodb_uri)
    yield made
    async with made.client() as store:
        await store.database.client.drop_database(made.database)


@pytest_asyncio.fixture
async def own_stores(mongo_server: MongoServer, mysql_server: MySqlServer) -> Stores:
    """Databases on servers of the test's own, which it may kill and freeze."""
    return await ready_stores(mongo_server.url, mysql_server.url)


@pytest_asyncio.fixture
async def copied_stores(stores: Stores, mysql_uri: str) -> Stores:
    """The same with a copy in a database on the MySQL that the tests share."""
    made = stores._replace(mysql=mysql_uri)
    await schema_applied(made, "mysql")
    return made
