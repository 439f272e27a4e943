"""Projector: keeps a read model up with the journal without ever holding a shard up."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import structlog

from shared.clock import Clock
from shared.errors import ConfigError, OutcomeUnknown, RetrySafe
from tradeengine.journal.base import Journal
from tradeengine.journal.record import Record
from tradeengine.projection.base import ReadModel

MAX_BUFFERED = 20_000
"""Most entries that wait in memory; what does not fit is read from the journal later."""

MAX_BATCH = 2_000
"""About how many entries are applied in one transaction."""

_READ_RECORDS = 50
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 5.0

log = structlog.get_logger(__name__)


class Lag(NamedTuple):
    """How far a read model is behind, in records and in seconds."""

    records: int
    seconds: float


class Projector:
    """Applies committed records to a read model, as they come or from the journal.

    Parameters
    ----------
    clock
        For the pauses between attempts; give it real time, also where the engine runs in virtual time.
    shards
        Shards to follow.
    max_buffered
        Most entries that wait in memory.
    """

    def __init__(
        self,
        journal: Journal,
        read_model: ReadModel,
        clock: Clock,
        shards: Sequence[int],
        *,
        max_buffered: int = MAX_BUFFERED,
    ) -> None:
        self._journal = journal
        self._read_model = read_model
        self._clock = clock
        self._max_buffered = max_buffered
        self._buffers: dict[int, deque[Record]] = {shard: deque() for shard in shards}
        self._buffered = 0
        self._applied: dict[int, int] = {}
        self._wake = asyncio.Event()
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.trouble: str | None = None
        """Why nothing is applied now, or ``None``."""

    async def start(self) -> None:
        """Find out where journal and read model are, and begin to apply.

        Raises
        ------
        ConfigError
            If the read model was made from another journal.
        RetrySafe
            If one of the two does not answer.
        """
        freshness = self._read_model.freshness
        for shard in self._buffers:
            last = await self._journal.last_sequence(shard)
            await self._locate(shard)
            if self._applied[shard] > last:
                raise ConfigError(
                    f"the read model has applied record {self._applied[shard]} of shard {shard}, the journal ends at "
                    f"{last}: it was made from another journal; move its file away, and it is made anew"
                )
            freshness.found(shard, last)
        self._task = asyncio.create_task(self._run(), name="projector")

    async def stop(self) -> None:
        """Stop applying; call :meth:`catch_up` before to leave nothing behind."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def notify(self, record: Record) -> None:
        """Take a record that was committed just now; never blocks and never fails."""
        self._read_model.freshness.committed(record)
        buffer = self._buffers.setdefault(record.shard, deque())
        if self._buffered + len(record.entries) <= self._max_buffered:
            buffer.append(record)
            self._buffered += len(record.entries)
        self._wake.set()

    def lag(self) -> Lag:
        """How far the read model is behind."""
        freshness = self._read_model.freshness
        return Lag(freshness.records_behind, freshness.age_seconds)

    async def catch_up(self) -> None:
        """Return when everything that is committed by now is applied.

        Raises
        ------
        RuntimeError
            If the projector does not run, or ends before.
        """
        heads = self._read_model.freshness.heads()
        while not self._read_model.freshness.has_applied(heads):
            if self._task is None or self._task.done():
                raise RuntimeError(
                    f"the projector has stopped: {self.trouble or 'nobody started it, or it was stopped'}"
                )
            await self._moved.wait()

    async def _run(self) -> None:
        pause = _FIRST_PAUSE_S
        try:
            while True:
                try:
                    await self._advance()
                except (RetrySafe, OutcomeUnknown) as error:
                    self._troubled(str(error))
                    await self._clock.sleep(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE_S)
                    self._applied.clear()
                else:
                    pause, self.trouble = _FIRST_PAUSE_S, None
        except Exception as error:
            self.trouble = f"{type(error).__name__}: {error}"
            log.exception("projector_failed", action="the engine trades on; restart it once the cause is found")
            raise
        finally:
            self._announce()

    async def _advance(self) -> None:
        """Apply one batch, or wait for a record."""
        if self._read_model.freshness.records_behind == 0:
            self._wake.clear()
            await self._wake.wait()
        records = await self._gather()
        if not records:
            raise RetrySafe("the journal does not show records that it said to have; they are asked for again")
        await self._read_model.apply(records)
        for record in records:
            self._applied[record.shard] = record.sequence
        self._announce()

    async def _gather(self) -> list[Record]:
        """Records to apply next, of all shards that are behind."""
        heads = self._read_model.freshness.heads()
        records: list[Record] = []
        for shard, head in heads.items():
            if shard not in self._applied:
                await self._locate(shard)
            if self._applied[shard] < head:
                records += self._take(shard) or await self._journal.read(
                    shard, after=self._applied[shard], limit=_READ_RECORDS
                )
        return records

    def _take(self, shard: int) -> list[Record]:
        """Records from memory that follow what is applied; none if the next one is not there."""
        buffer, records, size = self._buffers[shard], [], 0
        expected = self._applied[shard] + 1
        while buffer and buffer[0].sequence <= expected and size < MAX_BATCH:
            record = buffer.popleft()
            self._buffered -= len(record.entries)
            if record.sequence == expected:
                records.append(record)
                size += len(record.entries)
                expected += 1
        return records

    async def _locate(self, shard: int) -> None:
        self._applied[shard] = await self._read_model.checkpoint(shard)

    def _announce(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    def _troubled(self, reason: str) -> None:
        if self.trouble != reason:
            log.error("projection_failed", reason=reason, action="repeated until the store takes it; trading goes on")
        self.trouble = reason
