"""The loop of the campaign: time stands still while anything is under way, and jumps where everybody waits."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest

from tests.campaigns.warp import START_S, WarpClock, WarpLoop, machine_time
from tradeengine.simulator.clock import SimulatorClock

Job = Callable[[WarpLoop], Coroutine[Any, Any, None]]


def run(job: Job) -> None:
    with asyncio.Runner(loop_factory=WarpLoop) as runner:
        loop = cast("WarpLoop", runner.get_loop())
        runner.run(job(loop))


def test_waits_cost_nothing_and_end_in_the_order_of_time() -> None:
    ended: list[tuple[str, float]] = []

    async def wait(loop: WarpLoop, name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        ended.append((name, round(loop.time(), 3)))

    async def job(loop: WarpLoop) -> None:
        async with asyncio.timeout(90_000):
            await asyncio.gather(wait(loop, "a day", 86_400), wait(loop, "an hour", 3_600), wait(loop, "a second", 1))

    run(job)
    assert ended == [("a second", 1), ("an hour", 3_600), ("a day", 86_400)]


def test_time_does_not_pass_before_what_was_sent_is_read() -> None:
    """Two ends talk over a socket a thousand times; a timer of two tenths of a second does not come in between."""
    heard: list[bytes] = []
    late: list[int] = []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(8):
            writer.write(data)
        writer.close()

    async def job(loop: WarpLoop) -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(host, port)
        loop.call_later(0.2, lambda: late.append(len(heard)))
        for _ in range(1_000):
            writer.write(b"ping")
            heard.append(await reader.read(8))
        began = loop.time()
        await loop.idle()
        assert loop.time() == began
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        await asyncio.sleep(1)

    run(job)
    assert heard == [b"ping"] * 1_000
    assert late == [1_000]


def test_idle_waits_for_what_is_ready() -> None:
    done: list[int] = []

    async def work() -> None:
        for number in range(100):
            await asyncio.sleep(0)
            done.append(number)

    async def job(loop: WarpLoop) -> None:
        task = asyncio.create_task(work())
        await loop.idle()
        assert done == list(range(100))
        await task

    run(job)


def test_who_reads_the_machines_clock_reads_the_loops() -> None:
    async def job(loop: WarpLoop) -> None:
        with machine_time(loop):
            await asyncio.sleep(3_600)
            served = SimulatorClock().now_ms()
            assert served == WarpClock(loop).now_ms() == pytest.approx((START_S + 3_600) * 1000, abs=1)
        assert SimulatorClock().now_ms() != served

    run(job)
