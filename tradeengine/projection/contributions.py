"""Contributions: what each opening fill of a strategy position brought once the position is closed."""

from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import Any, NamedTuple

from contracts.enums import PositionSide
from tradeengine.domain.money import MONEY, average, split
from tradeengine.projection.changes import CloseContributions, Patch
from tradeengine.projection.figures import percent
from tradeengine.projection.tables import POSITION_CONTRIBUTIONS


class Contribution(NamedTuple):
    """An opening fill's share, as its row holds it."""

    contribution_id: str
    quantity: Decimal
    entry_price: Decimal


def closed_contributions(change: CloseContributions, rows: Sequence[Contribution]) -> list[Patch]:
    """Changes that close all contributions of a position.

    Each takes its part of the exit's value by quantity and compares it with its own entry, so the P&L of all adds up
    to the position's gross realised P&L exactly.

    Parameters
    ----------
    rows
        All contributions to the position, in the order of ``position_sequence``.
    """
    with localcontext(MONEY):
        exit_price = average(change.exit_value, change.exit_quantity)
        parts = split(change.exit_value, [row.quantity for row in rows]) if rows else []
        return [_closed(change, row, part, exit_price) for row, part in zip(rows, parts, strict=True)]


def _closed(change: CloseContributions, row: Contribution, part: Decimal, exit_price: Decimal) -> Patch:
    entry = row.quantity * row.entry_price
    pnl = part - entry if change.position_side is PositionSide.LONG else entry - part
    values: dict[str, Any] = {
        "status": "closed",
        "close_reason": change.close_reason,
        "exit_time": change.exit_time,
        "exit_price": exit_price,
        "contribution_pnl": pnl,
        "contribution_pnl_pct": percent(pnl, entry),
    }
    return Patch(POSITION_CONTRIBUTIONS.name, (row.contribution_id,), values)
