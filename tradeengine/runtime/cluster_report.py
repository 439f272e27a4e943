"""Members and shards of the cluster in the shapes in which operators see them."""

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from contracts import api
from contracts.values import iso_millis
from shared.leases.sight import MemberSight, ShardSight, Sight
from tradeengine.journal.takeovers import Takeover

_DIGITS: Final = 3
NOTHING_BEHIND: Final[Mapping[str, Mapping[int, int | None]]] = MappingProxyType({})
"""Where no copy is asked about."""


def described_members(sight: Sight) -> list[api.ClusterMember]:
    """Every process that has announced itself and is not forgotten yet, in order of the names."""
    counts = Counter(seen.lease.owner for seen in sight.shards if seen.lease is not None)
    return [_member(seen, counts[seen.name]) for seen in sight.members]


def described_shards(
    sight: Sight,
    takeovers: Mapping[int, Takeover | None],
    positions: Mapping[int, int],
    behind: Mapping[str, Mapping[int, int | None]] = NOTHING_BEHIND,
) -> list[api.ClusterShard]:
    """Every shard, in order.

    Parameters
    ----------
    takeovers, positions
        As far as known, by shard.
    behind
        Records that each copy has not applied, by its name and by shard; ``None`` where that is not known.
    """
    living = {seen.name for seen in sight.members if seen.lives}
    return [
        _shard(
            seen,
            living,
            takeovers.get(seen.shard),
            positions.get(seen.shard),
            {name: of[seen.shard] for name, of in behind.items() if seen.shard in of},
        )
        for seen in sight.shards
    ]


def _member(seen: MemberSight, shards: int) -> api.ClusterMember:
    said = seen.said
    return api.ClusterMember(
        name=seen.name,
        lives=seen.lives,
        beats=said.beat,
        silent_seconds=round(seen.silent_s, _DIGITS),
        version=said.version or None,
        since=iso_millis(said.since_ms) if said.since_ms else None,
        drained=said.drained,
        shards=shards,
    )


def _shard(
    seen: ShardSight, living: set[str], taken: Takeover | None, position: int | None, behind: dict[str, int | None]
) -> api.ClusterShard:
    lease = seen.lease
    return api.ClusterShard(
        shard=seen.shard,
        owner=lease.owner if lease is not None else None,
        owner_lives=lease is not None and lease.owner in living,
        epoch=lease.epoch if lease is not None else None,
        lease_unchanged_seconds=round(seen.unchanged_s, _DIGITS) if lease is not None else None,
        lease_seconds=lease.ttl_ms / 1000 if lease is not None else None,
        position=position,
        last_takeover=_takeover(taken) if taken is not None else None,
        behind=behind,
    )


def _takeover(taken: Takeover) -> api.Takeover:
    return api.Takeover(
        at=iso_millis(taken.time_ms),
        epoch=taken.epoch,
        sequence=taken.sequence,
        owner=taken.owner,
        former=taken.former or None,
        cause=taken.cause,
    )
