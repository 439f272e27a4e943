"""Group commit across shards: while one append runs, the records of all other shards gather for the next."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from shared.clock import Clock
from shared.errors import ConfigError, Fenced, OutcomeUnknown, Rejected, RetrySafe
from tradeengine.journal.base import Journal
from tradeengine.journal.record import Record, encode
from tradeengine.journal.stored import RecordsTrimmed, pages

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0

log = structlog.get_logger(__name__)

_Waiting = tuple[Record, "asyncio.Future[None]"]


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
        self._waiting: list[_Waiting] = []
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
        Rejected
            If no store would ever take it: it is too large.
        OutcomeUnknown
            If the committer was closed before the store confirmed, or the store failed in a way that it never should.
        """
        # Who stops waiting does not take the record back: it may be under way.
        await asyncio.shield(self.begin(record))

    def begin(self, record: Record) -> "asyncio.Future[None]":
        """Take a record for its commit, behind those of its shard that were taken before.

        A shard's records are appended in their order. Where one fails, those behind it fail with the same error, for
        they were decided on what it says.

        Returns
        -------
        asyncio.Future
            Done when the record is committed, or with an error of :meth:`commit`; not to be cancelled.
        """
        done = self._last[record.shard] = asyncio.get_running_loop().create_future()
        done.add_done_callback(_look)
        if self._closed:
            done.set_exception(OutcomeUnknown("the engine is stopping and commits nothing any more"))
            return done
        self._waiting.append((record, done))
        if self._task is None:
            self._task = asyncio.create_task(self._flush(), name="committer")
        return done

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

    async def _append(self, batch: list[_Waiting]) -> None:
        pause = _FIRST_PAUSE_S
        while batch:
            started, before = self._clock.monotonic(), len(batch)
            try:
                await self._journal.append([record for record, _ in batch])
            except (RetrySafe, ConfigError) as error:
                # Rights that were taken away may come back: a shard that gave up would meet the same refusal.
                self._troubled(str(error))
            except OutcomeUnknown as error:
                self._troubled(str(error))
                batch = await self._unconfirmed(batch)
            except Fenced as error:
                batch = await self._unconfirmed(batch)
                if len(batch) == before:
                    self._troubled(str(error))
            except Rejected as error:
                await self._append_apart(batch, error)
                return
            else:
                self._on_commit(self._clock.monotonic() - started, before)
                self._confirm(batch)
                batch = []
            if len(batch) == before:
                await self._clock.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
        self.trouble = None

    async def _append_apart(self, batch: list[_Waiting], error: Rejected) -> None:
        """A record that no store would ever take must not keep the other shards' from landing."""
        shards = list(dict.fromkeys(record.shard for record, _ in batch))
        if len(batch) == 1:
            log.critical("record_refused", shard=shards[0], reason=str(error), action="the shard is loaded again")
            self._fail(batch, error)
        elif len(shards) > 1:
            for shard in shards:
                await self._append([one for one in batch if one[0].shard == shard])
        else:
            first, rest = batch[:1], batch[1:]
            await self._append(first)
            if first[0][1].exception() is None:
                await self._append(rest)
            else:
                self._fail(rest, error)

    async def _unconfirmed(self, batch: list[_Waiting]) -> list[_Waiting]:
        """Ask the store what became of an append that it refused or did not answer; return what it still lacks.

        A store may have written a prefix. So a position that is taken is told apart by what it holds: our own bytes are
        committed, anything else has fenced that shard, and no other.
        """
        missing: list[_Waiting] = []
        for shard in dict.fromkeys(record.shard for record, _ in batch):
            ours = [one for one in batch if one[0].shard == shard]
            try:
                missing += await self._compared(shard, ours)
            except (RetrySafe, OutcomeUnknown, ConfigError) as error:
                self._troubled(str(error))
                missing += ours
        return missing

    async def _compared(self, shard: int, ours: list[_Waiting]) -> list[_Waiting]:
        """Records of one shard that can be appended again; those before them are confirmed, or all are fenced."""
        # The last position first: what lands between the two answers is then found, and compared.
        last = await self._journal.last_sequence(shard)
        first, found = ours[0][0].sequence, dict[int, bytes]()
        try:
            async for page in pages(self._journal, shard, first - 1, first - 1 + len(ours)):
                found |= page
        except RecordsTrimmed as error:
            # What is trimmed lies behind a snapshot of this shard's owner, who knew of it: that is somebody else.
            self._fail(ours, Fenced(f"{error}; another process works on the shard: drop it"))
            return []
        for index, (record, _) in enumerate(ours):
            # As bytes: what a signal carries has other types when it comes back, a Decimal is a text then.
            if found.get(record.sequence) == encode(record):
                self._confirm(ours[index : index + 1])
                last = max(last, record.sequence)
            elif record.sequence == last + 1 and record.sequence not in found:
                if await self._may_follow(record):
                    return ours[index:]
                behind = f"shard {shard}: position {last} is another owner's, and {record.sequence} claims nothing"
                self._fail(ours[index:], Fenced(f"{behind}; drop the shard and load it again"))
                return []
            else:
                what = "is another's" if record.sequence <= last or record.sequence in found else "leaves a hole"
                where = f"shard {shard}: position {record.sequence} {what}, the journal is at {last}"
                self._fail(ours[index:], Fenced(f"{where}; drop the shard and load it again"))
                return []
        return []

    async def _may_follow(self, record: Record) -> bool:
        """Whether the record before is of the same lease; what is not known any more is the journal's to refuse."""
        if record.claims or record.sequence == 1:
            return True
        try:
            before = await self._journal.read(record.shard, after=record.sequence - 2, limit=1)
        except RecordsTrimmed:
            return True
        return not before or before[0].epoch == record.epoch

    def _troubled(self, reason: str) -> None:
        if self.trouble != reason:
            log.error("commit_failed", reason=reason, action="the append is repeated until the store takes it")
        self.trouble = reason

    @staticmethod
    def _confirm(batch: Sequence[_Waiting]) -> None:
        for _, done in batch:
            if not done.done():
                done.set_result(None)

    def _fail(self, batch: Sequence[_Waiting], error: Exception) -> None:
        shards = {record.shard for record, _ in batch}
        behind = [one for one in self._waiting if one[0].shard in shards]
        self._waiting = [one for one in self._waiting if one[0].shard not in shards]
        for _, done in [*batch, *behind]:
            if not done.done():
                done.set_exception(error)


def _look(done: "asyncio.Future[None]") -> None:
    """Take note of the error, for the shard that waited may be gone."""
    if not done.cancelled():
        done.exception()
