"""Readers see the cluster as this process does."""

import time

from contracts.api import Cluster
from contracts.enums import TakeoverCause
from shared.leases.base import Lease, Member
from shared.leases.sight import Watches, sight_of
from shared.leases.watch import Watch
from tests.api.parts import KEYS, Served, bearer
from tests.support.deadline import slowness
from tradeengine.api.rendering import encode
from tradeengine.journal.takeovers import Takeover
from tradeengine.runtime.cluster_report import described_members, described_shards


async def test_the_cluster_is_shown_to_readers_only(served: Served) -> None:
    assert (await served.client.get("/cluster")).status_code == 401
    answer = await served.client.get("/cluster", headers=served.key("READER_API_KEY"))

    assert answer.status_code == 200
    assert Cluster.model_validate(answer.json()).pod == "a"


async def test_a_parameter_is_refused(served: Served) -> None:
    answer = await served.client.get("/cluster?shard=1", headers=bearer(KEYS["READER_API_KEY"]))

    assert answer.status_code == 422
    assert answer.json()["code"] == "unknown_parameter"


async def test_a_cluster_of_the_largest_size_is_shown_at_once() -> None:
    """By what this process knows: no store is asked, so none can delay it."""
    leases: Watch[int, Lease] = Watch()
    leases.look({shard: Lease(shard, f"pod-{shard % 16}", 3, 7, 15_000) for shard in range(256)}, 0.0)
    beats: Watch[str, int] = Watch()
    said = {f"pod-{number}": Member(9, "1.2.3", 1_735_689_600_123, number == 3) for number in range(16)}
    beats.look({name: member.beat for name, member in said.items()}, 0.0)
    sight = sight_of(Watches(leases, beats), said, list(said)[1:], 256, 1.0, 5.0)
    takeovers = {
        shard: Takeover(shard, 8, 3, 1_735_689_600_123, f"pod-{shard % 16}", "pod-0", TakeoverCause.SILENT)
        for shard in range(256)
    }
    taken, members, shards = [], described_members(sight), described_shards(sight, takeovers, {0: 12})
    for _ in range(5):
        began = time.perf_counter()
        encode([described_members(sight), described_shards(sight, takeovers, {0: 12})])
        taken.append(time.perf_counter() - began)

    # The machine may stall once.
    assert min(taken) < 0.05 * slowness(), taken
    assert [(row.lives, row.drained, row.shards) for row in members[:2]] == [(False, False, 16), (True, False, 16)]
    assert (shards[0].owner_lives, shards[1].owner_lives, shards[16].owner_lives) == (False, True, False)
    assert (shards[0].position, shards[1].position) == (12, None)
    assert shards[0].lease_unchanged_seconds == 5.0
