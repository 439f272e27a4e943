"""One history: played from its plan to its end, and judged."""

import asyncio
import gc
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tests.simulation.auditor import Auditor
from tests.simulation.loop import Stuck, unheard
from tests.simulation.plan import Plan
from tests.simulation.timeline import Timeline
from tests.simulation.world import World

PATIENCE_S: Final = 150.0
"""Virtual seconds in which everything has to end once nothing goes wrong any more: the longest pause of the exchange
client's and the stores' retries, a take-over, a settling of lost orders, and some looks of the reconcilers."""
_LOOK_S: Final = 0.5


@dataclass
class Outcome:
    """What became of a history.

    Parameters
    ----------
    wrong
        What must not be; nothing if all is well.
    hit
        Kinds of faults that happened.
    lasted_s
        Virtual seconds.
    figures
        What the auditor counted.
    """

    seed: int
    wrong: list[str]
    hit: Counter[str]
    lasted_s: float
    turns: int
    figures: Counter[str] = field(default_factory=Counter)
    timeline: str = ""


def play(plan: Plan, *, keeps_log: bool = False, meddle: Callable[[World], object] = lambda world: None) -> Outcome:
    """Play a history and judge it.

    Parameters
    ----------
    keeps_log
        Whether the timeline has what the engine logged, too.
    meddle
        Called once everything has ended, before it is judged: the auditor's own tests put something wrong then.
    """
    collecting = gc.isenabled()
    # Clean-up at the collector's whim would differ from run to run; what a history made goes in one sweep at its end.
    gc.disable()
    try:
        timeline = Timeline(keeps_log=keeps_log)
        world = World(plan, timeline)
        auditor = Auditor(world)
        with timeline.listening():
            with world.in_place():
                try:
                    wrong = world.loop.run(_happen(world, auditor, meddle))
                except Stuck as stuck:
                    wrong = [str(stuck)]
                except Exception as error:  # noqa: BLE001 - what breaks the simulation itself is wrong too
                    wrong = ["the simulation broke: " + "".join(traceback.format_exception(error)[-3:])]
            wrong = [*world.troubles, *world.loop.troubles, *wrong]
            for text in wrong:
                timeline.add("WRONG", text)
            outcome = Outcome(
                plan.seed, wrong, world.hit, world.loop.time(), world.loop.turns, auditor.figures, timeline.text()
            )
            with unheard():
                world.loop.end()
                timeline.end()
                del world, auditor
    finally:
        if collecting:
            gc.enable()
    return outcome


async def _happen(world: World, auditor: Auditor, meddle: Callable[[World], object]) -> list[str]:
    world.schedule()
    watching = asyncio.create_task(auditor.watch())
    await asyncio.sleep(world.plan.ends_s + 0.01)
    world.heal()
    began = world.loop.time()
    while pending := auditor.pending():
        if world.loop.time() - began > PATIENCE_S:
            return [f"no end {PATIENCE_S:g} s after the last fault: {text}" for text in pending]
        await asyncio.sleep(_LOOK_S)
    watching.cancel()
    auditor.figures["settled in s"] = round(world.loop.time() - began)
    meddle(world)
    return auditor.judge()
