"""Where an event comes from, and where what it says is told."""

from typing import Final, NamedTuple

from tradeengine.domain.events import SignalDecided
from tradeengine.domain.inputs import SignalReceived
from tradeengine.journal.record import Entry
from tradeengine.publication.ledger import Ledger
from tradeengine.publication.messages import RecordMessages

MAX_DECISION_ID: Final = 256
"""Most characters of a decision's id that are passed on: no message may outgrow what the broker takes."""


class Source(NamedTuple):
    """The entry that an event is part of, with what is known before the event."""

    ledger: Ledger
    entry: Entry
    told: RecordMessages

    @property
    def decided(self) -> SignalDecided | None:
        """Decision of the entry's signal, if its input is one."""
        return next((event for event in self.entry.events if isinstance(event, SignalDecided)), None)

    @property
    def decision_id(self) -> str:
        """The id that the entry's signal gives to its decision: its own, or else the signal's; empty without one."""
        signal = self.entry.input
        if not isinstance(signal, SignalReceived):
            return ""
        named = signal.carried.get("decision_id")
        return str(named)[:MAX_DECISION_ID] if named not in (None, "") else signal.signal_id
