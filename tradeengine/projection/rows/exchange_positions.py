"""Rows of ``exchange_positions``: what the venue holds for all strategies together."""

from decimal import Decimal
from typing import Any

from tradeengine.domain.books import Books
from tradeengine.domain.events import LegRevalued, OrderFilled
from tradeengine.domain.position import leg_key
from tradeengine.projection.changes import Amend, Change, Patch, Put
from tradeengine.projection.figures import other_fees
from tradeengine.projection.rows.source import Source
from tradeengine.projection.tables import EXCHANGE_POSITIONS


def filled(source: Source, event: OrderFilled) -> list[Change]:
    """A fill; the first one from flat makes the row, or begins it anew."""
    key = (leg_key(event.symbol, event.position_side),)
    books = event.after
    values: dict[str, Any] = {
        "current_quantity": books.quantity,
        "first_entry_time": event.opened_ms,
        "last_update_time": event.time_ms,
        "status": "open" if books.quantity else "closed",
        **_totals(books),
    }
    if books.quantity:
        # A closed position keeps the average that it had last.
        values["weighted_avg_price"] = books.entry_price
    if event.sequence == 1:
        values |= {
            "symbol": event.symbol,
            "side": event.position_side,
            "contributing_strategies": [share.strategy_id for share in event.shares if event.opening],
            "total_contributions": len(event.shares) if event.opening else 0,
            **source.origin,
        }
        return [Put(EXCHANGE_POSITIONS.name, key, values)]
    return [Patch(EXCHANGE_POSITIONS.name, key, values), *_contributors(event, key)]


def _contributors(event: OrderFilled, key: tuple[str]) -> list[Change]:
    name = "contributing_strategies"
    one: dict[str, Decimal | int] = {"total_contributions": 1}
    opened = event.shares if event.opening else ()
    gone = [share.strategy_id for share in event.shares if share.after.quantity <= 0]
    return [
        *[
            Amend(table=EXCHANGE_POSITIONS.name, key=key, amounts=one, appended={name: share.strategy_id})
            for share in opened
        ],
        *[Amend(table=EXCHANGE_POSITIONS.name, key=key, removed={name: strategy}) for strategy in gone],
    ]


def funded(key: str, books: Books, time_ms: int) -> Change:
    """A funding payment."""
    return Patch(EXCHANGE_POSITIONS.name, (key,), {"last_update_time": time_ms, **_totals(books)})


def revalued(source: Source, event: LegRevalued) -> list[Change]:
    """The exchange's average price was taken over."""
    key = (leg_key(event.symbol, event.position_side),)
    values = {
        "weighted_avg_price": event.after.entry_price,
        "last_update_time": event.time_ms,
        **_totals(event.after),
    }
    return [Patch(EXCHANGE_POSITIONS.name, key, values)]


def _totals(books: Books) -> dict[str, Any]:
    return {
        "realized_pnl": books.realized,
        "commission_total": books.fees,
        "other_commissions": other_fees(books),
        "funding_total": books.funding,
    }
