"""Rows of ``decisions``: what each signal asked for and what became of it."""

from typing import Any

from contracts.enums import Outcome
from tradeengine.domain.events import SignalDecided
from tradeengine.domain.inputs import SignalReceived
from tradeengine.projection.changes import Amend, Change, Key, Patch, Put
from tradeengine.projection.rows.source import Source
from tradeengine.projection.tables import DECISIONS


def decision_key(strategy_id: str, symbol: str, signal_id: str) -> Key:
    """Key of a signal's row."""
    return (signal_id, strategy_id, symbol)


def decided(source: Source, event: SignalDecided) -> list[Change]:
    """A first copy makes the row; every later one is counted there."""
    key = decision_key(event.strategy_id, event.symbol, event.signal_id)
    if event.outcome is Outcome.DUPLICATE:
        return [
            Amend(table=DECISIONS.name, key=key, amounts={"duplicates": 1}),
            Patch(DECISIONS.name, key, {"last_duplicate_at": event.time_ms}),
        ]
    values: dict[str, Any] = {
        "action": event.action,
        "outcome": event.outcome,
        "reason": event.reason,
        "source": event.source,
        "detail": event.detail,
        "orders": event.orders,
        "duplicates": 0,
        "decided_at": event.time_ms,
        "shard": source.shard,
        "sequence": source.sequence,
    }
    if isinstance(source.input, SignalReceived):
        values |= _asked(source.input)
    return [Put(DECISIONS.name, key, values)]


def _asked(signal: SignalReceived) -> dict[str, Any]:
    return {
        "confidence": signal.confidence,
        "strength": signal.strength,
        "strategy_mode": signal.strategy_mode,
        "order_type": signal.order_type,
        "time_in_force": signal.time_in_force,
        "position_side": signal.position_side,
        "timeframe": signal.timeframe,
        "price": signal.price,
        "current_price": signal.current_price,
        "quantity": signal.quantity,
        "quote_quantity": signal.quote_quantity,
        "position_size_pct": signal.position_size_pct,
        "stop_loss": signal.stop_loss,
        "take_profit": signal.take_profit,
        "stop_loss_pct": signal.stop_loss_pct,
        "take_profit_pct": signal.take_profit_pct,
        "trailing_pct": signal.trailing_pct,
        "break_even_at_pct": signal.break_even_at_pct,
        "target_price": signal.target_price,
        "conditional_price": signal.conditional_price,
        "conditional_direction": signal.conditional_direction,
        "conditional_timeout_s": signal.conditional_timeout_s,
        "mark_price": signal.context.mark_price,
        "signal_time": signal.timestamp_ms,
        "metadata": signal.carried,
    }
