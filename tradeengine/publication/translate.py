"""From a committed record to the messages that it calls for: a function of the record and the ledger before it."""

from collections.abc import Callable
from decimal import localcontext
from typing import Any

from tradeengine.domain import events as ev
from tradeengine.domain.money import MONEY
from tradeengine.journal.record import Record
from tradeengine.publication import fills, orders, signals
from tradeengine.publication.ledger import Ledger
from tradeengine.publication.messages import Message, RecordMessages
from tradeengine.publication.source import Source


def messages_of(ledger: Ledger, record: Record) -> list[Message]:
    """Translate a shard's next record, and move the ledger behind it.

    Raises
    ------
    ValueError
        If the record does not follow the ledger's.
    """
    if (record.shard, record.sequence) != (ledger.shard, ledger.sequence + 1):
        raise ValueError(
            f"record {record.sequence} of shard {record.shard} does not follow record {ledger.sequence} of shard "
            f"{ledger.shard}"
        )
    if not ledger.journal_id:
        named = (event.journal_id for event in record.events() if isinstance(event, ev.JournalNamed))
        ledger.journal_id = next(named, "")
    told = RecordMessages(ledger.journal_id, record.shard, record.sequence)
    with localcontext(MONEY):
        for entry in record.entries:
            source = Source(ledger, entry, told)
            for event in entry.events:
                told.begin_event()
                tell = _TELL.get(type(event))
                if tell is not None:
                    tell(source, event)
    ledger.sequence = record.sequence
    return told.messages


def _alert(source: Source, event: ev.AlertRaised) -> None:
    source.told.alert(event)


_TELL: dict[type, Callable[[Source, Any], None]] = {
    ev.SignalDecided: signals.decided,
    ev.OrderPlanned: orders.planned,
    ev.OrderOpened: orders.opened,
    ev.OrderAmended: orders.amended,
    ev.CancelPlanned: orders.cancel_planned,
    ev.OrderEnded: orders.ended,
    ev.OrderFilled: fills.filled,
    ev.AlertRaised: _alert,
}
"""Events without an entry here are told to nobody."""
