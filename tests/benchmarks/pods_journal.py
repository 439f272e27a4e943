"""What pods have committed, read from their journal step by step."""

import asyncio
from collections.abc import Mapping
from time import monotonic
from typing import Final, NamedTuple

from contracts.enums import Outcome
from shared.mongodb import MongoStore
from tests.benchmarks.load import SHARDS
from tradeengine.domain.events import SignalDecided
from tradeengine.journal.mongodb import MongoJournal

_PAGE: Final = 200
_LOOK_S: Final = 0.25
_REST_S: Final = 1.0
_PATIENCE_S: Final = 60.0


class Decided(NamedTuple):
    """What a step's records decide.

    Parameters
    ----------
    records
        How many there are.
    signals
        How often each signal was decided, by its id; its duplicates do not count.
    orders
        Id of the signal by client order id of the order that it asked for.
    rejected
        Why signals were rejected, by their id.
    """

    records: int
    signals: Mapping[str, int]
    orders: Mapping[str, str]
    rejected: Mapping[str, str]


class Trail:
    """Follows the journal of pods.

    Parameters
    ----------
    environment
        The pods' settings.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._journal = MongoJournal(MongoStore(environment["MONGODB_URI"], environment["MONGODB_DATABASE"]))
        self._after = dict.fromkeys(range(SHARDS), 0)

    async def open(self) -> None:
        """Connect."""
        await self._journal.open()

    async def close(self) -> None:
        """Disconnect."""
        await self._journal.close()

    async def rest(self) -> None:
        """Return when nothing has been committed for a second: what signals led to is over."""
        deadline = monotonic() + _PATIENCE_S
        known, since = await self._ends(), monotonic()
        while monotonic() - since < _REST_S:
            await asyncio.sleep(_LOOK_S)
            if monotonic() > deadline:
                raise RuntimeError(f"records are committed {_PATIENCE_S:.0f} s after the last acknowledgement")
            if (found := await self._ends()) != known:
                known, since = found, monotonic()

    async def read(self) -> Decided:
        """Read what was committed since the last time."""
        records = 0
        signals: dict[str, int] = {}
        orders: dict[str, str] = {}
        rejected: dict[str, str] = {}
        for shard in self._after:
            while page := await self._journal.read(shard, self._after[shard], _PAGE):
                self._after[shard] = page[-1].sequence
                records += len(page)
                for event in (event for record in page for event in record.events()):
                    # A message that the broker delivers again is a duplicate, which changes nothing.
                    if not isinstance(event, SignalDecided) or event.outcome is Outcome.DUPLICATE:
                        continue
                    if event.outcome is Outcome.REJECTED:
                        rejected[event.signal_id] = f"{event.reason}: {event.detail}"
                    signals[event.signal_id] = signals.get(event.signal_id, 0) + 1
                    orders |= dict.fromkeys(event.orders, event.signal_id)
        return Decided(records, signals, orders, rejected)

    async def _ends(self) -> list[int]:
        return [await self._journal.last_sequence(shard) for shard in self._after]
