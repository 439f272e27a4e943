"""Databases are killed under load and come back: nothing is lost, nothing is doubled, and all copies end equal."""

import asyncio
from pathlib import Path
from random import Random

import pytest

from tests.outages.stores import Stores
from tests.outages.traffic import Traffic
from tests.outages.truth import everything_holds
from tests.support.nats import NatsServer
from tests.support.rig import Rig, rig
from tests.support.services import MongoServer, MySqlServer

pytestmark = pytest.mark.process

KILLS = 2
MANY_KILLS = 20


class Victims:
    """The two servers, and the engine that must not mind."""

    def __init__(self, made: Rig, mongo: MongoServer, mysql: MySqlServer, traffic: Traffic) -> None:
        self._made = made
        self._servers = (mongo, mysql)
        self._traffic = traffic

    async def killed(self, times: int, chance: Random) -> None:
        """Kill one of them at some moment under load, so often each, and let it come back."""
        order = [server for server in self._servers for _ in range(times)]
        chance.shuffle(order)
        for server in order:
            await self._traffic.grown(chance.randint(1, 30))
            await asyncio.to_thread(server.kill)
            # While MongoDB is away nothing is acknowledged; MySQL is not missed.
            if isinstance(server, MySqlServer):
                await self._traffic.grown(5)
            server.spawn()
            await self._traffic.grown(1)
            assert self._made.engine.running, self._made.engine.log_tail()


async def withstood(
    folder: Path, stores: Stores, servers: tuple[MongoServer, MySqlServer], nats: NatsServer, times: int, chance: Random
) -> None:
    """Kill each server so often, and insist that nobody would know."""
    settings = stores.settings()
    async with rig(folder, nats_url=nats.url, **settings) as made:
        traffic = Traffic(made, nats.url, chance)
        async with traffic.at_work():
            await Victims(made, *servers, traffic).killed(times, chance)
        history = await everything_holds(stores, made.exchange, folder, made.engine)
        assert made.engine.runs == 1
    print(f"{len(traffic.stored)} signals, {history.orders} orders, {history.fills} fills, {history.copies} copies")
    assert traffic.stored <= history.decisions.keys(), "a signal that the broker has stored has no decision"
    assert history.fills > times, "the load was no load"


async def test_i97_databases_that_are_killed_under_load_lose_and_double_nothing(
    tmp_path: Path,
    own_stores: Stores,
    mongo_server: MongoServer,
    mysql_server: MySqlServer,
    nats_server: NatsServer,
    chance: Random,
) -> None:
    await withstood(tmp_path, own_stores, (mongo_server, mysql_server), nats_server, KILLS, chance)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_i97_databases_that_are_killed_twenty_times_under_load_lose_and_double_nothing(
    tmp_path: Path,
    own_stores: Stores,
    mongo_server: MongoServer,
    mysql_server: MySqlServer,
    nats_server: NatsServer,
    chance: Random,
) -> None:
    await withstood(tmp_path, own_stores, (mongo_server, mysql_server), nats_server, MANY_KILLS, chance)
