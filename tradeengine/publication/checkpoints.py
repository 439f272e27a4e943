"""Checkpoints: how far each shard's records are published, kept beside the journal."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol


class LedgerImage(NamedTuple):
    """A packed ledger, and the record that it stands behind."""

    sequence: int
    data: bytes


class FirstTime(NamedTuple):
    """What held when a shard was published for the first time; see :class:`.old_alerts.OldAlerts`.

    Parameters
    ----------
    through
        Last record that was there then.
    began_ms
        Start of the process that did it, milliseconds since 1970 UTC.
    """

    through: int
    began_ms: int


class Checkpoint(NamedTuple):
    """How far a shard is published.

    Parameters
    ----------
    sequence
        Last record whose messages the broker has acknowledged, 0 before the first.
    ledger
        A ledger to begin with, never newer than ``sequence``; the records between the two are read again.
    first
        So that a first time that was interrupted goes on as it began; ``None`` if an older version did not note it.
    """

    sequence: int = 0
    ledger: LedgerImage | None = None
    first: FirstTime | None = None


class CheckpointStore(Protocol):
    """Keeps checkpoints. One contract suite holds for every implementation.

    No fence is needed. What is noted was published, whoever did it, and a ledger follows from the records; so of two
    processes that note one shard the one that is further is right.
    """

    async def open(self) -> None:
        """Make ready for use; nothing happens if that is done.

        Raises
        ------
        ConfigError
            If the store can never be used as it is.
        RetrySafe
            If it does not answer.
        """
        ...

    async def close(self) -> None:
        """Release the store."""
        ...

    async def load(self, shard: int) -> Checkpoint:
        """How far a shard is published."""
        ...

    async def save(self, checkpoints: Mapping[int, Checkpoint]) -> None:
        """Note how far shards are published; neither a checkpoint nor a ledger ever goes back.

        Parameters
        ----------
        checkpoints
            By shard; one without a ledger keeps the ledger that is stored. The first time is kept as it was noted with
            the shard's first checkpoint.

        Raises
        ------
        RetrySafe, OutcomeUnknown
            If it was not, or may not have been, noted: it may be noted again.
        """
        ...


def advanced(held: Checkpoint, given: Checkpoint) -> Checkpoint:
    """Checkpoint after both have been noted."""
    ledgers = [ledger for ledger in (held.ledger, given.ledger) if ledger is not None]
    newest = max(ledgers, key=lambda ledger: ledger.sequence, default=None)
    return Checkpoint(max(held.sequence, given.sequence), newest, held.first if held.sequence else given.first)


class MemoryCheckpoints:
    """Checkpoints that end with the process; see :class:`CheckpointStore`."""

    def __init__(self) -> None:
        self._held: dict[int, Checkpoint] = {}

    async def open(self) -> None:
        """Do nothing: memory is always ready."""

    async def close(self) -> None:
        """Do nothing: what is kept goes with the object."""

    async def load(self, shard: int) -> Checkpoint:
        """How far a shard is published."""
        return self._held.get(shard, Checkpoint())

    async def save(self, checkpoints: Mapping[int, Checkpoint]) -> None:
        """Note how far shards are published."""
        for shard, given in checkpoints.items():
            self._held[shard] = advanced(self._held.get(shard, Checkpoint()), given)
