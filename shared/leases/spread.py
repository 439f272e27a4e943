"""How many shards each process should hold, and which: pure functions of what all of them can read."""

from collections.abc import Collection, Iterable, Mapping, Sequence


def fair_shares(held: Mapping[str, int], unowned: int) -> dict[str, int]:
    """Deal shards to processes so that no two hold numbers that differ by more than one, moving as few as possible.

    All who read the same come to the same result; nothing moves where the spread is fair already, whoever holds the one
    shard more, so shards do not wander.

    Parameters
    ----------
    held
        Shards that each live process holds, by name; at least one process.
    unowned
        Shards that nobody holds, or a dead process.

    Returns
    -------
    dict
        Shards for each process; the sum is that of all shards.
    """
    shares = dict(held)
    for _ in range(unowned):
        shares[_least(shares)] += 1
    while shares[most := _most(shares)] - shares[least := _least(shares)] > 1:
        shares[most] -= 1
        shares[least] += 1
    return shares


def share_of(owner: str, members: Iterable[str], holders: Iterable[str | None]) -> int:
    """How many shards a process should hold.

    Parameters
    ----------
    members
        Processes that live; one that does not, or retires, gets nothing.
    holders
        Who holds each shard; ``None`` or one that does not live: nobody.
    """
    counts = dict.fromkeys(members, 0)
    unowned = 0
    for holder in holders:
        if holder in counts:
            counts[holder] += 1
        else:
            unowned += 1
    return fair_shares(counts, unowned)[owner] if owner in counts else 0


def takers_of(members: Sequence[str], drained: Collection[str]) -> tuple[str, ...]:
    """Processes among which all shards are dealt out.

    Those that are drained get nothing, unless there is nobody else: shards without an owner would be worse.
    """
    return tuple(name for name in members if name not in drained) or tuple(members)


def in_turn(shards: Iterable[int], owner: str, members: Sequence[str]) -> list[int]:
    """Order in which a process takes shards: each begins with others, so that not all reach for the same."""
    place = members.index(owner) if owner in members else 0
    return sorted(shards, key=lambda shard: ((shard - place) % max(1, len(members)), shard))


def _least(shares: Mapping[str, int]) -> str:
    return min(shares, key=lambda name: (shares[name], name))


def _most(shares: Mapping[str, int]) -> str:
    return max(shares, key=lambda name: (shares[name], name))
