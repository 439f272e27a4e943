"""Recovery: a shard's state from its snapshot and the records after it."""

import msgspec

from shared.errors import ConfigError
from tradeengine.domain.decide import restore
from tradeengine.domain.state import ShardState
from tradeengine.journal.base import Journal, Snapshot

PAGE = 1000


async def load_state(journal: Journal, shard: int) -> tuple[ShardState, int]:
    """State of a shard and the sequence of its last record.

    Raises
    ------
    ConfigError
        If the snapshot cannot be read by this version.
    """
    snapshot = await journal.load_snapshot(shard)
    state, sequence = (
        (ShardState(shard=shard), 0) if snapshot is None else (_decode(shard, snapshot), snapshot.sequence)
    )
    while True:
        records = await journal.read(shard, after=sequence, limit=PAGE)
        for record in records:
            for entry in record.entries:
                restore(state, entry.events)
            sequence = record.sequence
        if len(records) < PAGE:
            return state, sequence


def _decode(shard: int, snapshot: Snapshot) -> ShardState:
    try:
        return msgspec.json.decode(snapshot.state, type=ShardState)
    except msgspec.DecodeError as error:
        raise ConfigError(
            f"snapshot {snapshot.sequence} of shard {shard} cannot be read ({error}); "
            "delete it, and the shard is made anew from its records"
        ) from error
