"""Pipeline: a shard's records that are on their way to the journal, oldest first."""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tradeengine.domain.events import SignalDecided
from tradeengine.domain.inputs import PriceReached, TimeAdvanced, VenueObserved
from tradeengine.journal.record import Record
from tradeengine.runtime.inbox import Given, SignalBatch

MAX_ENTRIES: Final = 1_000
"""Most entries under way before nothing more is decided behind them; what arrives then waits in the inbox."""

EARLY_STOP_S: Final = 0.25
"""How long a record may wait for its commit before its stops leave, seconds; a commit takes far less."""

_COME_AGAIN: Final = (TimeAdvanced, PriceReached, VenueObserved)

Answer = tuple[SignalBatch, list[SignalDecided]]


@dataclass(slots=True)
class Outstanding:
    """A record under way.

    Parameters
    ----------
    inputs
        What it was decided from and nobody waits for.
    answers
        Who is to be told of its decisions.
    committed
        Done when it is committed, or never will be.
    since_s
        When it was handed over, on the monotonic clock.
    overdue
        Whether it has been told to wait for long.
    """

    record: Record
    inputs: list[Given]
    answers: list[Answer]
    committed: "asyncio.Future[None]"
    since_s: float
    overdue: bool = False


class Pipeline:
    """Records of one shard that are handed over and not committed yet; each was decided on what those before it say."""

    def __init__(self) -> None:
        self._records: deque[Outstanding] = deque()
        self._entries = 0

    def __len__(self) -> int:
        return len(self._records)

    @property
    def has_room(self) -> bool:
        """Whether more may be decided behind what is under way."""
        return self._entries < MAX_ENTRIES

    @property
    def oldest(self) -> "asyncio.Future[None] | None":
        """The commit that all others wait for, ``None`` if nothing is under way."""
        return self._records[0].committed if self._records else None

    def put(self, outstanding: Outstanding) -> None:
        """Add a record behind all others."""
        self._records.append(outstanding)
        self._entries += len(outstanding.record.entries)

    def attach(self, inputs: Iterable[Given], answers: Sequence[Answer]) -> None:
        """Let inputs that led to nothing share the fate of the newest record, for they were held against what it says.

        Those that come again by themselves are left out: there is no end of them while a store hangs.
        """
        newest = self._records[-1]
        newest.inputs += [given for given in inputs if not isinstance(given, _COME_AGAIN)]
        newest.answers += answers

    def committed(self) -> Iterator[Outstanding]:
        """Take out the records that are committed, in order.

        Raises
        ------
        Fenced, Rejected, OutcomeUnknown
            If one will not be committed; it stays, with those behind it.
        """
        while self._records and self._records[0].committed.done():
            self._records[0].committed.result()
            first = self._records.popleft()
            self._entries -= len(first.record.entries)
            yield first

    def check(self) -> None:
        """Do nothing, unless a record under way is known not to be committed.

        Raises
        ------
        Fenced, Rejected, OutcomeUnknown
            If one will not be.
        """
        for one in self._records:
            if one.committed.done():
                one.committed.result()

    def newly_overdue(self, now_s: float) -> list[Record]:
        """Records that have waited for :data:`EARLY_STOP_S`, each told once; ``now_s`` is of the monotonic clock."""
        found: list[Record] = []
        for one in self._records:
            if now_s - one.since_s < EARLY_STOP_S:
                break
            if not one.overdue and not one.committed.done():
                one.overdue = True
                found.append(one.record)
        return found

    def unworked(self, sequence: int) -> list[Given]:
        """Inputs of the records behind a sequence, which is where the journal ends."""
        return [given for one in self._records if one.record.sequence > sequence for given in one.inputs]
