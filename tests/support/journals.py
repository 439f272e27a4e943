"""Journals in memory that fail, or make who appends wait, as a test says."""

import asyncio
from collections.abc import Callable, Sequence

from shared.errors import RetrySafe
from tradeengine.journal.base import Snapshot
from tradeengine.journal.memory import MemoryJournal
from tradeengine.journal.record import Record


class FaultyJournal(MemoryJournal):
    """The journal in memory, with faults before or after a number of its appends, and look-ups without an answer."""

    def __init__(self, *faults: tuple[str, Exception]) -> None:
        super().__init__()
        self.faults = list(faults)
        self.appends: list[int] = []
        self.on_append: Callable[[], object] = lambda: None
        self.on_load: Callable[[], object] = lambda: None
        self.on_lookup: Callable[[], object] = lambda: None
        self.silent_lookups = 0

    async def append(self, records: Sequence[Record]) -> None:
        await asyncio.sleep(0)
        self.appends.append(len(records))
        self.on_append()
        when, error = self.faults.pop(0) if self.faults else ("", None)
        if when == "before" and error:
            raise error
        await super().append(records)
        if when == "after" and error:
            raise error

    async def load_snapshot(self, shard: int) -> Snapshot | None:
        self.on_load()
        return await super().load_snapshot(shard)

    async def is_decided(self, key: str) -> bool:
        self.on_lookup()
        if self.silent_lookups:
            self.silent_lookups -= 1
            raise RetrySafe("database is locked")
        return await super().is_decided(key)


class TornJournal(MemoryJournal):
    """A journal that writes a prefix of an append, as a store without transactions may.

    Parameters
    ----------
    tears
        For each append in turn, how many records are written and what is raised then; after them it is whole.
    """

    def __init__(self, *tears: tuple[int, Exception]) -> None:
        super().__init__()
        self.tears = list(tears)
        self.appends: list[list[tuple[int, int]]] = []

    async def append(self, records: Sequence[Record]) -> None:
        self.appends.append([(record.shard, record.sequence) for record in records])
        if self.tears:
            written, error = self.tears.pop(0)
            await super().append(records[:written])
            raise error
        for record in records:
            # In order, and the first that is fenced ends it.
            await super().append([record])


class GatedJournal(FaultyJournal):
    """A journal that takes nothing, or hands nothing back, while it is shut."""

    def __init__(self, *faults: tuple[str, Exception]) -> None:
        super().__init__(*faults)
        self.knocks = 0
        self.takes = asyncio.Event()
        self.gives = asyncio.Event()
        self.gives.set()

    async def append(self, records: Sequence[Record]) -> None:
        self.knocks += 1
        await self.takes.wait()
        await super().append(records)

    async def load_snapshot(self, shard: int) -> Snapshot | None:
        await self.gives.wait()
        return await super().load_snapshot(shard)
