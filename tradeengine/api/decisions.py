"""Decisions for requests: grouped by shard, waited for with a deadline."""

import asyncio
from collections.abc import Sequence

import structlog

from contracts.decision import Decision, FirstDecision
from contracts.signal import Signal
from contracts.subjects import shard_of
from contracts.values import from_millis
from shared.errors import EngineError
from tradeengine.api.problems import ProblemError, of_engine_error, outcome_pending
from tradeengine.domain.events import SignalDecided
from tradeengine.runtime.desk import SignalDesk
from tradeengine.runtime.firsts import FirstDecisions

log = structlog.get_logger(__name__)


class DecisionDesk:
    """The signal desk as requests use it.

    Parameters
    ----------
    firsts
        Tell what became of the first copy of a duplicate.
    timeout_s
        How long a request waits, in seconds. What it waited for goes on: a decision under way is not taken back.
    """

    def __init__(self, desk: SignalDesk, firsts: FirstDecisions, timeout_s: float) -> None:
        self._desk = desk
        self._firsts = firsts
        self._timeout_s = timeout_s
        self._under_way: set[asyncio.Task[list[Decision]]] = set()
        self._troubles: dict[str, str] = {}

    async def decide(self, signal: Signal) -> Decision:
        """Decide one signal.

        Raises
        ------
        ProblemError
            If there is no decision, or none yet.
        """
        result = (await self.decide_all([signal]))[0]
        if isinstance(result, ProblemError):
            raise result
        return result

    async def decide_all(self, signals: Sequence[Signal]) -> list[Decision | ProblemError]:
        """Decide signals; those of one shard in their order, shards side by side."""
        places: dict[int, list[int]] = {}
        for place, signal in enumerate(signals):
            places.setdefault(shard_of(signal.symbol, self._desk.shards), []).append(place)
        tasks = {shard: self._start(shard, [signals[p] for p in own]) for shard, own in places.items()}
        if tasks:
            await asyncio.wait(tasks.values(), timeout=self._timeout_s)
        results: dict[int, Decision | ProblemError] = {}
        for shard, task in tasks.items():
            results.update(zip(places[shard], self._results(task, len(places[shard])), strict=True))
        return [results[place] for place in range(len(signals))]

    def _start(self, shard: int, signals: list[Signal]) -> asyncio.Task[list[Decision]]:
        task = asyncio.create_task(self._decide(shard, signals), name=f"http-decide-{shard}")
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return task

    async def _decide(self, shard: int, signals: list[Signal]) -> list[Decision]:
        decided = await self._desk.decide(shard, signals)
        return [to_decision(*pair) for pair in zip(decided, await self._firsts.of(decided), strict=True)]

    def _ended(self, task: asyncio.Task[list[Decision]]) -> None:
        """Log why a shard decides nothing, once until that changes: each request is told anyway."""
        self._under_way.discard(task)
        if task.cancelled():
            return
        error, name = task.exception(), task.get_name()
        if error is None:
            self._troubles.pop(name, None)
        elif self._troubles.get(name) != str(error):
            self._troubles[name] = str(error)
            log.warning("decision_failed", task=name, kind=type(error).__name__, error=str(error))

    def _results(self, task: asyncio.Task[list[Decision]], count: int) -> Sequence[Decision | ProblemError]:
        if not task.done():
            return [outcome_pending(f"no decision within {self._timeout_s:g} s")] * count
        if task.cancelled():
            return [outcome_pending("the engine is stopping")] * count
        error = task.exception()
        if isinstance(error, EngineError):
            return [of_engine_error(error)] * count
        return task.result()


def to_decision(event: SignalDecided, first: SignalDecided | None = None) -> Decision:
    """The decision as it is answered.

    Parameters
    ----------
    first
        The decision on the first copy, if this one is on a duplicate and that is known.
    """
    return Decision(
        signal_id=event.signal_id,
        strategy_id=event.strategy_id,
        symbol=event.symbol,
        action=event.action,
        outcome=event.outcome,
        reason=event.reason,
        source=event.source,
        detail=event.detail,
        orders=event.orders,
        decided_at=from_millis(event.time_ms),
        first=_to_first(first) if first is not None else None,
    )


def _to_first(event: SignalDecided) -> FirstDecision:
    return FirstDecision(
        outcome=event.outcome,
        reason=event.reason,
        source=event.source,
        detail=event.detail,
        orders=event.orders,
        decided_at=from_millis(event.time_ms),
    )
