"""A shard that was lost leaves nothing in memory, however often it comes back."""

import gc
import weakref

from contracts.enums import Outcome
from tests.support.pods import SHARDS, Site, played
from tradeengine.runtime.host import ShardHost


def test_nothing_is_kept_of_shards_that_were_lost_and_taken_again() -> None:
    async def job(site: Site) -> None:
        pod = await site.pod("a")
        await site.spread(pod)
        lost: list[weakref.ref[ShardHost]] = []
        for _ in range(4):
            assert (await site.decide(site.signal("hold"))).outcome is Outcome.HELD
            lost += [weakref.ref(host) for host in pod.engine.hosts.values()]
            pod.engine.ownership.distrust("a test says so")
            assert pod.owned == frozenset()
            await site.spread(pod)
        assert len(lost) == 4 * SHARDS
        gc.collect()
        kept = [host.number for host in (each() for each in lost) if host is not None]
        assert kept == [], "who holds a shard that is over holds its state, and that of the one before"

    played(job)


def test_nothing_is_kept_of_a_shard_that_another_process_has_now() -> None:
    async def job(site: Site) -> None:
        first = await site.pod("a")
        await site.spread(first)
        given = {number: weakref.ref(host) for number, host in first.engine.hosts.items()}
        second = await site.pod("b")
        await site.spread(first, second)
        gone = set(given) - first.owned
        assert gone, "the second has some"
        gc.collect()
        assert [number for number in gone if given[number]() is not None] == []

    played(job)
