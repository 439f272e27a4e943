"""Leases on MongoDB when the network fails."""

import asyncio

import pytest

from shared.errors import OutcomeUnknown, RetrySafe
from shared.leases.mongodb import MongoLeases
from shared.mongodb import MongoStore
from tests.support.toxiproxy import Toxiproxy

TTL_MS = 15_000
DEADLINE_S = 3.0


@pytest.mark.process
async def test_a_take_without_an_answer_is_found_by_reading(
    toxiproxy: Toxiproxy, mongodb_uri: str, mongodb_database: str
) -> None:
    proxy = toxiproxy.proxy(mongodb_uri)
    leases = MongoLeases(MongoStore(proxy.url, mongodb_database), timeout_s=DEADLINE_S)
    await leases.open()
    try:
        first = await leases.take(None, 0, "a", TTL_MS)
        assert first is not None
        proxy.timeout("downstream")
        with pytest.raises(OutcomeUnknown):
            async with asyncio.timeout(10 * DEADLINE_S):
                await leases.take(first, 0, "b", TTL_MS)
        with pytest.raises(RetrySafe):
            await leases.read()
        proxy.clear()

        (found,) = await leases.read()
        assert (found.owner, found.epoch) == ("b", 2)
        assert await leases.take(first, 0, "b", TTL_MS) is None, "it cannot be done twice"
    finally:
        await leases.close()


@pytest.mark.process
async def test_a_server_that_refuses_has_changed_nothing(
    toxiproxy: Toxiproxy, mongodb_uri: str, mongodb_database: str
) -> None:
    proxy = toxiproxy.proxy(mongodb_uri)
    leases = MongoLeases(MongoStore(proxy.url, mongodb_database, timeout_ms=3_000), timeout_s=DEADLINE_S)
    proxy.down()
    with pytest.raises(RetrySafe):
        await leases.open()
    proxy.up()
    await leases.open()
    try:
        assert await leases.take(None, 0, "a", TTL_MS) is not None
    finally:
        await leases.close()
