"""The read model's Protocol, as the projector sees it."""

from collections.abc import Sequence
from typing import Protocol

from tradeengine.journal.record import Record
from tradeengine.projection.freshness import Freshness


class ReadModel(Protocol):
    """Tables made from committed records; queries are another Protocol's matter."""

    @property
    def freshness(self) -> Freshness:
        """How far the tables lie behind; the projector keeps it up to date with the journal."""
        ...

    async def checkpoint(self, shard: int) -> int:
        """Sequence of the newest applied record of a shard, 0 while there is none."""
        ...

    async def apply(self, records: Sequence[Record]) -> None:
        """Apply records and note them, all or none; those that were applied before change nothing.

        Raises
        ------
        RetrySafe
            If the store did not take them and nothing was written.
        OutcomeUnknown
            If it cannot be told; the checkpoint tells.
        ValueError
            If a record does not follow its shard's checkpoint.
        """
        ...
