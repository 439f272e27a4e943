"""The read model's Protocol, as the projector sees it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from tradeengine.journal.record import Record
from tradeengine.projection.freshness import Freshness


class DoesNotFollow(ValueError):
    """A record leaves a hole after its shard's checkpoint: somebody else has moved it, or the caller has lost count.

    Nothing was written; :meth:`ReadModel.checkpoint` tells where to go on.
    """


class ParkedRow(NamedTuple):
    """A row that its store refused for what it holds; it was put aside, and the rest went on.

    Parameters
    ----------
    key
        Of the row in its table, as text.
    sequence
        Newest record of the batch that wrote it.
    """

    table: str
    key: str
    reason: str
    shard: int
    sequence: int


class Parked(NamedTuple):
    """How many rows a store has put aside, and the first of them."""

    number: int
    first: Sequence[ParkedRow]


OnParked = Callable[[ParkedRow], None]
"""Told of each parked row, at least once; it must not block."""


class ReadModel(Protocol):
    """Tables made from committed records; queries are another Protocol's matter."""

    @property
    def freshness(self) -> Freshness:
        """How far the tables lie behind; the projector keeps it up to date with the journal."""
        ...

    async def open(self) -> None:
        """Make ready for use.

        Raises
        ------
        ConfigError
            If the store can never be used as it is; the text says what to do.
        RetrySafe
            If it does not answer; the call may be made again.
        """
        ...

    async def checkpoint(self, shard: int) -> int:
        """Sequence of the newest applied record of a shard, 0 while there is none."""
        ...

    async def apply(self, records: Sequence[Record]) -> None:
        """Apply records and note them, for each shard all or none; those that were applied before change nothing.

        Raises
        ------
        RetrySafe
            If the store did not take them all.
        OutcomeUnknown
            If it cannot be told; the checkpoint tells.
        DoesNotFollow
            If a record does not follow its shard's checkpoint.
        """
        ...


def following(records: Sequence[Record], applied: int) -> list[Record]:
    """Those of one shard's records that come after its checkpoint.

    Raises
    ------
    DoesNotFollow
        If one leaves a hole.
    """
    fresh = []
    for record in records:
        if record.sequence <= applied:
            continue
        if record.sequence != applied + 1:
            raise DoesNotFollow(
                f"record {record.sequence} of shard {record.shard} does not follow the checkpoint {applied}: "
                "read the journal after the checkpoint"
            )
        fresh.append(record)
        applied = record.sequence
    return fresh
