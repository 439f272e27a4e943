"""One run: load and faults for a while, then rest, then every check."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

from tests.chaos.havoc import Havoc
from tests.chaos.load import Load
from tests.chaos.market import MARKS
from tests.chaos.plan import Pace, make_plan
from tests.chaos.rest import REST_S, left_early, until_decided, until_published
from tests.chaos.stage import Stage, staged
from tests.chaos.takeovers import TakeOver, after_silence, claims
from tests.chaos.watch import Watch
from tests.outages.truth import everything_holds
from tests.process.store import History, all_records
from tests.support.process import tradeengine

_TELL_S: Final = 5.0
_AUDIT_S: Final = 600.0


class Order(NamedTuple):
    """What is asked for.

    Parameters
    ----------
    seconds
        For how long faults happen, and signals come.
    """

    seed: int
    seconds: float
    signals: int
    pace: Pace


class Result(NamedTuple):
    """What came of a run.

    Parameters
    ----------
    rest_s
        From the last fault until everything was at rest, seconds.
    silent
        Those from pods that had been killed or stood still.
    naked_s
        Longest time for which a position was seen without a stop of its size, seconds.
    audit
        Document that ``tradeengine audit --history`` printed.
    """

    order: Order
    faults: Counter[str]
    load: Counter[str]
    history: History
    rest_s: float
    takeovers: int
    silent: list[TakeOver]
    naked_s: float
    naked: str
    audit: dict[str, Any]


Say = Callable[[str], None]


async def play(order: Order, folder: Path, servers: Path, say: Say) -> Result:
    """Play a run.

    Parameters
    ----------
    folder
        Keeps logs and the timeline of the faults.
    servers
        Where the servers keep their data.

    Raises
    ------
    AssertionError
        If anything is not as it must be.
    """
    async with staged(folder, servers) as stage:
        say("all three pods are ready")
        havoc, load, watch = Havoc(stage), Load(stage, Random(f"{order.seed} load")), Watch(stage.exchange, folder)
        watching = asyncio.create_task(watch.run())
        try:
            await _storm(order, havoc, load, say)
            return await _judged(order, stage, havoc, load, watch, say)
        finally:
            (folder / "faults.jsonl").write_text(havoc.timeline(), encoding="utf-8")
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching


async def _storm(order: Order, havoc: Havoc, load: Load, say: Say) -> None:
    """Let signals come and everything go wrong; returns when all signals are sent and nothing is wrong any more."""
    began = time.monotonic()
    sending = asyncio.create_task(load.send(order.signals, order.seconds))
    playing = asyncio.create_task(havoc.play(make_plan(order.seed, order.seconds, order.pace), began))
    reviving = asyncio.create_task(havoc.watch())
    try:
        while not playing.done() or time.monotonic() < began + order.seconds:
            await asyncio.sleep(_TELL_S)
            assert not sending.done() or sending.exception() is None, sending.exception()
            say(f"{time.monotonic() - began:4.0f} s: {_faults(havoc.counts)}; {len(load.stored)} signals confirmed")
        await playing
        await havoc.heal()
        say("no more faults")
        await asyncio.wait_for(sending, REST_S)
    finally:
        for task in (sending, playing, reviving):
            task.cancel()
        await asyncio.gather(sending, playing, reviving, return_exceptions=True)


async def _judged(order: Order, stage: Stage, havoc: Havoc, load: Load, watch: Watch, say: Say) -> Result:
    began = time.monotonic()
    deadline = began + REST_S
    await until_decided(stage, deadline)
    say(f"every signal is acknowledged after {time.monotonic() - began:.1f} s")
    await until_published(stage, deadline)
    pods = stage.pods.values()
    history = await everything_holds(
        stage.stores,
        stage.exchange,
        stage.folder,
        *pods,
        symbols=list(MARKS),
        left_early=await left_early(stage),
        patience_s=deadline - time.monotonic(),
    )
    rest_s = time.monotonic() - began
    say(f"journal, books, copies and exchange are equal after {rest_s:.1f} s; auditing")
    await _audited(stage)
    audit = await _audited(stage, "--history", "--settle", "5")
    assert not havoc.ended, "\n".join(havoc.ended)
    assert len(load.stored) == order.signals
    lost = load.stored - history.decisions.keys()
    assert not lost, f"{len(lost)} signals that were confirmed have no decision: {sorted(lost)[:10]}"
    async with stage.stores.journal() as journal:
        claimed = claims(await all_records(journal))
    return Result(
        order,
        havoc.counts,
        load.counts,
        history,
        rest_s,
        len(claimed),
        after_silence(claimed, havoc.done),
        watch.longest.lasted_s if watch.longest else 0.0,
        str(watch.longest),
        audit,
    )


async def _audited(stage: Stage, *arguments: str) -> Any:
    """Audit as an operator does; it must find nothing."""
    env = {name: value for name, value in stage.settings.items() if name != "NATS_EMBEDDED"}
    data = {"TRADEENGINE_DATA_DIR": str(stage.folder / "operator")}
    done = await asyncio.to_thread(
        tradeengine, "audit", *arguments, "--format", "json", env=env | data, seconds=_AUDIT_S
    )
    assert done.returncode == 0, f"tradeengine audit {' '.join(arguments)}: {done.stdout}{done.stderr}"
    return json.loads(done.stdout)


def _faults(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {name}" for name, number in sorted(counts.items()))
