"""What a process has seen of all processes and shards at its latest look, for people."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from shared.leases.base import Lease, Member
from shared.leases.watch import Watch


class MemberSight(NamedTuple):
    """A process, as another one sees it.

    Parameters
    ----------
    said
        What it says of itself.
    silent_s
        Seconds for which its beat has been seen unchanged.
    lives
        Whether it counts as alive: it was not silent for the lease time.
    """

    name: str
    said: Member
    silent_s: float
    lives: bool


class ShardSight(NamedTuple):
    """A shard, as a process sees it.

    Parameters
    ----------
    lease
        Its document; ``None`` if nobody ever held it.
    unchanged_s
        Seconds for which the document has been seen unchanged.
    """

    shard: int
    lease: Lease | None
    unchanged_s: float


class Sight(NamedTuple):
    """Everything that was seen.

    Parameters
    ----------
    age_s
        Seconds since the look.
    """

    members: tuple[MemberSight, ...]
    shards: tuple[ShardSight, ...]
    age_s: float


class Watches(NamedTuple):
    """What a process keeps of its looks: documents and beats with the times since when they are as they are."""

    leases: Watch[int, Lease]
    beats: Watch[str, int]


def sight_of(
    watches: Watches, said: Mapping[str, Member], living: Collection[str], shards: int, looked: float, now: float
) -> Sight:
    """Put together what was seen.

    Parameters
    ----------
    said
        What the members say, by name.
    living
        Names of those that count as alive.
    shards
        How many there are.
    looked, now
        Own monotonic times of the latest look and of the moment that is described, seconds.
    """
    leases = watches.leases.values
    return Sight(
        tuple(
            MemberSight(name, said[name], watches.beats.unchanged_s(name, now), name in living) for name in sorted(said)
        ),
        tuple(ShardSight(shard, leases.get(shard), watches.leases.unchanged_s(shard, now)) for shard in range(shards)),
        now - looked,
    )
