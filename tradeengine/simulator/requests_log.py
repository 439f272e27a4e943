"""Everything that was asked, and what came of it."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from tradeengine.simulator.call import Call

_FIRST_TIME = 100_000_000_000


@dataclass(slots=True)
class Entry:
    """One request.

    Parameters
    ----------
    number
        1 for the first since the start or the last reset.
    time_ms
        When it arrived, by the simulator's clock.
    status
        Of the answer that the exchange gave, ``None`` if the request was not executed.
    answer
        Its document.
    faults
        Names of the faults that met it.
    caused
        User data events that it led to, in the order in which the exchange made them.
    """

    number: int
    time_ms: int
    call: Call
    status: int | None = None
    answer: Any = None
    faults: list[str] = field(default_factory=list)
    caused: list[dict[str, Any]] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """The entry as JSON holds it."""
        return {
            "number": self.number,
            "time": self.time_ms,
            "method": self.call.method,
            "path": self.call.path,
            "ip": self.call.ip,
            "parameters": self.call.values,
            "status": self.status,
            "answer": self.answer,
            "faults": self.faults,
            "caused": self.caused,
        }


class RequestsLog:
    """The last requests, in the order of arrival.

    Parameters
    ----------
    kept
        How many.
    """

    def __init__(self, kept: int) -> None:
        self._entries: deque[Entry] = deque(maxlen=kept)
        self._numbers = 0

    @property
    def count(self) -> int:
        """How many there were since the start or the last reset."""
        return self._numbers

    def open(self, call: Call, now_ms: int) -> Entry:
        """Note a request that has arrived."""
        self._numbers += 1
        entry = Entry(self._numbers, now_ms, call)
        self._entries.append(entry)
        return entry

    def since(self, after: int) -> dict[str, Any]:
        """Entries, and the number to ask with next time.

        Parameters
        ----------
        after
            Number of the last entry that is known; or, from 10^11 on, a time in milliseconds: entries from then on.
        """
        if after >= _FIRST_TIME:
            entries = [entry for entry in self._entries if entry.time_ms >= after]
        else:
            entries = [entry for entry in self._entries if entry.number > after]
        return {"requests": [entry.document() for entry in entries], "next": self._numbers}
