"""A pod that is told to stop: it answers until others have its shards, and only then goes down."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from itertools import count, cycle
from typing import Any, Final

import httpx

from tests.outages.pods import held_by
from tests.pods.sending import key_of
from tests.process.load import Key
from tests.support.deadline import PATIENCE_S, Deadline
from tests.support.process import EngineProcess, signal_document

_LOOK_S: Final = 0.05
_LET_GO: Final = ("lease given back", "lease dropped")
_NO_TROUBLE: Final = ("was not read yet", "not loaded yet", "still resolving", "not compared", "(filled)")


class Stops:
    """Stops pods as an orchestrator does, and asks them for everything that they owe until they are gone.

    Attributes
    ----------
    decided
        Signals that were answered with a decision by a pod that was stopping.
    doubtful
        Signals of which it is not known whether they were decided: the connection, or the shard, ended before.
    """

    def __init__(self, symbols: Sequence[str]) -> None:
        self.decided: set[Key] = set()
        self.doubtful: set[Key] = set()
        self._symbols = cycle(symbols)
        self._numbers = count()

    async def stop(self, pod: EngineProcess) -> None:
        """Stop one that holds shards, and insist that it answers until it has handed them over."""
        held = await held_by(pod)
        assert held, "it has nothing to hand over"
        statuses: Counter[int] = Counter()
        pod.terminate()
        deadline = Deadline(PATIENCE_S)
        try:
            while True:
                assert not deadline.passed(), f"it answers for {deadline} after it was told to stop"
                await self._ask(pod, statuses)
                await asyncio.sleep(_LOOK_S)
        except httpx.TransportError:
            # Nobody answers any more.
            assert _let_go(pod) >= held, f"it still held some of {held} when it went down\n{pod.log_tail()}"
        assert statuses[503], f"it never said that it stops: {statuses}\n{pod.log_tail()}"
        assert await pod.ended() == 0, pod.log_tail()

    async def _ask(self, pod: EngineProcess, statuses: Counter[int]) -> None:
        for probe in ("/live", "/metrics"):
            assert (await pod.request("GET", probe)).status_code == 200
        ready = await pod.request("GET", "/ready")
        statuses[ready.status_code] += 1
        # Health keeps its answers for half a second; from the first refusal on it says why.
        if ready.status_code == 503 or statuses[503]:
            assert ready.status_code == 503
            assert any("stopping" in reason for reason in ready.json()["reasons"]), ready.text
        await self._signal(pod)

    async def _signal(self, pod: EngineProcess) -> None:
        named = {"symbol": next(self._symbols), "signal_id": f"stopping {next(self._numbers)}"}
        document = signal_document("hold", **named)
        try:
            answer = await pod.send(document)
        except httpx.TransportError:
            self.doubtful.add(key_of(document))
            raise
        if answer.status_code == 200:
            self.decided.add(key_of(document))
        else:
            told: dict[str, Any] = answer.json()
            assert (answer.status_code, told["code"]) in ((503, "try_again"), (503, "outcome_pending")), answer.text
            assert answer.headers["Retry-After"]
            if told["code"] == "outcome_pending":
                # It was in hand when the shard was let go.
                self.doubtful.add(key_of(document))


def false_alarms(pod: EngineProcess) -> list[str]:
    """Alerts of this run about what is part of every start and every hand-over."""
    texts = [line["text"] for line in _lines(pod) if line.get("event") == "alert"]
    return [text for text in texts if any(part in text for part in _NO_TROUBLE)]


def _let_go(pod: EngineProcess) -> set[int]:
    return {line["shard"] for line in _lines(pod) if line.get("event") in _LET_GO}


def _lines(pod: EngineProcess) -> list[dict[str, Any]]:
    return [json.loads(line) for line in pod.log().splitlines() if line.startswith("{")]
