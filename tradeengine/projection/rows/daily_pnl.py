"""Rows of ``daily_pnl``: what each strategy booked in each symbol on each UTC day."""

from decimal import Decimal

from tradeengine.domain.money import ZERO
from tradeengine.domain.state import DAY_MS
from tradeengine.projection.changes import Amend, Change
from tradeengine.projection.tables import DAILY_PNL

_NOTHING = {"realized_pnl": ZERO, "fees": ZERO, "funding": ZERO, "net_pnl": ZERO, "trades": 0}


def added(
    time_ms: int, strategy_id: str, symbol: str, realized: Decimal, fees: Decimal, funding: Decimal, trades: int
) -> Change:
    """Something was booked, in quote currency."""
    amounts: dict[str, Decimal | int] = {
        "realized_pnl": realized,
        "fees": fees,
        "funding": funding,
        "net_pnl": realized - fees + funding,
        "trades": trades,
    }
    key = (time_ms // DAY_MS, strategy_id, symbol)
    return Amend(table=DAILY_PNL.name, key=key, amounts=amounts, missing=_NOTHING)
