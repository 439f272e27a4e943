"""A register on MongoDB when the network fails."""

import asyncio

import pytest

from shared.errors import OutcomeUnknown, RetrySafe
from shared.mongodb import MongoStore
from shared.registers.base import Entry
from shared.registers.mongodb import MongoRegister
from tests.support.toxiproxy import Toxiproxy

DEADLINE_S = 3.0


@pytest.mark.process
async def test_a_change_without_an_answer_is_found_by_reading(
    toxiproxy: Toxiproxy, mongodb_uri: str, mongodb_database: str
) -> None:
    proxy = toxiproxy.proxy(mongodb_uri)
    register = MongoRegister(MongoStore(proxy.url, mongodb_database), "ledger", timeout_s=DEADLINE_S)
    await register.open()
    try:
        assert await register.replace(0, "first")
        proxy.timeout("downstream")
        with pytest.raises(OutcomeUnknown):
            async with asyncio.timeout(10 * DEADLINE_S):
                await register.replace(1, "second")
        with pytest.raises(RetrySafe):
            await register.read()
        proxy.clear()

        assert await register.read() == Entry(2, "second")
        assert not await register.replace(1, "second"), "it cannot be done twice"
    finally:
        await register.close()


@pytest.mark.process
async def test_a_server_that_is_away_has_changed_nothing(
    toxiproxy: Toxiproxy, mongodb_uri: str, mongodb_database: str
) -> None:
    proxy = toxiproxy.proxy(mongodb_uri)
    register = MongoRegister(MongoStore(proxy.url, mongodb_database, timeout_ms=3_000), "ledger", timeout_s=DEADLINE_S)
    proxy.down()
    with pytest.raises(RetrySafe):
        await register.open()
    proxy.up()
    await register.open()
    try:
        assert await register.replace(0, "first")
    finally:
        await register.close()
