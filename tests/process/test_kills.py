"""The engine is killed or stopped at random moments under load: what it acknowledged stays, nothing is done twice."""

import asyncio
import os
from pathlib import Path
from random import Random, SystemRandom

import pytest

from tests.process.load import Load, connected, until_all_acknowledged
from tests.process.store import check_decisions, check_store, read_history
from tests.support.nats import NatsServer
from tests.support.process import EngineProcess, engine_process

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(300)]

KILLS = 20
KILLS_WITH_ITS_SERVER = 4
STOPS = 4
SOME = 0.7


@pytest.fixture
def chance() -> Random:
    """Random numbers of a printed seed; KILL_SEED repeats them (not the load on the machine)."""
    seed = int(os.environ.get("KILL_SEED") or SystemRandom().getrandbits(32))
    print(f"KILL_SEED={seed}")
    return Random(seed)


async def test_killed_again_and_again_beside_a_server_that_stays(
    tmp_path: Path, nats_server: NatsServer, chance: Random
) -> None:
    async with engine_process(tmp_path / "data", nats_url=nats_server.url) as engine:
        load = Load(engine, chance, lambda: nats_server.url)
        await engine.start()
        async with load.at_work():
            for number in range(KILLS):
                await killed_at_some_moment(engine, chance, load, starting=number % 4 == 3)
            engine.spawn()
            await engine.until_served()
        await quiet(engine, nats_server.url)
        await engine.stop()

        await everything_holds(engine, load, tmp_path)


async def test_killed_together_with_its_own_server(tmp_path: Path, chance: Random) -> None:
    async with engine_process(tmp_path / "data") as engine:
        load = Load(engine, chance, lambda: engine.nats_url if engine.url else None)
        await engine.start()
        async with load.at_work():
            for _ in range(KILLS_WITH_ITS_SERVER):
                await killed_at_some_moment(engine, chance, load, starting=False)
            engine.spawn()
            await engine.until_ready()
        assert engine.nats_url
        await quiet(engine, engine.nats_url)
        await engine.stop()

        await everything_holds(engine, load, tmp_path)


async def test_stopped_again_and_again(tmp_path: Path, nats_server: NatsServer, chance: Random) -> None:
    async with engine_process(tmp_path / "data", nats_url=nats_server.url) as engine:
        load = Load(engine, chance, lambda: nats_server.url)
        await engine.start()
        async with load.at_work():
            for _ in range(STOPS):
                await load.answers(3)
                await asyncio.sleep(chance.uniform(0, 1.2))
                await engine.stop()
                engine.spawn()
                await engine.until_served()
        await quiet(engine, nats_server.url)
        await engine.stop()

        await everything_holds(engine, load, tmp_path)


async def killed_at_some_moment(engine: EngineProcess, chance: Random, load: Load, *, starting: bool) -> None:
    """Let the engine run for a moment and kill it: while it starts and recovers, or while it serves, soon or later."""
    if not engine.has_started:
        engine.spawn()
    if starting:
        await asyncio.sleep(chance.uniform(0.5, 2.0))
    else:
        await engine.until_served()
        if chance.random() < SOME:
            await load.answers(5)
        await asyncio.sleep(chance.uniform(0, 1.2))
    assert engine.running, f"it ended by itself\n{engine.log_tail()}"
    engine.kill()


async def quiet(engine: EngineProcess, nats_url: str) -> None:
    """Wait until everything that was sent is decided, done and projected."""
    await engine.until_ready()
    async with connected(nats_url) as client:
        await until_all_acknowledged(client)
    await engine.until_rows("/orders", lambda rows: not rows, status="planned")
    await engine.until_projected()


async def everything_holds(engine: EngineProcess, load: Load, scratch: Path) -> None:
    history = await read_history(engine.data)
    print(
        f"{engine.runs} runs, {len(load.stored)} signals stored, {len(load.posted)} answered: {len(history.decisions)} "
        f"decisions, {history.copies} copies, {history.orders} orders, {history.fills} fills"
    )
    lost = (load.stored.keys() | load.posted) - history.decisions.keys()
    assert not lost, f"no decision about {sorted(lost)[:5]}"
    await check_store(engine.data, scratch)
    check_decisions(engine.data, history, load.answered)
    assert history.fills > engine.runs, "the load was no load"
    assert len(load.answered) > engine.runs
