"""From a committed record to the rows that it changes: pure, one module for each table or two."""

from collections.abc import Callable, Iterable
from decimal import localcontext
from typing import Any

from tradeengine.domain import events as ev
from tradeengine.domain.money import MONEY
from tradeengine.journal.record import Record
from tradeengine.projection.changes import Change
from tradeengine.projection.prefetch import Rest, no_rest
from tradeengine.projection.rows import (
    alerts,
    decisions,
    differences,
    exchange_positions,
    fills,
    funding,
    halts,
    orders,
    positions,
)
from tradeengine.projection.rows.source import Source


def changes_of(record: Record, venue: str) -> list[Change]:
    """Changes that a record calls for, in the order in which they hold.

    Parameters
    ----------
    venue
        Name of the venue that orders go to, such as ``paper``.
    """
    changes: list[Change] = []
    with localcontext(MONEY):
        for place, entry in enumerate(record.entries):
            source = Source(record.shard, record.sequence, place, entry.input, venue)
            for event in entry.events:
                rows = _ROWS.get(type(event))
                if rows is not None:
                    changes += rows(source, event)
    return changes


def changes_of_all(records: Iterable[Record], venue: str, rest: Rest = no_rest) -> list[Change]:
    """Changes that records call for; ``rest`` is called between them."""
    changes: list[Change] = []
    for record in records:
        rest()
        changes += changes_of(record, venue)
    return changes


_ROWS: dict[type, Callable[[Source, Any], list[Change]]] = {
    ev.SignalDecided: decisions.decided,
    ev.OrderPlanned: orders.planned,
    ev.OrderOpened: orders.opened,
    ev.OrderAmended: orders.amended,
    ev.CancelPlanned: orders.cancel_planned,
    ev.OrderEnded: orders.ended,
    ev.OrderFilled: fills.filled,
    ev.ProtectionPlanned: positions.protected,
    ev.FundingBooked: funding.booked,
    ev.AlertRaised: alerts.raised,
    ev.DifferenceFound: differences.found,
    ev.DifferenceEnded: differences.ended,
    ev.LegRevalued: exchange_positions.revalued,
    ev.SymbolHalted: halts.changed,
}
"""Events without an entry here show in no table."""
