"""What a simulation says when it is over: everything that was decided, done and earned, as one JSON document."""

from collections.abc import Mapping
from decimal import Decimal, localcontext
from typing import Any

from contracts.values import iso_millis
from tradeengine.domain.events import OrderFilled, SignalDecided
from tradeengine.domain.money import MONEY, plain
from tradeengine.journal.record import Record
from tradeengine.projection.sqlite import SqliteReadModel
from tradeengine.runtime.account import Account

_PAGE = 1000


class ResultCollector:
    """Listener of committed records that keeps decisions and fills in the order in which they came."""

    def __init__(self) -> None:
        self.decisions: list[dict[str, Any]] = []
        self.fills: list[dict[str, Any]] = []

    def __call__(self, record: Record) -> None:
        """Take a committed record in."""
        for event in record.events():
            if isinstance(event, SignalDecided):
                self.decisions.append(_decision(event))
            elif isinstance(event, OrderFilled):
                self.fills += _fills(event)


def _decision(event: SignalDecided) -> dict[str, Any]:
    return {
        "signal_id": event.signal_id,
        "strategy_id": event.strategy_id,
        "symbol": event.symbol,
        "action": event.action,
        "time": iso_millis(event.time_ms),
        "outcome": event.outcome,
        "reason": event.reason,
        "source": event.source,
        "detail": event.detail,
        "orders": list(event.orders),
    }


def _fills(event: OrderFilled) -> list[dict[str, Any]]:
    return [
        {
            "time": iso_millis(event.time_ms),
            "trade_id": event.trade_id,
            "order_id": event.client_order_id,
            "strategy_id": share.strategy_id,
            "strategy_position_id": share.position_id,
            "symbol": event.symbol,
            "position_side": event.position_side,
            "side": event.side,
            "price": text(event.price),
            "qty": text(share.quantity),
            "fee": text(share.fee),
            "fee_asset": event.fee_asset,
            "maker": event.maker,
            "realized_pnl": text(share.realized),
            "close_reason": share.close_reason,
        }
        for share in event.shares
    ]


async def result_document(
    collector: ResultCollector, read_model: SqliteReadModel, account: Account, now_ms: int, journal_digest: str
) -> dict[str, Any]:
    """Put the result together; decimals are texts, times ISO 8601 UTC.

    Parameters
    ----------
    read_model
        Caught up with the journal.
    now_ms
        Virtual time at the end, milliseconds since 1970 UTC.
    """
    summary = account.summary(now_ms)
    return {
        "decisions": collector.decisions,
        "orders": await _rows(read_model, "orders", "created_at", "order_id"),
        "fills": collector.fills,
        "strategy_positions": await _rows(read_model, "strategy_positions", "entry_time", "strategy_position_id"),
        "contributions": await _rows(read_model, "position_contributions", "contribution_time", "contribution_id"),
        "exchange_positions": [
            {**row, **_value(row, account)}
            for row in await _rows(read_model, "exchange_positions", "exchange_position_key", "exchange_position_key")
        ],
        "totals": {name: text(summary[name]) for name in _TOTALS},
        "journal_sha256": journal_digest,
    }


_TOTALS = ("realized_pnl", "unrealized_pnl", "fees", "funding", "equity")


def _value(row: Mapping[str, Any], account: Account) -> dict[str, str]:
    """Unrealised P&L of an exchange position at the last price, which no record holds."""
    with localcontext(MONEY):
        for leg in account.legs():
            if leg.key == row["exchange_position_key"]:
                return {"unrealized_pnl": text(account.unrealized_of(leg))}
    return {"unrealized_pnl": "0"}


async def _rows(read_model: SqliteReadModel, table: str, sort: str, identity: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = await read_model.query(table, filters={}, sort=sort, cursor=cursor, limit=_PAGE)
        rows += page.rows
        cursor = page.next_cursor
        if cursor is None:
            # The read model orders what happened at one time by when it was projected, which no two runs do alike.
            # Order ids are numbered: the longer is the later one.
            return sorted(rows, key=lambda r: (r[sort], r["shard"], r["sequence"], len(r[identity]), r[identity]))


def text(value: Decimal) -> str:
    """A decimal as plain text, without exponent and without trailing zeros."""
    with localcontext(MONEY):
        return format(plain(value), "f")
