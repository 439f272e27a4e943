"""Recovery: a shard's state from its snapshot and the records after it, or from all of its records."""

from typing import NamedTuple

import msgspec

from shared.errors import ConfigError
from tradeengine.domain.decide import restore
from tradeengine.domain.state import ShardState
from tradeengine.journal.base import Journal, Snapshot
from tradeengine.journal.stored import RecordsTrimmed


class Recovered(NamedTuple):
    """A shard as its records leave it.

    Parameters
    ----------
    sequence
        Of its last record.
    unsaved
        Events since the snapshot that it was made from.
    """

    state: ShardState
    sequence: int
    unsaved: int


async def load_state(journal: Journal, shard: int) -> Recovered:
    """State of a shard, from its newest snapshot and the records after it.

    Raises
    ------
    ConfigError
        If the snapshot cannot be read by this version, or records after it are gone.
    """
    snapshot = await journal.load_snapshot(shard)
    while True:
        try:
            return await _from(journal, shard, snapshot)
        except RecordsTrimmed:
            # Another process has saved a newer one meanwhile, and trimmed up to it.
            former, snapshot = snapshot, await journal.load_snapshot(shard)
            if snapshot is None or (former is not None and snapshot.sequence <= former.sequence):
                raise


async def remake_state(journal: Journal, shard: int) -> Recovered:
    """State of a shard from its records alone, from the first one on.

    Raises
    ------
    ConfigError
        If the first ones are in the archive, and the journal reads none.
    """
    return await _from(journal, shard, None)


def check_journal(state: ShardState, shards: int, venue: str) -> None:
    """Refuse to work on a journal of another number of shards, or of another venue.

    Raises
    ------
    ConfigError
        If a shard's state says that the journal was written so.
    """
    if state.shards not in (0, shards):
        raise ConfigError(
            f"the journal was written with SHARDS={state.shards}, the setting says {shards}: "
            f"set SHARDS={state.shards}, or start with an empty data folder or database"
        )
    if state.shards and state.venue != venue:
        raise ConfigError(
            f"the journal holds orders of the venue {state.venue}, TRADING_MODE means {venue}, "
            "and orders of the one must never reach the other: set the former mode, or another data folder or database"
        )


def decode_snapshot(shard: int, snapshot: Snapshot) -> ShardState:
    """State that a snapshot holds.

    Raises
    ------
    ConfigError
        If this version cannot read it.
    """
    try:
        return msgspec.json.decode(snapshot.state, type=ShardState)
    except msgspec.DecodeError as error:
        raise ConfigError(
            f"snapshot {snapshot.sequence} of shard {shard} cannot be read ({error}): make it anew from the records, "
            "with `tradeengine journal snapshot`"
        ) from error


async def _from(journal: Journal, shard: int, snapshot: Snapshot | None) -> Recovered:
    state, sequence = (
        (ShardState(shard=shard), 0) if snapshot is None else (decode_snapshot(shard, snapshot), snapshot.sequence)
    )
    unsaved = 0
    while records := await journal.read(shard, after=sequence):
        for record in records:
            for entry in record.entries:
                restore(state, entry.events)
                unsaved += len(entry.events)
            sequence = record.sequence
    return Recovered(state, sequence, unsaved)
