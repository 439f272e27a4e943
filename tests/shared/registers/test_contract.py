"""What every register promises, whatever it keeps its document in."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from shared.mongodb import MongoStore
from shared.registers.base import Entry, Register
from shared.registers.memory import MemoryRegister
from shared.registers.mongodb import MongoRegister
from tests.support.deadline import PATIENCE_S

Users = Callable[[], Register]
"""Makes one more user of the same document, to be opened."""


@pytest.fixture(params=["memory", "mongodb"])
async def users(request: pytest.FixtureRequest) -> AsyncIterator[Users]:
    if request.param == "memory":
        shared = MemoryRegister()
        yield lambda: shared
        return
    uri, database = request.getfixturevalue("mongodb_uri"), request.getfixturevalue("mongodb_database")
    async with AsyncExitStack() as stack:

        def make() -> Register:
            made = MongoRegister(MongoStore(uri, database), "ledger", timeout_s=PATIENCE_S)
            stack.push_async_callback(made.close)
            return made

        yield make


@pytest.fixture
async def register(users: Users) -> Register:
    made = users()
    await made.open()
    return made


async def test_a_new_register_is_empty(register: Register) -> None:
    assert await register.read() is None


async def test_opening_twice_is_opening_once(register: Register) -> None:
    assert await register.replace(0, "first")
    await register.open()
    assert await register.read() == Entry(1, "first")


async def test_each_change_raises_the_revision(register: Register) -> None:
    for seen, content in enumerate(("a", "b", "a")):
        assert await register.replace(seen, content)
        assert await register.read() == Entry(seen + 1, content)


@pytest.mark.parametrize("late", [0, 1, 3, 99])
async def test_who_has_not_seen_the_newest_changes_nothing(register: Register, late: int) -> None:
    assert await register.replace(0, "first")
    assert await register.replace(1, "second")

    assert not await register.replace(late, "late")
    assert await register.read() == Entry(2, "second")


async def test_what_was_there_before_does_not_come_back_with_its_revision(register: Register) -> None:
    """Else a change that arrives late could meet the revision that it was made for."""
    assert await register.replace(0, "same")
    assert await register.replace(1, "other")
    assert await register.replace(2, "same")
    assert not await register.replace(1, "late")


async def test_of_those_who_race_one_wins_each_time(users: Users) -> None:
    """Eight users count up together: no count is lost, none is made twice."""
    racers, rounds = [users() for _ in range(8)], 10
    for racer in racers:
        await racer.open()

    async def count_up(racer: Register) -> int:
        lost = 0
        for _ in range(rounds):
            while True:
                seen = await racer.read() or Entry(0, "0")
                if await racer.replace(seen.revision, str(int(seen.content) + 1)):
                    break
                lost += 1
        return lost

    lost = await asyncio.gather(*[count_up(racer) for racer in racers])
    assert await racers[0].read() == Entry(8 * rounds, str(8 * rounds))
    assert sum(lost) or isinstance(racers[0], MemoryRegister), "they did not race"


async def test_text_comes_back_as_it_was_written(register: Register) -> None:
    content = '{"0":{"exposure":"0.1","name":"größer ✓"}}' * 1_000
    assert await register.replace(0, content)
    assert await register.read() == Entry(1, content)
