"""Reference: what the tables should hold, made afresh from the journal."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from shared.clock import Clock
from tradeengine.journal.record import Record
from tradeengine.projection.sqlite import SqliteReadModel

_PAGE = 200


class Source(Protocol):
    """The journal, whole: what was archived is read as well."""

    async def read(self, shard: int, after: int = 0, limit: int = 1000) -> list[Record]:
        """Records of a shard with a sequence above ``after``, in order, at most ``limit``."""
        ...

    async def last_sequence(self, shard: int) -> int:
        """Sequence of a shard's last record, 0 while it has none."""
        ...

    async def shards(self) -> list[int]:
        """Shards that have records, in order."""
        ...


class Reference:
    """Tables in a throw-away file, brought to exactly the position that a copy has reached.

    Parameters
    ----------
    path
        A file that does not exist yet.
    venue
        Name of the venue, as the copies were made with.
    tell
        Called with the number of records after each step.
    """

    def __init__(
        self,
        source: Source,
        path: Path,
        *,
        venue: str,
        clock: Clock,
        tell: Callable[[int], None] = lambda records: None,
    ) -> None:
        self._source = source
        self._tell = tell
        self.tables = SqliteReadModel(path, venue=venue, clock=clock)
        self.position: dict[int, int] = {}
        """Sequence of the newest applied record by shard."""

    async def open(self) -> None:
        """Make the file."""
        await self.tables.open()

    async def close(self) -> None:
        """Close the file."""
        await self.tables.close()

    def can_reach(self, position: Mapping[int, int]) -> bool:
        """Whether no shard is beyond a position already."""
        return all(applied <= position.get(shard, 0) for shard, applied in self.position.items())

    async def advance(self, position: Mapping[int, int]) -> None:
        """Apply the journal up to a position, in which no shard may lie behind :attr:`position`.

        Raises
        ------
        ValueError
            If a shard is beyond it already, or the journal does not reach it.
        """
        if not self.can_reach(position):
            raise ValueError(f"the reference stands at {self.position} and cannot go back to {dict(position)}")
        for shard, last in position.items():
            while (applied := self.position.get(shard, 0)) < last:
                records = await self._source.read(shard, after=applied, limit=min(_PAGE, last - applied))
                if not records:
                    raise ValueError(f"the journal of shard {shard} ends at {applied}, the copy says {last}")
                await self._apply(shard, records)

    async def _apply(self, shard: int, records: Sequence[Record]) -> None:
        await self.tables.apply(records)
        self.position[shard] = records[-1].sequence
        self._tell(len(records))
