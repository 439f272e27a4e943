"""Take-overs: when a shard changed hands last, as its journal says."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

from contracts.enums import TakeoverCause
from tradeengine.domain.inputs import ShardTaken
from tradeengine.journal.record import Record


class Takeover(NamedTuple):
    """A change of a shard's owner.

    Parameters
    ----------
    sequence
        Record that says so.
    time_ms
        When it was recorded, by the new owner's clock, milliseconds since 1970 UTC.
    owner, former
        Who took it, and who had taken it before; empty for the first.
    cause
        Why it was free to be taken; ``None`` if the record does not say.
    """

    shard: int
    sequence: int
    epoch: int
    time_ms: int
    owner: str
    former: str
    cause: TakeoverCause | None


class LastTakeover(NamedTuple):
    """What a shard's journal says of its newest take-over.

    Parameters
    ----------
    epoch
        Of its newest record, 0 without any.
    takeover
        ``None`` if the journal does not hold it: the shard was never taken under a lease, or it was archived.
    """

    epoch: int
    takeover: Takeover | None


class Records(Protocol):
    """Whatever holds a shard's records; every :class:`~tradeengine.journal.base.Journal` does."""

    async def read(self, shard: int, after: int = 0, limit: int = 1000) -> list[Record]:
        """Records of a shard with a sequence above ``after``, in order."""
        ...

    async def first_sequence(self, shard: int) -> int:
        """Sequence of a shard's oldest record that was not trimmed."""
        ...

    async def last_sequence(self, shard: int) -> int:
        """Sequence of a shard's last record."""
        ...


async def last_takeover(journal: Records, shard: int) -> LastTakeover:
    """Find a shard's newest take-over with few reads, however long ago it was.

    Records carry the epoch of the lease under which they were written, and the first of an epoch is the take-over.
    Epochs rise along the journal, unless somebody deletes the leases: then one of that number that is older may be
    found, or none.

    Raises
    ------
    RecordsTrimmed
        If records were trimmed meanwhile; it may be asked again.
    RetrySafe
        If the journal does not answer.
    """

    async def record(sequence: int) -> Record:
        (found,) = await journal.read(shard, sequence - 1, 1)
        return found

    last, oldest = await journal.last_sequence(shard), await journal.first_sequence(shard)
    if last < oldest:
        return LastTakeover(0, None)
    epoch = (await record(last)).epoch
    found = await _first_of(epoch, oldest, last, record)
    given = found.entries[0].input if found.entries else None
    if not isinstance(given, ShardTaken) or given.epoch != epoch:
        return LastTakeover(epoch, None)
    taken = Takeover(shard, found.sequence, epoch, given.time_ms, given.owner, given.former, given.cause)
    return LastTakeover(epoch, taken)


async def _first_of(epoch: int, oldest: int, last: int, record: Callable[[int], Awaitable[Record]]) -> Record:
    """The first record of the newest records' epoch: back in steps that double, then halving the last of them.

    Begun at the end, because that is where most changes are asked for, and because older epochs matter less there.
    """
    step, inside, outside = 1, last, oldest - 1
    while inside - step >= oldest:
        if (await record(inside - step)).epoch != epoch:
            outside = inside - step
            break
        inside, step = inside - step, 2 * step
    while inside - outside > 1:
        middle = (inside + outside) // 2
        if (await record(middle)).epoch == epoch:
            inside = middle
        else:
            outside = middle
    return await record(inside)
