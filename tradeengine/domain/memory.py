"""Memory: what a shard remembers of things that are over, each kind within bounds of count and age."""

from tradeengine.domain.inputs import trade_key
from tradeengine.domain.orders import LiveOrder
from tradeengine.domain.state import ENDED_ENTRIES, ENDED_MS, SETTLEMENT_ENTRIES, SETTLEMENT_MS, ShardState


def note_trade(state: ShardState, symbol: str, trade_id: str) -> None:
    """Raise the symbol's watermark to a trade that was dealt with."""
    number = _number(trade_id)
    if number > _number(state.last_trades.get(symbol, "")):
        state.last_trades[symbol] = trade_id


def _number(trade_id: str) -> int:
    # Trade ids of an exchange ascend per symbol; what the engine books by itself is no trade of anybody's.
    return int(trade_id) if trade_id.isascii() and trade_id.isdigit() else -1


def remember_ended(state: ShardState, live: LiveOrder, time_ms: int) -> None:
    """Keep an order that ended before it had filled wholly: a fill of it may still turn up."""
    live.changed_ms, live.changed_at = time_ms, state.changes
    state.ended[live.order.client_order_id] = live
    while state.ended:
        oldest = next(iter(state.ended.values()))
        if oldest.changed_ms >= time_ms - ENDED_MS and len(state.ended) <= ENDED_ENTRIES:
            break
        del state.ended[oldest.order.client_order_id]


def remember_settlement(state: ShardState, symbol: str, settlement_id: str, time_ms: int) -> None:
    """Keep the number of a settlement that was booked."""
    memory = state.settlements
    memory[trade_key(symbol, settlement_id)] = time_ms
    while memory:
        key = next(iter(memory))
        if memory[key] >= time_ms - SETTLEMENT_MS and len(memory) <= SETTLEMENT_ENTRIES:
            break
        del memory[key]
