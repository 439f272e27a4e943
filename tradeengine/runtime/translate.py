"""From the wire's signal to the core's input."""

from contracts.signal import Signal
from contracts.values import to_millis
from tradeengine.domain.inputs import Context, SignalReceived


def to_input(signal: Signal, now_ms: int, context: Context, *, known: bool = False) -> SignalReceived:
    """Make a signal an input.

    Parameters
    ----------
    now_ms
        Time of the decision, milliseconds since 1970 UTC.
    known
        Whether a decision about the signal is committed although the shard's memory has lost it.
    """
    return SignalReceived(
        time_ms=now_ms,
        strategy_id=signal.strategy_id,
        signal_id=signal.signal_id,
        symbol=signal.symbol,
        action=signal.action,
        timestamp_ms=to_millis(signal.timestamp),
        confidence=signal.confidence,
        strength=signal.strength,
        strategy_mode=signal.strategy_mode,
        price=signal.price,
        current_price=signal.current_price,
        quantity=signal.quantity,
        quote_quantity=signal.quote_quantity,
        position_size_pct=signal.position_size_pct,
        stop_loss=signal.stop_loss,
        take_profit=signal.take_profit,
        stop_loss_pct=signal.stop_loss_pct,
        take_profit_pct=signal.take_profit_pct,
        trailing_pct=signal.trailing_pct,
        break_even_at_pct=signal.break_even_at_pct,
        order_type=signal.order_type,
        time_in_force=signal.time_in_force,
        target_price=signal.target_price,
        conditional_price=signal.conditional_price,
        conditional_direction=signal.conditional_direction,
        conditional_timeout_s=signal.conditional_timeout,
        position_side=signal.position_side,
        timeframe=signal.timeframe,
        carried=signal.carried(),
        context=context,
        known=known,
        sequence=signal.sequence,
    )
