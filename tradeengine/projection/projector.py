"""Projector: keeps a read model up with the journal without ever holding a shard up."""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import structlog

from shared.clock import Clock
from shared.errors import ConfigError, OutcomeUnknown, RetrySafe
from tradeengine.journal.base import Journal
from tradeengine.journal.record import Record
from tradeengine.projection.base import DoesNotFollow, ReadModel
from tradeengine.projection.lag import Lag, Pace
from tradeengine.projection.pages import PageSize

MAX_BUFFERED: Final = 20_000
"""Most entries that wait in memory; what does not fit is read from the journal later."""

MAX_BATCH: Final = 6_000
"""About how many entries are applied in one call."""

_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 5.0
_TELL_S: Final = 10.0
_FAR_BEHIND: Final = 1_000
_FEW: Final = 200
_LONGEST_LINGER_S: Final = 1.0

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Followed:
    """A shard that is followed.

    Parameters
    ----------
    buffer
        Records that wait.
    applied
        Record that is applied; ``None`` while that must be asked for.
    trouble
        Why this shard alone cannot be projected.
    rests
        Whether it is set aside until it is looked at again.
    """

    buffer: deque[Record] = field(default_factory=deque)
    applied: int | None = None
    trouble: str | None = None
    rests: bool = False


class Projector:
    """Applies committed records to one read model, as they come or from the journal.

    Parameters
    ----------
    clock
        For the pauses between attempts; give it real time, also where the engine runs in virtual time.
    shards
        Shards to follow from the start on.
    max_buffered
        Most entries that wait in memory.
    linger_s
        Least time, in seconds, from one batch to the next while only few records wait: where each batch costs a
        server several commands, more records in fewer of them leave it more room for the journal. A batch that took
        long is followed by a pause as long, up to a second.
    """

    def __init__(
        self,
        journal: Journal,
        read_model: ReadModel,
        clock: Clock,
        shards: Iterable[int] = (),
        *,
        max_buffered: int = MAX_BUFFERED,
        linger_s: float = 0.0,
    ) -> None:
        self._journal = journal
        self._read_model = read_model
        self._clock = clock
        self._max_buffered = max_buffered
        self._linger_s = linger_s
        self._hurried = 0
        self._followed = {shard: _Followed() for shard in shards}
        self._buffered = 0
        self._page = PageSize()
        self._pace = Pace(clock)
        self._told = 0.0
        self.is_open = False
        """Whether the read model was ever opened."""
        self._wake = asyncio.Event()
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.trouble: str | None = None
        """Why nothing is applied now, or ``None``."""

    async def start(self) -> None:
        """Find out where journal and read model are, and begin to apply; the read model is open.

        Raises
        ------
        ConfigError
            If the read model was made from another journal.
        RetrySafe
            If one of the two does not answer.
        """
        self.is_open = True
        for shard in self._unknown():
            await self._find(shard)
        self._begin()

    def start_in_background(self) -> None:
        """Open the read model, however long that takes, and begin to apply; :attr:`trouble` tells what it waits for.

        For a copy that trading can do without: whatever is wrong with it is tried again for ever.
        """
        self._begin()

    async def stop(self) -> None:
        """Stop applying; call :meth:`catch_up` before to leave nothing behind."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def follow(self, shard: int) -> None:
        """Keep a shard's rows up to date from now on: this process works on it."""
        self._followed.setdefault(shard, _Followed())
        self._wake.set()

    def leave(self, shard: int) -> None:
        """Leave a shard to others; a batch that is under way is finished, which does no harm."""
        left = self._followed.pop(shard, None)
        if left is not None:
            self._buffered -= sum(len(record.entries) for record in left.buffer)
            self._read_model.freshness.forget(shard)
            self._announce()

    def notify(self, record: Record) -> None:
        """Take a record that was committed just now; never blocks and never fails.

        Records of shards that are not followed are left to those who follow them.
        """
        followed = self._followed.get(record.shard)
        if followed is None:
            return
        self._read_model.freshness.committed(record)
        if self._buffered + len(record.entries) <= self._max_buffered:
            followed.buffer.append(record)
            self._buffered += len(record.entries)
        self._wake.set()

    def lag(self) -> Lag:
        """How far the read model is behind, and how fast it catches up."""
        freshness = self._read_model.freshness
        behind = freshness.records_behind
        events = self._pace.events_in(behind)
        return Lag(behind, freshness.age_seconds, events, self._pace.events_per_second)

    def behind(self) -> dict[int, int | None]:
        """Records of each followed shard that are not applied; ``None`` until it is known what is."""
        behind = self._read_model.freshness.behind()
        followed = tuple(self._followed.items())
        return {shard: behind.get(shard) if one.applied is not None else None for shard, one in followed}

    async def catch_up(self) -> None:
        """Return when everything that is committed by now is applied, of all shards that are still followed then.

        Raises
        ------
        RuntimeError
            If the projector does not run, or ends before.
        """
        self._hurried += 1
        try:
            await self._caught_up()
        finally:
            self._hurried -= 1

    async def _caught_up(self) -> None:
        heads: dict[int, int] | None = None
        while True:
            if heads is None and all(followed.applied is not None for followed in self._followed.values()):
                heads = self._read_model.freshness.heads()
            if heads is not None:
                heads = {shard: head for shard, head in heads.items() if shard in self._followed}
                if self._read_model.freshness.has_applied(heads):
                    return
            if self._task is None or self._task.done():
                raise RuntimeError(
                    f"the projector has stopped: {self.trouble or 'nobody started it, or it was stopped'}"
                )
            await self._moved.wait()

    def _begin(self) -> None:
        self._task = asyncio.create_task(self._run(), name="projector")

    async def _run(self) -> None:
        pause = _FIRST_PAUSE_S
        try:
            while True:
                try:
                    await self._advance()
                except DoesNotFollow as error:
                    # Another process projects the shard too, while it changes hands.
                    log.info("projection_overtaken", reason=str(error))
                    pause = await self._wait(pause)
                except (RetrySafe, OutcomeUnknown) as error:
                    self._troubled(str(error))
                    pause = await self._wait(pause)
                except ConfigError as error:
                    self._troubled(str(error))
                    await self._wait(_LONGEST_PAUSE_S)
                else:
                    pause = _FIRST_PAUSE_S
                    self._troubled(self._shards_trouble())
        except Exception as error:
            self.trouble = f"{type(error).__name__}: {error}"
            log.exception("projector_failed", action="the engine trades on; restart it once the cause is found")
            raise
        finally:
            self._announce()

    async def _wait(self, pause: float) -> float:
        """Let go of what was known, and wait; the next pause."""
        for followed in self._followed.values():
            followed.applied = None
        await self._clock.sleep(pause)
        return min(2 * pause, _LONGEST_PAUSE_S)

    async def _advance(self) -> None:
        """Apply one batch, or wait for a record or a shard."""
        if not self.is_open:
            await self._read_model.open()
            self.is_open = True
        for shard in self._unknown():
            with self._setting_aside(shard):
                await self._find(shard)
        if self._unknown():
            return
        if not self._behind():
            self._troubled(self._shards_trouble())
            self._wake.clear()
            await self._wake.wait()
            return
        records = await self._gather()
        if not records and not self._behind():
            return
        if not records:
            raise RetrySafe("the journal does not show records that it said to have; they are asked for again")
        began = self._clock.monotonic()
        await self._read_model.apply(records)
        self._pace.applied(records, began)
        for record in records:
            followed = self._followed.get(record.shard)
            if followed is not None and followed.applied is not None:
                followed.applied, followed.trouble = record.sequence, None
        self._announce()
        self._tell()
        if self._linger_s and not self._hurried and self._read_model.freshness.records_behind < _FEW:
            await self._linger(self._clock.monotonic() - began)

    async def _linger(self, took: float) -> None:
        """Leave the store to others for a while after a batch that took so many seconds."""
        pause = max(self._linger_s - took, min(took, _LONGEST_LINGER_S))
        await self._clock.sleep(pause)

    def _unknown(self) -> list[int]:
        """Shards of which must be found out what is applied."""
        return [shard for shard, one in self._followed.items() if one.applied is None and not one.rests]

    def _behind(self) -> list[int]:
        """Shards that have records to apply."""
        heads = self._read_model.freshness.heads()
        return [
            shard
            for shard, followed in self._followed.items()
            if followed.applied is not None and followed.applied < heads.get(shard, 0)
        ]

    @contextmanager
    def _setting_aside(self, shard: int) -> Iterator[None]:
        """Let what is wrong with one shard, such as an archive that is missing, hold up that shard alone."""
        try:
            yield
        except ConfigError as error:
            followed = self._followed.get(shard)
            if followed is not None:
                followed.trouble, followed.applied, followed.rests = str(error), None, True
                asyncio.get_running_loop().call_later(_LONGEST_PAUSE_S, self._look_again, followed)

    def _look_again(self, followed: _Followed) -> None:
        followed.rests = False
        self._wake.set()

    def _shards_trouble(self) -> str | None:
        """Why some shards are set aside."""
        troubles = dict.fromkeys(one.trouble for one in self._followed.values() if one.trouble is not None)
        return "; ".join(troubles) or None

    async def _find(self, shard: int) -> None:
        """Find out where the read model and the journal are with a shard."""
        freshness = self._read_model.freshness
        # In this order: what others commit and apply in between is no contradiction.
        applied = await self._read_model.checkpoint(shard)
        last = await self._journal.last_sequence(shard)
        if applied > last:
            raise ConfigError(
                f"the read model has applied record {applied} of shard {shard}, the journal ends at {last}: it was "
                "made from another journal; move its file away or name another database, and it is made anew"
            )
        followed = self._followed.get(shard)
        if followed is not None:
            followed.applied = applied
            freshness.applied(shard, applied, 0)
            freshness.found(shard, last)
            self._announce()

    async def _gather(self) -> list[Record]:
        """Records to apply next, of the shards that are behind, those first that had no turn for the longest."""
        records: list[Record] = []
        size = 0
        for shard in self._behind():
            if size >= MAX_BATCH:
                break
            followed = self._followed.get(shard)
            if followed is not None and followed.applied is not None:
                found = self._take(followed)
                if not found:
                    with self._setting_aside(shard):
                        found = await self._read(shard, followed.applied)
                records += found
                size += sum(len(record.entries) for record in found)
                if shard in self._followed:
                    self._followed[shard] = self._followed.pop(shard)
        return records

    async def _read(self, shard: int, after: int) -> list[Record]:
        records = await self._journal.read(shard, after=after, limit=self._page.limit)
        self._page.saw(records)
        return records

    def _take(self, followed: _Followed) -> list[Record]:
        """Records from memory that follow what is applied; none if the next one is not there."""
        buffer, records, size = followed.buffer, [], 0
        expected = 1 + (followed.applied or 0)
        while buffer and buffer[0].sequence <= expected and size < MAX_BATCH:
            record = buffer.popleft()
            self._buffered -= len(record.entries)
            if record.sequence == expected:
                records.append(record)
                size += len(record.entries)
                expected += 1
        return records

    def _tell(self) -> None:
        """Log the progress of a long way now and then."""
        lag = self.lag()
        now = self._clock.monotonic()
        if lag.records >= _FAR_BEHIND and now - self._told >= _TELL_S:
            self._told = now
            speed, left = round(lag.events_per_second), round(lag.remaining_seconds or 0)
            log.info("projection_catches_up", events=lag.events, events_per_second=speed, remaining_seconds=left)

    def _announce(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    def _troubled(self, reason: str | None) -> None:
        if reason is not None and self.trouble != reason:
            log.error("projection_failed", reason=reason, action="repeated until the store takes it; trading goes on")
        self.trouble = reason
