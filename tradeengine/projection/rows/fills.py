"""Rows of ``fills`` and ``position_contributions``: one for each strategy's share of a fill."""

from tradeengine.domain.events import FillShare, OrderFilled
from tradeengine.domain.ids import uuid_of
from tradeengine.domain.money import ZERO
from tradeengine.domain.position import leg_key
from tradeengine.projection.changes import Change, CloseContributions, Put
from tradeengine.projection.rows import daily_pnl, exchange_positions, orders, positions
from tradeengine.projection.rows.source import Source
from tradeengine.projection.tables import FILLS, POSITION_CONTRIBUTIONS


def filled(source: Source, event: OrderFilled) -> list[Change]:
    """A fill, in every table that it touches."""
    changes = [*orders.filled(event), *exchange_positions.filled(source, event)]
    for share in event.shares:
        changes.append(_fill(source, event, share))
        changes += positions.filled(source, event, share)
        changes += _contribution(source, event, share)
        trades = 0 if event.reconciled else 1
        fee = event.quote_fee(share.fee)
        changes.append(
            daily_pnl.added(event.time_ms, share.strategy_id, event.symbol, share.realized, fee, ZERO, trades)
        )
    return [*changes, *orders.spent(event)]


def _fill(source: Source, event: OrderFilled, share: FillShare) -> Change:
    values = {
        "time": event.time_ms,
        "order_id": event.client_order_id,
        "strategy_position_id": share.position_id,
        "exchange_position_key": leg_key(event.symbol, event.position_side),
        "side": event.side,
        "position_side": event.position_side,
        "opening": event.opening,
        "price": event.price,
        "quantity": share.quantity,
        "value": share.quantity * event.price,
        "fee": share.fee,
        "fee_asset": event.fee_asset,
        "realized_pnl": share.realized,
        "close_reason": share.close_reason,
        "maker": event.maker,
        "reconciled": event.reconciled,
        "shard": source.shard,
        "sequence": source.sequence,
    }
    return Put(FILLS.name, (event.trade_id, event.symbol, share.strategy_id), values)


def _contribution(source: Source, event: OrderFilled, share: FillShare) -> list[Change]:
    changes: list[Change] = [_opened(source, event, share)] if event.opening else []
    if share.after.quantity or share.close_reason is None:
        return changes
    return [
        *changes,
        CloseContributions(
            position_id=share.position_id,
            position_side=event.position_side,
            exit_quantity=share.after.exit_quantity,
            exit_value=share.after.exit_value,
            exit_time=event.time_ms,
            close_reason=share.close_reason,
        ),
    ]


def _opened(source: Source, event: OrderFilled, share: FillShare) -> Change:
    values = {
        "strategy_position_id": share.position_id,
        "exchange_position_key": leg_key(event.symbol, event.position_side),
        "strategy_id": share.strategy_id,
        "symbol": event.symbol,
        "position_side": event.position_side,
        "contribution_quantity": share.quantity,
        "contribution_entry_price": event.price,
        "contribution_time": event.time_ms,
        "position_sequence": event.sequence,
        "exchange_quantity_before": event.before,
        "exchange_quantity_after": event.after.quantity,
        "status": "active",
        **source.origin,
    }
    return Put(POSITION_CONTRIBUTIONS.name, (uuid_of(share.position_id, event.trade_id),), values)
