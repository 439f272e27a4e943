"""Publication: what a projector keeps up with the journal, though what it makes is no table but messages."""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

import structlog

from shared.clock import Clock
from shared.errors import EngineError
from tradeengine.journal.base import Journal
from tradeengine.journal.record import Record
from tradeengine.projection.base import DoesNotFollow, following
from tradeengine.projection.freshness import Freshness, record_time
from tradeengine.publication.checkpoints import Checkpoint, CheckpointStore, FirstTime, LedgerImage
from tradeengine.publication.ledger import Ledger, pack
from tradeengine.publication.messages import Message
from tradeengine.publication.old_alerts import OldAlerts
from tradeengine.publication.outlet import Outlet
from tradeengine.publication.restoring import restored
from tradeengine.publication.translate import messages_of

_SAVE_S: Final = 1.0
"""How long a checkpoint may wait for those of later batches, and of other shards, seconds."""
_LEDGER_RECORDS: Final = 1_000
"""Most records that are read again to restore a ledger."""
_SLICE: Final = 200
"""Entries that are translated at once, and the rest of a record: milliseconds, after which the loop is another's."""

log = structlog.get_logger(__name__)


class _Shard:
    """What is known of a shard that this process publishes.

    Its ledger stands behind the newest record that was translated, ``unsent`` before the newest that was stored. It is
    broken if it may stand inside a record: then it is never kept.
    """

    def __init__(self, ledger: Ledger, saved_ledger: int, first: FirstTime | None) -> None:
        self.ledger = ledger
        self.broken = False
        self.unsent: deque[tuple[Record, list[Message]]] = deque()
        self.sent = ledger.sequence
        self.saved = ledger.sequence
        self.saved_ledger = saved_ledger
        self._first = first
        self._old_alerts = OldAlerts(first) if first is not None and first.through > ledger.sequence else None

    def translate(self, record: Record) -> None:
        """Translate the next record; one that was translated before is passed over."""
        if record.sequence <= self.ledger.sequence:
            return
        try:
            messages = messages_of(self.ledger, record)
        except BaseException:
            self.broken = True
            raise
        if self._old_alerts is not None:
            messages = self._old_alerts.left_out(record, messages)
        self.unsent.append((record, messages))

    def checkpoint(self, *, ledger_due: int) -> Checkpoint:
        """How far it is; with its ledger if that has moved by so many records and stands at the same place."""
        image = None
        if not self.unsent and self.sent - self.saved_ledger >= ledger_due and not self.broken:
            image = LedgerImage(self.sent, pack(self.ledger))
        return Checkpoint(self.sent, image, self._first)


class Publication:
    """Publishes the records of shards; a ``ReadModel``, so that a projector follows the journal for it.

    A record's messages are published before it counts as applied, and are published again if that was not noted: at
    least once, under one id. Checkpoints are noted a second later, of all shards in one command. Of a shard that is
    published for the first time, alerts that were old when that began are left out, also by who goes on with it after
    an interruption; see :class:`OldAlerts`.

    Parameters
    ----------
    journal
        With its archive, where there is one: what a ledger lacks is read there.
    """

    def __init__(self, journal: Journal, store: CheckpointStore, outlet: Outlet, clock: Clock) -> None:
        self.freshness = Freshness(clock)
        self._journal = journal
        self._store = store
        self._outlet = outlet
        self._clock = clock
        self._began_ms = clock.now_ms()
        self._shards: dict[int, _Shard] = {}
        self._left: dict[int, Checkpoint] = {}
        self._moved = asyncio.Event()
        self._saver: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Open the checkpoints; see ``ReadModel.open``."""
        await self._store.open()
        if self._saver is None:
            self._saver = asyncio.create_task(self._save_on(), name="publication-checkpoints")

    async def close(self) -> None:
        """Note how far everything is, and let go of the checkpoints."""
        if self._saver is not None:
            self._saver.cancel()
            await asyncio.gather(self._saver, return_exceptions=True)
            self._saver = None
        try:
            await self._save(ledger_due=1)
        except EngineError as error:
            log.warning("publication_not_noted", reason=str(error), action="a little is published again")
        await self._store.close()

    def forget(self, shard: int) -> None:
        """Let go of a shard that another process goes on with; who takes it again asks the store how far it is."""
        held = self._shards.pop(shard, None)
        if held is not None and held.sent > held.saved:
            self._left[shard] = held.checkpoint(ledger_due=1)
            self._moved.set()

    async def checkpoint(self, shard: int) -> int:
        """Sequence of the newest record that is published."""
        held = self._shards.get(shard)
        if held is None:
            found = await self._store.load(shard)
            saved_ledger = 0 if found.ledger is None else found.ledger.sequence
            ledger = await restored(self._journal, shard, found)
            first = found.first
            if found.sequence == 0:
                first = FirstTime(await self._journal.last_sequence(shard), self._began_ms)
            held = self._shards.setdefault(shard, _Shard(ledger, saved_ledger, first))
        return held.sent

    async def apply(self, records: Sequence[Record]) -> None:
        """Publish records, and return when the broker has stored their messages; see ``ReadModel.apply``."""
        if self._saver is not None and self._saver.done():
            # It never ends by itself: its error is the projector's to tell.
            self._saver.result()
        for shard in dict.fromkeys(record.shard for record in records):
            held = self._shards.get(shard)
            if held is None:
                # It was left meanwhile, and perhaps taken again.
                raise DoesNotFollow(f"it is not known how far shard {shard} is published: the checkpoint tells")
            own = following([record for record in records if record.shard == shard], held.sent)
            await self._publish(held, own)

    async def _publish(self, held: _Shard, records: Sequence[Record]) -> None:
        for some in _slices(records):
            for record in some:
                held.translate(record)
            await self._outlet.publish([message for _, messages in held.unsent for message in messages])
            while held.unsent:
                record, _ = held.unsent.popleft()
                held.sent = record.sequence
                self.freshness.applied(record.shard, record.sequence, record_time(record))
            self._moved.set()
            await self._clock.sleep(0)

    async def _save_on(self) -> None:
        while True:
            await self._moved.wait()
            self._moved.clear()
            await self._clock.sleep(_SAVE_S)
            try:
                await self._save(ledger_due=_LEDGER_RECORDS)
            except EngineError as error:
                # Nothing is lost by it: the next one says as much, and more.
                log.warning("publication_not_noted", reason=str(error), action="noted with the next records")
                self._moved.set()

    async def _save(self, *, ledger_due: int) -> None:
        due = {
            shard: (held, held.checkpoint(ledger_due=ledger_due))
            for shard, held in self._shards.items()
            if held.sent > held.saved or held.sent - held.saved_ledger >= ledger_due
        }
        left = dict(self._left)
        checkpoints = left | {shard: checkpoint for shard, (_, checkpoint) in due.items()}
        if not checkpoints:
            return
        await self._store.save(checkpoints)
        for shard, checkpoint in left.items():
            if self._left.get(shard) is checkpoint:
                del self._left[shard]
        for held, checkpoint in due.values():
            held.saved = checkpoint.sequence
            if checkpoint.ledger is not None:
                held.saved_ledger = checkpoint.ledger.sequence


def _slices(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """Cut records where :data:`_SLICE` entries are reached, for a record may have one entry or hundreds."""
    start = entries = 0
    for end, record in enumerate(records, 1):
        entries += len(record.entries)
        if entries >= _SLICE:
            yield records[start:end]
            start, entries = end, 0
    if start < len(records):
        yield records[start:]
