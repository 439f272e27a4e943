"""Replay: decide the journal's inputs again with today's code and compare."""

from collections.abc import Callable, Sequence

import msgspec

from shared.errors import EngineError
from tradeengine.domain.decide import step
from tradeengine.domain.state import ShardState
from tradeengine.journal.base import Journal
from tradeengine.journal.record import Entry, Record

Progress = Callable[[int], None]


class Difference(msgspec.Struct, frozen=True):
    """The first input of a shard that today's code decides otherwise.

    Parameters
    ----------
    entry
        Index of the input in its record, 0 for the first.
    input, recorded, decided
        JSON texts.
    """

    shard: int
    sequence: int
    entry: int
    input: str
    recorded: str
    decided: str


class ReplayResult(msgspec.Struct, frozen=True):
    """What a replay found: how much it decided again, the digests of the end states, and the first difference."""

    records: int
    inputs: int
    states: dict[int, str]
    difference: Difference | None = None


async def replay(journal: Journal, progress: Progress = lambda records: None) -> ReplayResult:
    """Decide every recorded input again, shard by shard, and stop at the first difference.

    Parameters
    ----------
    progress
        Called with the number of records decided since the last call.

    Raises
    ------
    EngineError
        If a record cannot be read.
    """
    records = inputs = 0
    digests: dict[int, str] = {}
    for shard in await journal.shards():
        state, sequence = ShardState(shard=shard), 0
        while page := await _page(journal, shard, sequence):
            for record in page:
                for index, entry in enumerate(record.entries):
                    found = _difference(state, shard, record.sequence, index, entry)
                    if found is not None:
                        return ReplayResult(records, inputs, digests, found)
                    inputs += 1
                records += 1
                sequence = record.sequence
            progress(len(page))
        digests[shard] = state.digest()
    return ReplayResult(records, inputs, digests)


async def _page(journal: Journal, shard: int, after: int) -> Sequence[Record]:
    try:
        return await journal.read(shard, after=after)
    except msgspec.MsgspecError as error:
        raise EngineError(
            f"shard {shard}: a record after {after} cannot be read ({error}): the journal is damaged, or a newer "
            "version wrote it"
        ) from error


def _difference(state: ShardState, shard: int, sequence: int, index: int, entry: Entry) -> Difference | None:
    decided = tuple(step(state, entry.input))
    if decided == entry.events:
        return None
    return Difference(shard, sequence, index, _json(entry.input), _json(entry.events), _json(decided))


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
