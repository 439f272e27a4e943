"""A cancellation that meets a result ends the task all the same."""

import asyncio

import pytest

from shared.mongodb import MongoStore

_TURNS = 80
_PATIENCE_S = 5.0


async def test_a_result_in_the_same_turn_hides_no_cancellation() -> None:
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(asyncio.wait_for(answer, 60))
    await asyncio.sleep(0)
    answer.set_result("here")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_whoever_waits_for_a_database_is_cancelled(mongodb_uri: str, mongodb_database: str) -> None:
    store = MongoStore(mongodb_uri, mongodb_database)
    await store.open()
    counters = store.collection("counters")

    async def count() -> None:
        while True:
            await counters.find_one_and_update({"_id": 0}, {"$inc": {"number": 1}}, upsert=True)

    for turns in range(1, _TURNS):
        # The client closes the connection on which a command was cancelled. One that is cancelled while it connects
        # again leaves its socket to the collector, which would fail the test for another reason.
        await counters.find_one()
        counting = asyncio.create_task(count())
        for _ in range(turns):
            await asyncio.sleep(0)
        counting.cancel()
        _, going_on = await asyncio.wait([counting], timeout=_PATIENCE_S)
        while not counting.done():
            counting.cancel()
            await asyncio.sleep(0.01)
        assert not going_on, f"what was cancelled after {turns} turns of the loop went on"
    await store.close()


async def test_the_time_is_over() -> None:
    never: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(never, 0.001)
    assert never.cancelled()


@pytest.mark.parametrize("timeout", [0, -1.0])
async def test_what_has_no_time_is_not_begun(timeout: float) -> None:
    begun = []

    async def work() -> None:
        begun.append(True)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(work(), timeout)
    assert begun == []
    there: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    there.set_result("here")
    assert await asyncio.wait_for(there, timeout) == "here"


async def test_without_a_limit_it_waits() -> None:
    assert await asyncio.wait_for(asyncio.sleep(0, "here"), None) == "here"
