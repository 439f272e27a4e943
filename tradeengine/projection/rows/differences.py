"""Rows of ``differences``: how books and exchange differed, and what was done about it."""

from tradeengine.domain.events import DifferenceEnded, DifferenceFound
from tradeengine.projection.changes import Change, Patch, Put
from tradeengine.projection.rows.source import Source
from tradeengine.projection.tables import DIFFERENCES


def found(source: Source, event: DifferenceFound) -> list[Change]:
    """A difference; what is repaired at once is over with it."""
    values = {
        "found_at": event.time_ms,
        "ended_at": None if event.lasts else event.time_ms,
        "status": "open" if event.lasts else "repaired",
        "kind": event.kind,
        "action": event.action,
        "symbol": event.symbol,
        "position_side": event.position_side,
        "order_id": event.client_order_id,
        "books_quantity": event.books,
        "exchange_quantity": event.exchange,
        "text": event.text,
        **source.origin,
    }
    return [Put(DIFFERENCES.name, (event.difference_id,), values)]


def ended(source: Source, event: DifferenceEnded) -> list[Change]:
    """A difference that is found no more."""
    return [Patch(DIFFERENCES.name, (event.difference_id,), {"status": "over", "ended_at": event.time_ms})]
