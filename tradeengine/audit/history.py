"""Auditing a history: what became of every signal, order and fill, in every place that knows of it."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from msgspec import MsgspecError
from nats.js import JetStreamContext

from contracts.subjects import EXECUTION_STREAM, SIGNALS_STREAM
from contracts.values import iso_millis
from shared.clock import Clock
from shared.errors import EngineError
from tradeengine.audit.audit import Tell
from tradeengine.audit.copy import Copy
from tradeengine.audit.history_copies import read_copy
from tradeengine.audit.history_exchange import ExchangeReader
from tradeengine.audit.history_file import HistoryFile
from tradeengine.audit.history_journal import JournalReader
from tradeengine.audit.history_questions import COUNTS, QUESTIONS
from tradeengine.audit.history_report import Finding, HistoryReport
from tradeengine.audit.history_streams import StreamReader
from tradeengine.audit.reference import Source
from tradeengine.venue.binance.session import Terms

_DAY_MS: Final = 86_400_000
Opened = Callable[[], AbstractAsyncContextManager[Copy]]
Connected = Callable[[], AbstractAsyncContextManager[JetStreamContext]]


class Places(NamedTuple):
    """Where a history can be looked up beside the journal; ``None`` or nothing where there is no such place.

    Parameters
    ----------
    copies
        By name.
    broker
        Connects to it.
    published
        How far execution events are published, by shard.
    account
        Terms of the exchange's account.
    missing
        Places that are not there, in words.
    troubles
        Why places that are there cannot be looked at.
    """

    copies: Mapping[str, Opened]
    broker: Connected | None
    published: Mapping[int, int]
    account: Terms | None
    missing: tuple[str, ...] = ()
    troubles: tuple[str, ...] = ()


class HistoryAudit:
    """Audits a history, while engines may go on to write it; memory does not grow with it.

    Parameters
    ----------
    folder
        For throw-away files: about as much as the journal takes.
    settle_s
        Nothing that is younger than this at the beginning must be known everywhere, seconds.
    limit
        Most findings of a kind that are shown.
    """

    def __init__(self, source: Source, clock: Clock, *, folder: Path, settle_s: float, limit: int, tell: Tell) -> None:
        self._source = source
        self._clock = clock
        self._folder = folder
        self._cutoff_ms = clock.now_ms() - round(settle_s * 1000)
        self._limit = limit
        self._tell = tell
        self._read: set[str] = set()
        self._unchecked: list[str] = []
        self._is_open = False
        self._told_since_ms = self._traded_since_ms = 0

    async def run(self, places: Places) -> HistoryReport:
        """Read everything, and judge it; what does not answer is said in the report.

        Raises
        ------
        EngineError
            If the journal cannot be read.
        """
        self._unchecked += [*places.missing, *places.troubles]
        self._is_open = bool(places.troubles)
        async with self._scratch() as file:
            journal = JournalReader(self._source, file, partial(self._tell, "reading the journal"))
            await journal.read()
            await file.put("INSERT INTO ends VALUES (?, ?)", journal.ends.items())
            if places.broker is not None:
                await self._reach(file, "events", places.published)
                behind = sum(max(0, end - places.published.get(shard, 0)) for shard, end in journal.ends.items())
                if behind:
                    self._unchecked.append(
                        f"events of {behind} records are not published yet: their ends are not judged"
                    )
                await self._tried("the broker", self._streams(file, places.broker))
            for name, opened in places.copies.items():
                await self._tried(name, self._copy(file, name, opened, journal))
            if places.account is not None:
                await self._tried("the exchange", self._exchange(file, places.account, journal))
            return await self._judged(file, journal)

    @asynccontextmanager
    async def _scratch(self) -> AsyncIterator[HistoryFile]:
        with TemporaryDirectory(prefix="audit-", dir=self._folder) as name:
            file = HistoryFile(Path(name) / "history.sqlite")
            await file.open()
            try:
                yield file
            finally:
                await file.close()

    async def _tried(self, what: str, reading: AsyncIterator[str]) -> None:
        """Read a place; notes that it has are told, and so is what hinders."""
        try:
            async for note in reading:
                self._unchecked.append(note)
        except (EngineError, ValueError, MsgspecError) as error:
            self._unchecked.append(f"{what} could not be read: {error}")
            self._is_open = True

    # ------------------------------------------------------------ places

    async def _streams(self, file: HistoryFile, connected: Connected) -> AsyncIterator[str]:
        async with connected() as jetstream:
            reader = StreamReader(jetstream, file, partial(self._tell, "reading signals"))
            signals = await reader.signals()
            for name, stream in signals.items():
                if stream.since_ms:
                    yield f"{name} holds signals since {iso_millis(stream.since_ms)} only"
                if stream.skipped:
                    yield f"{stream.skipped} messages of {name} are no valid signals: see SIGNALS_DEAD"
            if SIGNALS_STREAM in signals:
                self._read.add("signals")
            else:
                self._is_open = True
                yield f"there is no stream {SIGNALS_STREAM}: whether each signal was decided is not known"
            reader = StreamReader(jetstream, file, partial(self._tell, "reading execution events"))
            told = await reader.execution()
            if told is None:
                self._is_open = True
                yield f"there is no stream {EXECUTION_STREAM}: whether the end of each signal was told is not known"
                return
            self._read.add("events")
            self._told_since_ms = told.since_ms
            if told.since_ms:
                since = iso_millis(told.since_ms)
                yield f"{EXECUTION_STREAM} holds events since {since} only; earlier ends are not judged"
            if told.skipped:
                yield f"{told.skipped} messages of {EXECUTION_STREAM} are no execution events"

    async def _copy(self, file: HistoryFile, name: str, opened: Opened, journal: JournalReader) -> AsyncIterator[str]:
        async with opened() as copy:
            position = await read_copy(name, copy, list(journal.ends), file, partial(self._tell, f"reading {name}"))
        await self._reach(file, name, position)
        self._read.add("copies")
        behind = sum(max(0, end - position[shard]) for shard, end in journal.ends.items())
        if behind:
            yield f"{name} is {behind} records behind the journal, which is no difference"

    async def _exchange(self, file: HistoryFile, terms: Terms, journal: JournalReader) -> AsyncIterator[str]:
        reader = ExchangeReader(terms, self._clock, file, partial(self._tell, "reading the account"))
        since_ms = await reader.read(journal)
        self._read.add("exchange")
        self._traded_since_ms = since_ms
        if since_ms > journal.first_ms:
            self._traded_since_ms += _DAY_MS
            yield f"the exchange keeps trades since {iso_millis(since_ms)} only; earlier fills are not judged"

    async def _reach(self, file: HistoryFile, store: str, position: Mapping[int, int]) -> None:
        await file.put("INSERT INTO reach VALUES (?, ?, ?)", [(store, *each) for each in position.items()])

    # ------------------------------------------------------------ judgement

    async def _judged(self, file: HistoryFile, journal: JournalReader) -> HistoryReport:
        self._tell("comparing", 0)
        given = {
            "cutoff": self._cutoff_ms,
            "told_since": self._told_since_ms,
            "traded_since": self._traded_since_ms,
            "own": f"te-{journal.journal_id}-%",
        }
        counts = {
            name: await file.number(question, **given)
            for name, (question, needs) in COUNTS.items()
            if needs <= self._read
        }
        findings = []
        for question in QUESTIONS:
            if not question.needs <= self._read:
                continue
            self._tell("comparing", 1)
            number = await file.number(f"SELECT count(*) FROM ({question.sql})", **given)  # noqa: S608 - our own text
            if number:
                first = await file.rows(f"{question.sql} LIMIT {self._limit}", **given)
                texts = tuple(str(text) for (text,) in first)
                findings.append(Finding(question.name, question.text, question.remedy, number, texts))
        return HistoryReport(counts, tuple(findings), tuple(self._unchecked), self._is_open)
