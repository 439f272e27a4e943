"""``tradeengine drain``: let other pods have what one works on."""

import asyncio
from collections.abc import Iterable
from typing import Annotated, Final

import typer

from shared.clock import Clock, SystemClock
from shared.errors import OutcomeUnknown, RetrySafe
from shared.leases.base import LeaseStore
from shared.leases.lookout import Lookout
from shared.leases.owner import is_start_of
from shared.settings import Settings
from tradeengine.cli.base import EXIT_FAILURE, EXIT_UNKNOWN, fail, progress, say, warn
from tradeengine.cli.leases import LOOK_S, opened_leases
from tradeengine.cli.options import ConfigFile

_WAIT_S: Final = 120.0

Pod = Annotated[
    str | None,
    typer.Argument(metavar="[POD]", help="The pod's name, or that of one of its starts; by default POD_NAME."),
]
Undo = Annotated[bool, typer.Option("--undo", help="Let the pod have its share of the shards again.")]
Wait = Annotated[
    float,
    typer.Option("--wait", min=0, max=3_600, metavar="SECONDS", help="How long to wait until it owns nothing; 0: not."),
]


def drain(pod: Pod = None, undo: Undo = False, wait: Wait = _WAIT_S, config: ConfigFile = None) -> None:
    """Let other pods have the shards of a pod, one after another, and wait until it owns nothing.

    The pod lives on, takes no shard, and is not ready. The mark stands in the lease store, whatever becomes of this
    command; it ends with --undo, and with the pod: one that starts again is not drained. While no other pod lives, it
    keeps its shards. Exit code 0 when it owns nothing, 1 when it still does, 3 when the store does not answer.
    """
    settings = Settings.load(config_file=config)
    pod = pod or settings.pod_name
    if pod is None:
        raise typer.BadParameter("name the pod, or set POD_NAME in its place", param_hint="POD")
    try:
        done = asyncio.run(_drain(settings, pod, undo, wait, SystemClock()))
    except RetrySafe as error:
        fail(f"the lease store does not answer: {error}; give the command again")
        raise typer.Exit(EXIT_UNKNOWN) from None
    except OutcomeUnknown as error:
        fail(f"{pod} is marked, or is not: {error}; give the command again, twice does no harm")
        raise typer.Exit(EXIT_UNKNOWN) from None
    if not done:
        raise typer.Exit(EXIT_FAILURE)


async def _drain(settings: Settings, pod: str, undo: bool, wait_s: float, clock: Clock) -> bool:
    async with opened_leases(settings) as store:
        lookout = Lookout(store, clock, settings.shards, float(settings.lease_seconds))
        await lookout.look()
        names = [name for name in sorted(lookout.members) if is_start_of(name, pod)]
        marked = await _mark(store, names, drained=not undo)
        if not marked:
            known = ", ".join(sorted(lookout.members)) or "none"
            raise typer.BadParameter(f"no pod {pod!r}; there are: {known}", param_hint="POD")
        for name in marked:
            say(f"{name} {'has its share again' if undo else 'is drained'}")
        if undo or wait_s == 0:
            return True
        return await _Waiting(lookout, marked, clock).end(wait_s)


async def _mark(store: LeaseStore, names: Iterable[str], *, drained: bool) -> list[str]:
    # All starts of the pod that stand there: which of them lives is not known yet, and the dead do not mind.
    return [name for name in names if await store.drain(name, drained)]


class _Waiting:
    """Waits until processes own nothing."""

    def __init__(self, lookout: Lookout, names: list[str], clock: Clock) -> None:
        self._lookout = lookout
        self._names = set(names)
        self._clock = clock
        self._away: RetrySafe | None = None

    async def end(self, seconds: float) -> bool:
        deadline = self._clock.monotonic() + seconds
        with progress(unit="shards") as bar:
            total = len(self._left())
            task = bar.add_task("handing over", total=total)
            while left := self._left():
                if self._is_alone():
                    warn(f"no other pod lives that is not drained: shards {left} stay until one comes; the mark stays")
                    return False
                if self._clock.monotonic() >= deadline:
                    if self._away is not None:
                        raise self._away
                    warn(f"shards {left} are still its own after {seconds:g} s; the mark stays, and so it goes on")
                    return False
                await self._clock.sleep(LOOK_S)
                await self._look()
                bar.update(task, completed=total - len(self._left()))
        say("it owns nothing")
        return True

    async def _look(self) -> None:
        try:
            await self._lookout.look()
            self._away = None
        except RetrySafe as error:
            # The mark is set: the pods go on without this command, which only looks.
            if self._away is None:
                warn(f"{error}; looking again")
            self._away = error

    def _left(self) -> list[int]:
        return sorted(shard for shard, lease in self._lookout.leases.items() if lease.owner in self._names)

    def _is_alone(self) -> bool:
        lookout = self._lookout
        others = {name for name, member in lookout.members.items() if not member.drained}
        return not others & (lookout.living | lookout.undecided)
