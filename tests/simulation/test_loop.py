"""The loop of the simulation: time, order, and processes that freeze, go on and die."""

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterator
from random import Random
from typing import Any, cast

import pytest

from tests.simulation.loop import SimLoop, Stuck, unheard
from tests.simulation.process import Process, here

Job = Callable[[], Coroutine[Any, Any, None]]


@pytest.fixture
def loop() -> Iterator[SimLoop]:
    made = SimLoop(Random(1))
    yield made
    with unheard():
        made.end()


def test_waits_cost_nothing_and_end_in_the_order_of_time(loop: SimLoop) -> None:
    ended: list[tuple[str, float]] = []

    async def wait(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        ended.append((name, loop.time()))

    async def job() -> None:
        async with asyncio.timeout(100_000):
            await asyncio.gather(wait("a day", 86_400), wait("an hour", 3_600), wait("a second", 1))

    loop.run(job())
    assert ended == [("a second", 1), ("an hour", 3_600), ("a day", 86_400)]


def steps_of(seed: int, shuffled: int = 1) -> list[str]:
    """Order in which three processes with five callbacks each take their steps."""
    loop, done = SimLoop(Random(seed), shuffled=shuffled), list[str]()
    for name in "abc":
        process = Process(name)
        for number in range(5):
            loop.call_soon(done.append, f"{name}{number}", context=process.context)
    loop.run(asyncio.sleep(0))
    loop.run(asyncio.sleep(1))
    with unheard():
        loop.end()
    return done


def test_the_seed_decides_the_order_and_each_process_keeps_its_own() -> None:
    orders = {tuple(steps_of(seed)) for seed in range(20)}
    assert len(orders) > 10
    for order in orders:
        for name in "abc":
            assert [step for step in order if step[0] == name] == [f"{name}{number}" for number in range(5)]
    assert steps_of(7) == steps_of(7)


def test_shuffled_callbacks_of_one_process_overtake_each_other() -> None:
    assert any([s for s in steps_of(seed, 4) if s[0] == "a"] != [f"a{n}" for n in range(5)] for seed in range(20))


def test_a_frozen_process_stands_still_and_goes_on_with_what_became_ready(loop: SimLoop) -> None:
    process, seen = Process("pod"), list[float]()

    async def beat() -> None:
        while True:
            await asyncio.sleep(1)
            seen.append(loop.time())

    async def job() -> None:
        loop.spawn(process, beat(), "beat")
        await asyncio.sleep(2.5)
        loop.freeze(process)
        await asyncio.sleep(10)
        assert seen == [1, 2]
        loop.thaw(process)
        await asyncio.sleep(1.2)

    loop.run(job())
    assert seen == [1, 2, 12.5, 13.5]


def test_nothing_of_a_dead_process_runs_not_even_its_clean_up(loop: SimLoop) -> None:
    process, seen = Process("pod"), list[str]()

    async def work() -> None:
        try:
            await asyncio.sleep(5)
        finally:
            seen.append("cleaned up")

    async def job() -> None:
        task = loop.spawn(process, work(), "work")
        await asyncio.sleep(1)
        loop.kill(process)
        task.cancel()
        del task
        await asyncio.sleep(10)

    loop.run(job())
    assert seen == []


def test_what_a_task_begins_belongs_to_its_process(loop: SimLoop) -> None:
    process, found = Process("pod"), list[Process]()

    async def child() -> None:
        loop.call_later(1, lambda: found.append(here()))
        found.append(here())

    async def parent() -> None:
        await asyncio.gather(child(), child())

    async def job() -> None:
        await loop.spawn(process, parent(), "parent")
        await asyncio.sleep(2)

    loop.run(job())
    assert found == [process] * 4


def test_whoever_waits_for_nothing_is_told(loop: SimLoop) -> None:
    async def job() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Stuck, match="nobody waits for anything"):
        loop.run(job())


@pytest.mark.parametrize(
    "reach",
    [
        lambda: asyncio.to_thread(print),
        lambda: asyncio.open_connection("127.0.0.1", 1),
        lambda: asyncio.start_server(lambda *_: None, "127.0.0.1"),
        lambda: asyncio.create_subprocess_exec("true"),
        lambda: asyncio.get_running_loop().getaddrinfo("localhost", 80),
        lambda: asyncio.get_running_loop().sock_recv(cast("socket.socket", None), 1),
    ],
    ids=["thread", "connection", "server", "process", "name", "socket"],
)
def test_sockets_threads_and_processes_are_refused(loop: SimLoop, reach: Callable[[], Any]) -> None:
    async def job() -> None:
        await reach()

    with unheard(), pytest.raises(RuntimeError, match="something escapes it"):
        loop.run(job())
