"""Group commit across shards: while one append runs, the records of all other shards gather for the next."""

import asyncio
from collections.abc import Callable

import structlog

from shared.clock import Clock
from shared.errors import Fenced, OutcomeUnknown, RetrySafe
from tradeengine.journal.base import Journal
from tradeengine.journal.record import Record, encode

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0

log = structlog.get_logger(__name__)


class Committer:
    """Appends the records of this process's shards, as many as wait at once in one command.

    A store that does not take them is asked again until it does: the shards hold what they decided, nothing leaves
    the process meanwhile, and :attr:`trouble` says so.

    Parameters
    ----------
    journal
        Where records go.
    clock
        For the pauses between attempts.
    on_commit
        Called with the seconds that an append took and the number of records in it.
    """

    def __init__(
        self, journal: Journal, clock: Clock, on_commit: Callable[[float, int], None] = lambda seconds, records: None
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._on_commit = on_commit
        self._waiting: list[tuple[Record, asyncio.Future[None]]] = []
        self._last: dict[int, asyncio.Future[None]] = {}
        self._under_way = 0
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self.trouble: str | None = None

    @property
    def waiting(self) -> int:
        """How many records the store has not confirmed yet."""
        return len(self._waiting) + self._under_way

    async def commit(self, record: Record) -> None:
        """Return when the record is committed.

        Raises
        ------
        Fenced
            If another owner holds the record's position.
        OutcomeUnknown
            If the committer was closed before the store confirmed, or the store failed in a way that it never should.
        """
        if self._closed:
            raise OutcomeUnknown("the engine is stopping and commits nothing any more")
        done = self._last[record.shard] = asyncio.get_running_loop().create_future()
        done.add_done_callback(_look)
        self._waiting.append((record, done))
        if self._task is None:
            self._task = asyncio.create_task(self._flush(), name="committer")
        # Who stops waiting does not take the record back: it may be under way.
        await asyncio.shield(done)

    async def settle(self, shard: int) -> None:
        """Return when no record of a shard is under way any more, whoever waited for it: the shard may begin anew.

        Raises
        ------
        Fenced
            If another owner holds the position of the shard's last record.
        """
        last = self._last.get(shard)
        if last is None:
            return
        await asyncio.wait([last])
        if isinstance(error := last.exception(), Fenced):
            raise error
        if self._task is None:
            # Nothing is left that the store would not take.
            self.trouble = None

    async def close(self) -> None:
        """Give up on what is not committed yet; its shards learn that the outcome is unknown."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._fail(self._waiting, OutcomeUnknown("the engine stopped before the store confirmed the commit"))

    async def _flush(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                self._under_way = len(batch)
                try:
                    await self._append(batch)
                except asyncio.CancelledError:
                    self._fail(batch, OutcomeUnknown("the engine stopped before the store confirmed the commit"))
                    raise
                except Exception as error:
                    # Supervised border: nobody else would tell the shards, which must not go on with what they decided.
                    self.trouble = f"{type(error).__name__}: {error}"
                    log.exception("commit_broken", records=len(batch), action="their shards are loaded again")
                    self._fail(batch, OutcomeUnknown(f"the commit failed in an unexpected way: {self.trouble}"))
        finally:
            self._task, self._under_way = None, 0

    async def _append(self, batch: list[tuple[Record, asyncio.Future[None]]]) -> None:
        pause = _FIRST_PAUSE_S
        while True:
            started = self._clock.monotonic()
            try:
                await self._journal.append([record for record, _ in batch])
            except Fenced as error:
                await self._append_apart(batch, error)
                return
            except RetrySafe as error:
                self._troubled(str(error))
            except OutcomeUnknown as error:
                self._troubled(str(error))
                batch = await self._unconfirmed(batch)
            else:
                self.trouble = None
                self._on_commit(self._clock.monotonic() - started, len(batch))
                for _, done in batch:
                    if not done.done():
                        done.set_result(None)
                return
            await self._clock.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    async def _append_apart(self, batch: list[tuple[Record, asyncio.Future[None]]], error: Fenced) -> None:
        """One fenced shard must not take the others down: append each record alone."""
        if len(batch) == 1:
            self._fail(batch, error)
            return
        for one in batch:
            await self._append([one])

    async def _unconfirmed(
        self, batch: list[tuple[Record, asyncio.Future[None]]]
    ) -> list[tuple[Record, asyncio.Future[None]]]:
        """Ask the store what became of an append without an answer; return what it does not have."""
        missing = []
        for record, done in batch:
            try:
                stored = await self._journal.read(record.shard, after=record.sequence - 1, limit=1)
            except (RetrySafe, OutcomeUnknown):
                return batch
            if not stored:
                missing.append((record, done))
            elif encode(stored[0]) == encode(record):
                # As bytes: what a signal carries has other types when it comes back, a Decimal is a text then.
                if not done.done():
                    done.set_result(None)
            else:
                self._fail([(record, done)], Fenced(f"shard {record.shard}: position {record.sequence} is another's"))
        return missing

    def _troubled(self, reason: str) -> None:
        if self.trouble != reason:
            log.error("commit_failed", reason=reason, action="the append is repeated until the store takes it")
        self.trouble = reason

    @staticmethod
    def _fail(batch: list[tuple[Record, asyncio.Future[None]]], error: Exception) -> None:
        for _, done in batch:
            if not done.done():
                done.set_exception(error)


def _look(done: "asyncio.Future[None]") -> None:
    """Take note of the error, for the shard that waited may be gone."""
    if not done.cancelled():
        done.exception()
