"""Rows of ``positions`` and ``strategy_positions``: one strategy's position, in the two shapes that users know."""

from typing import Any

from contracts.enums import CloseReason
from tradeengine.domain.books import Books
from tradeengine.domain.events import FillShare, OrderFilled, ProtectionPlanned
from tradeengine.domain.money import ZERO
from tradeengine.domain.position import leg_key
from tradeengine.projection.changes import Amend, Change, Patch, Put, Reference
from tradeengine.projection.figures import entry_average, exit_average, is_first, other_fees, return_percent, seconds
from tradeengine.projection.rows.decisions import decision_key
from tradeengine.projection.rows.source import Source
from tradeengine.projection.tables import DECISIONS, POSITIONS, STRATEGY_POSITIONS


def filled(source: Source, event: OrderFilled, share: FillShare) -> list[Change]:
    """One share of a fill."""
    key = (share.position_id,)
    position = _position(event, share)
    strategy_position = _strategy_position(event, share)
    if is_first(share.after, share.quantity):
        position = _new_position(source, event, share) | position
        strategy_position = _new_strategy_position(source, event, share) | strategy_position
        metadata = Reference(DECISIONS.name, decision_key(share.strategy_id, event.symbol, share.signal_id), "metadata")
        return [
            Put(POSITIONS.name, key, position, {"metadata": metadata}),
            Put(STRATEGY_POSITIONS.name, key, strategy_position, {"strategy_metadata": metadata}),
        ]
    trade_ids = "entry_trade_ids" if event.opening else "exit_trade_ids"
    return [
        Patch(POSITIONS.name, key, position),
        Patch(STRATEGY_POSITIONS.name, key, strategy_position),
        Amend(table=POSITIONS.name, key=key, appended={trade_ids: event.trade_id}),
    ]


def protected(source: Source, event: ProtectionPlanned) -> list[Change]:
    """Stop and target that are wanted now."""
    key = (event.position_id,)
    stop, target = event.stop_price, event.target_price
    wanted = {
        "trailing_pct": event.trailing_pct,
        "break_even_at_pct": event.break_even_at_pct,
        "stop_widened": event.widened,
        "stop_clamped": event.clamped,
        "target_waits": event.target_waits,
        "updated_at": event.time_ms,
    }
    return [
        Patch(POSITIONS.name, key, {"stop_loss": stop, "take_profit": target, **wanted}),
        Patch(STRATEGY_POSITIONS.name, key, {"stop_loss_price": stop, "take_profit_price": target, **wanted}),
    ]


def funded(position_id: str, books: Books, time_ms: int) -> list[Change]:
    """A funding payment."""
    key = (position_id,)
    return [
        Patch(
            POSITIONS.name,
            key,
            {"funding_total": books.funding, "pnl_after_fees": books.net, "updated_at": time_ms},
        ),
        Patch(STRATEGY_POSITIONS.name, key, {"funding_total": books.funding, "updated_at": time_ms}),
    ]


def _position(event: OrderFilled, share: FillShare) -> dict[str, Any]:
    books = share.after
    closed = not books.quantity
    values: dict[str, Any] = {
        "entry_price": entry_average(books) if closed else books.entry_price,
        "quantity": books.entry_quantity if closed else books.quantity,
        "status": "closed" if closed else "open",
        "commission_asset": event.settle_asset,
        "commission_total": books.fees,
        "other_commissions": other_fees(books),
        "funding_total": books.funding,
        "pnl": books.realized,
        "pnl_after_fees": books.net,
        "updated_at": event.time_ms,
    }
    if closed or not event.opening:
        values |= {
            "exit_price": exit_average(books),
            "exit_order_id": event.client_order_id,
            "pnl_pct": return_percent(books),
        }
    if closed:
        values |= {
            "exit_time": event.time_ms,
            "close_reason": share.close_reason,
            "final_commission": event.quote_fee(share.fee),
            "duration_seconds": seconds(event.time_ms - share.opened_ms),
        }
    return values


def _new_position(source: Source, event: OrderFilled, share: FillShare) -> dict[str, Any]:
    return {
        "strategy_id": share.strategy_id,
        "exchange": source.venue,
        "symbol": event.symbol,
        "position_side": event.position_side,
        "entry_time": share.opened_ms,
        "exchange_position_id": leg_key(event.symbol, event.position_side),
        "entry_order_id": event.client_order_id,
        "entry_trade_ids": [event.trade_id] if event.opening else [],
        "exit_trade_ids": [] if event.opening else [event.trade_id],
        "created_at": event.time_ms,
        **source.origin,
    }


def _strategy_position(event: OrderFilled, share: FillShare) -> dict[str, Any]:
    books = share.after
    values: dict[str, Any] = {
        "entry_quantity": books.entry_quantity,
        "entry_price": entry_average(books),
        "status": _status(books),
        "current_quantity": books.quantity,
        "realized_pnl": books.realized,
        "commission_total": books.fees,
        "other_commissions": other_fees(books),
        "funding_total": books.funding,
        "updated_at": event.time_ms,
    }
    if not event.opening or not books.quantity:
        values |= {
            "exit_quantity": books.exit_quantity,
            "exit_price": exit_average(books),
            "exit_time": event.time_ms,
            "close_reason": CloseReason.PARTIAL if books.quantity else share.close_reason,
            "realized_pnl_pct": return_percent(books),
        }
    return values


def _status(books: Books) -> str:
    if not books.quantity:
        return "closed"
    return "partial" if books.exit_quantity else "open"


def _new_strategy_position(source: Source, event: OrderFilled, share: FillShare) -> dict[str, Any]:
    return {
        "strategy_id": share.strategy_id,
        "signal_id": share.signal_id or None,
        "symbol": event.symbol,
        "side": event.position_side,
        "entry_time": share.opened_ms,
        "entry_order_id": event.client_order_id,
        "exit_quantity": ZERO,
        "exchange_position_key": leg_key(event.symbol, event.position_side),
        **source.origin,
    }
