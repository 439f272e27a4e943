"""A pod that is drained under load: its shards go to others, signals keep one outcome, and it can have them back."""

import asyncio
from collections import Counter
from itertools import pairwise
from typing import cast

from contracts.enums import Outcome, TakeoverCause
from contracts.signal import Signal
from tests.campaigns.exchange import SYMBOLS
from tests.support.pods import SHARDS, TTL_S, Pod, Site, WayToJournal, played
from tradeengine.domain.events import SignalDecided
from tradeengine.journal.base import Journal
from tradeengine.runtime.cluster import ClusterView

PAUSE_S = 0.4
PAUSE_AT_STOP_S = 2.0


class Load:
    """Signals that come one after another, whatever the pods do."""

    def __init__(self, site: Site, pause_s: float = PAUSE_S) -> None:
        self.sent: list[Signal] = []
        self.decided: list[SignalDecided] = []
        self._moments: dict[str, list[float]] = {symbol: [] for symbol in SYMBOLS}
        self._pause_s = pause_s
        self._site = site
        self._task = asyncio.create_task(self._run())

    async def end(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def longest_s(self, since: float) -> float:
        """The longest time since a moment in which nothing of a symbol was decided."""
        now = self._site.loop.time()
        longest = 0.0
        for moments in self._moments.values():
            places = [since, *(moment for moment in moments if moment >= since), now]
            longest = max([longest, *(later - earlier for earlier, later in pairwise(places))])
        return longest

    async def _run(self) -> None:
        while True:
            for symbol in SYMBOLS:
                action = "buy" if len(self.sent) % 6 < 4 else "hold"
                signal = self._site.signal(action, symbol=symbol, quantity="0.1")
                self.sent.append(signal)
                self.decided.append(await self._site.decide(signal))
                self._moments[symbol].append(self._site.loop.time())
                await self._site.clock.sleep(self._pause_s)


def test_drained_under_load_nothing_is_lost_or_doubled_and_undone_half_comes_back() -> None:
    async def job(site: Site) -> None:
        first = await site.pod("a")
        second = await site.pod("b")
        await site.spread(first, second)
        load = Load(site)
        assert await site.leases.drain("a", True)
        took = await site.until(lambda: second.owned == frozenset(range(SHARDS)), "all shards to be the other's")
        assert took < 2 * TTL_S
        assert (first.engine.ownership.draining, dict(first.engine.ownership.held)) == (True, {})
        await site.clock.sleep(2 * TTL_S)
        assert not first.owned, "it takes none"

        assert await site.leases.drain("a", False)
        await site.until(lambda: first.owned, "its share to come back")
        await site.spread(first, second)
        await load.end()
        if load.sent[-1].signal_id != load.decided[-1].signal_id:
            # It was under way when the load ended: whoever has it decides it.
            load.decided.append(await site.decide(load.sent[-1]))
        await _one_outcome_each(site, load)
        await site.equal(first, second)

    played(job)


def test_who_stops_hands_over_while_it_works_and_no_shard_pauses_for_long() -> None:
    async def job(site: Site) -> None:
        first = await site.pod("a")
        second = await site.pod("b")
        await site.spread(first, second)
        load = Load(site, pause_s=0.05)
        began = site.loop.time()
        await first.engine.hand_over()
        assert not first.engine.ownership.held
        assert load.longest_s(since=began) < PAUSE_AT_STOP_S
        await first.engine.stop()
        await site.spread(second)
        await load.end()
        if load.sent[-1].signal_id != load.decided[-1].signal_id:
            load.decided.append(await site.decide(load.sent[-1], second))
        await _one_outcome_each(site, load)
        await site.equal(second)

    played(job)


def test_who_is_alone_keeps_its_shards_until_it_stops() -> None:
    async def job(site: Site) -> None:
        pod = await site.pod("a")
        await site.spread(pod)
        began = site.loop.time()
        await pod.engine.hand_over()
        assert (site.loop.time(), pod.owned) == (began, frozenset(range(SHARDS)))

    played(job)


async def _one_outcome_each(site: Site, load: Load) -> None:
    assert len(load.sent) > 20
    records = [record for shard in range(SHARDS) for record in await site.journal.read(shard, 0, 1_000_000)]
    decided = [event for record in records for event in record.events() if isinstance(event, SignalDecided)]
    final = Counter(event.signal_id for event in decided if event.outcome is not Outcome.DUPLICATE)
    assert final == Counter(signal.signal_id for signal in load.sent)


def test_a_pod_sees_who_took_what_from_whom_and_why() -> None:
    async def job(site: Site) -> None:
        first = await site.pod("a")
        await site.spread(first)
        second = await site.pod("b")
        await site.spread(first, second)
        views = {pod.name: ClusterView(pod.engine, site.journal, dict, site.clock) for pod in (first, second)}
        tasks = [asyncio.create_task(view.run()) for view in views.values()]
        try:
            await _seen_by_both(site, first, second, views)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    played(job)


def test_a_view_that_fails_in_an_unexpected_way_says_so_and_looks_again() -> None:
    async def job(site: Site) -> None:
        pod = await site.pod("a")
        await site.spread(pod)
        journal = WayToJournal(site.journal)

        async def fails(*_: object, **__: object) -> None:
            raise ValueError("a defect")

        for name in ("read", "last_sequence"):
            setattr(journal, name, fails)
        view = ClusterView(pod.engine, cast("Journal", journal), dict, site.clock)
        task = asyncio.create_task(view.run())
        try:
            await site.until(lambda: "ValueError: a defect" in (view.report().trouble or ""), "the trouble")
            assert not task.done()
            for name in ("read", "last_sequence"):
                delattr(journal, name)
            await site.until(lambda: view.report().trouble is None, "the trouble to be over")
            await _told(site, {"a": view}, 0, ("a", None, TakeoverCause.FIRST))
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    played(job)


async def _seen_by_both(site: Site, first: Pod, second: Pod, views: dict[str, ClusterView]) -> None:
    for shard in sorted(second.owned):
        await _told(site, views, shard, ("b", "a", TakeoverCause.RELEASED))
    for shard in sorted(first.owned):
        await _told(site, views, shard, ("a", None, TakeoverCause.FIRST))
    report = views["a"].report()
    assert (report.pod, report.trouble, report.draining) == ("a", None, False)
    assert [(member.name, member.lives) for member in report.members] == [("a", True), ("b", True)]
    known = {row.shard for row in report.shards if row.position is not None}
    assert known == first.owned, "a journal's position is known where the shard is worked on"
    assert sum(member.shards for member in report.members) == SHARDS

    shards = sorted(first.owned)
    first.cut_off()
    await site.until(lambda: second.owned == frozenset(range(SHARDS)), "the takeover")
    for shard in shards:
        await _told(site, {"b": views["b"]}, shard, ("b", "a", TakeoverCause.SILENT))
    report = views["b"].report()
    assert [(member.name, member.lives) for member in report.members] == [("a", False), ("b", True)]
    assert all(row.owner_lives and row.owner == "b" for row in report.shards)
    cut = views["a"].report()
    assert cut.trouble is not None
    assert cut.age_seconds > TTL_S, "it says how old its knowledge is"


async def _told(
    site: Site, views: dict[str, ClusterView], shard: int, expected: tuple[str, str | None, TakeoverCause]
) -> None:
    def fits() -> bool:
        for view in views.values():
            row = view.report().shards[shard]
            taken = row.last_takeover
            if taken is None or (taken.owner, taken.former, taken.cause) != expected or taken.epoch != row.epoch:
                return False
        return True

    await site.until(fits, f"shard {shard} to be told as {expected}")
