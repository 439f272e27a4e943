"""Doing what the plan says, and undoing all of it in the end."""

import asyncio
import json
import time
from collections import Counter
from typing import NamedTuple

from shared.clock import SystemClock
from tests.chaos.plan import LIES, Fault, Kind, Link
from tests.chaos.stage import Stage, started
from tests.support.process import EngineProcess
from tests.support.toxiproxy import Proxy

_LOOK_S = 0.5


class Done(NamedTuple):
    """What was done, and when, milliseconds since 1970 UTC.

    Parameters
    ----------
    pod
        The start of a pod that was killed or stood still, as ``pod-a-4711``, else empty.
    until_ms
        When a pod that stood still went on; far ahead of one that never does.
    """

    time_ms: int
    text: str
    kind: Kind | None
    pod: str = ""
    until_ms: int = 2**63


class Havoc:
    """Plays a plan on a stage.

    Attributes
    ----------
    done
        What happened, in the order in which it began.
    ended
        Pods that ended by themselves: none should.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._clock = SystemClock()
        self._frozen: dict[str, int] = {}
        self._going_on: set[asyncio.Task[None]] = set()
        self.done: list[Done] = []
        self.ended: list[str] = []
        self.counts: Counter[str] = Counter()

    async def play(self, plan: list[Fault], began: float) -> None:
        """Let everything go wrong in its time; faults that last go on meanwhile.

        Parameters
        ----------
        began
            Beginning of the run on the monotonic clock, seconds.
        """
        for fault in plan:
            await asyncio.sleep(max(0.0, began + fault.at_s - time.monotonic()))
            task = asyncio.create_task(self._do(fault))
            self._going_on.add(task)
            task.add_done_callback(self._note_end)

    async def heal(self) -> None:
        """Wait for what goes on, and let nothing be wrong any more: all pods and servers run, and all ways are open."""
        if self._going_on:
            await asyncio.wait(self._going_on)
        for proxy in self._stage.links.values():
            proxy.clear()
        await self._stage.exchange.heal()
        for server in self._stage.servers.values():
            if server.pid is None:
                await started(server)
        self._note("healed", None)

    async def watch(self) -> None:
        """Start pods again that ended by themselves, as an orchestrator does, and remember them."""
        while True:
            await asyncio.sleep(_LOOK_S)
            for name, pod in self._stage.pods.items():
                if pod.has_started and not pod.running:
                    code = await pod.ended()
                    self.ended.append(f"{name} ended by itself with code {code}; its log is {pod.log_file}")
                    self._note(self.ended[-1], None)
                    pod.spawn()

    # ------------------------------------------------------------ one fault

    async def _do(self, fault: Fault) -> None:
        if fault.kind is Kind.KILL:
            self._kill(fault)
        elif fault.kind is Kind.FREEZE:
            await self._freeze(fault)
        elif fault.kind is Kind.RESTART:
            await self._restart(fault)
        elif fault.kind is Kind.LIE:
            await self._lie(fault)
        else:
            await self._link(fault)

    def _kill(self, fault: Fault) -> None:
        pod = self._stage.pods[fault.target]
        if not pod.running:
            return
        self._note(str(fault), fault.kind, f"{fault.target}-{pod.pid}")
        self.counts["kills of a pod that was not served yet"] += pod.url is None
        pod.kill()
        self._frozen.pop(fault.target, None)
        pod.spawn()

    async def _freeze(self, fault: Fault) -> None:
        pod = self._stage.pods[fault.target]
        if not pod.running or fault.target in self._frozen:
            return
        self._frozen[fault.target] = run = pod.runs
        pod.freeze()
        at = len(self.done)
        self._note(str(fault), fault.kind, f"{fault.target}-{pod.pid}")
        await asyncio.sleep(fault.lasts_s)
        if self._frozen.get(fault.target) == run and _is_of_run(pod, run):
            del self._frozen[fault.target]
            self.done[at] = self.done[at]._replace(until_ms=self._clock.now_ms())
            pod.thaw()

    async def _restart(self, fault: Fault) -> None:
        link = Link(fault.target)
        if link in self._stage.restarting:
            return
        server = self._stage.servers[link]
        self._stage.restarting.add(link)
        self._note(str(fault), fault.kind)
        self.counts[f"restart of {link}"] += 1
        await asyncio.to_thread(server.kill)
        await asyncio.sleep(fault.lasts_s)
        await started(server)
        self._stage.restarting.discard(link)

    async def _lie(self, fault: Fault) -> None:
        self._note(str(fault), fault.kind)
        lie = dict(LIES[fault.detail])
        method, _, path = fault.target.partition(" ")
        document = {"match": {"method": method, "path": path}, "times": 1} | lie
        await self._stage.exchange.post("faults", [document])

    async def _link(self, fault: Fault) -> None:
        pod, _, link = fault.target.partition(" ")
        proxy = self._stage.links[pod, Link(link)]
        self._note(str(fault), fault.kind)
        _break(proxy, fault)
        await asyncio.sleep(fault.lasts_s)
        proxy.clear()

    # ------------------------------------------------------------ what is told

    def _note(self, text: str, kind: Kind | None, pod: str = "") -> None:
        self.done.append(Done(self._clock.now_ms(), text, kind, pod))
        if kind is not None:
            self.counts[kind] += 1

    def _note_end(self, task: asyncio.Task[None]) -> None:
        self._going_on.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.ended.append(f"a fault could not be done: {error!r}")

    def timeline(self) -> str:
        """All that was done, a line of JSON each."""
        return "".join(json.dumps({"time_ms": done.time_ms, "what": done.text}) + "\n" for done in self.done)


def _is_of_run(pod: EngineProcess, run: int) -> bool:
    return pod.running and pod.runs == run


def _break(proxy: Proxy, fault: Fault) -> None:
    if fault.kind is Kind.CUT:
        proxy.down()
    elif fault.kind is Kind.SILENCE:
        proxy.timeout()
    elif fault.kind is Kind.DEAF:
        proxy.timeout("downstream")
    else:
        ms = int(fault.detail)
        proxy.latency(ms, jitter_ms=ms // 2)
