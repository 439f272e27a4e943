"""How much an opening signal buys or sells."""

from decimal import Decimal

from contracts.enums import (
    OrderKind,
    OrderPurpose,
    OrderType,
    PositionSide,
    Reason,
    RejectionSource,
    Side,
    TriggerDirection,
)
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.conflicts import Refusal
from tradeengine.domain.inputs import SignalReceived
from tradeengine.domain.instrument import Instrument
from tradeengine.domain.orders import OrderDraft, ProtectionTerms

_PLAIN_KINDS = {
    OrderType.MARKET: OrderKind.MARKET,
    OrderType.LIMIT: OrderKind.LIMIT,
    OrderType.STOP: OrderKind.STOP_MARKET,
    OrderType.STOP_LIMIT: OrderKind.STOP,
    OrderType.TAKE_PROFIT: OrderKind.TAKE_PROFIT_MARKET,
    OrderType.TAKE_PROFIT_LIMIT: OrderKind.TAKE_PROFIT,
}
_STOPS = (OrderKind.STOP_MARKET, OrderKind.STOP)


def order_kind(signal: SignalReceived, side: PositionSide) -> OrderKind | Refusal:
    """Exchange order type of a signal's entry.

    A stop waits for the price to move in the position's favour, a take-profit for it to come back. A market or limit
    signal with a conditional price is one of the two by its direction, or by where the price stands now.
    """
    plain = _PLAIN_KINDS[signal.order_type]
    if not plain.conditional and signal.conditional_price is None:
        return plain
    direction = signal.conditional_direction
    if plain.conditional:
        waits_for_rise = (plain in _STOPS) is (side is PositionSide.LONG)
        if direction is not None and (direction is TriggerDirection.ABOVE) is not waits_for_rise:
            detail = f"a {signal.order_type} order that {signal.action}s does not wait for a price {direction}"
            return _refuse(Reason.CONTRADICTORY_TRIGGER, detail)
        return plain
    if direction is None:
        present = signal.reference_price
        if present is None or signal.conditional_price is None:
            return _refuse(Reason.NO_REFERENCE_PRICE, "without conditional_direction the present price must be known")
        direction = TriggerDirection.ABOVE if signal.conditional_price > present else TriggerDirection.BELOW
    is_stop = (direction is TriggerDirection.ABOVE) is (side is PositionSide.LONG)
    if plain is OrderKind.LIMIT:
        return OrderKind.STOP if is_stop else OrderKind.TAKE_PROFIT
    return OrderKind.STOP_MARKET if is_stop else OrderKind.TAKE_PROFIT_MARKET


def draft_entry(
    config: TradingConfig, instrument: Instrument, signal: SignalReceived, side: PositionSide, score: Decimal
) -> tuple[OrderDraft, Decimal | None] | Refusal:
    """Draft the order that an opening signal asks for.

    Returns
    -------
    tuple
        The draft and the price that values it (``None`` when no price is known), or the refusal.
    """
    kind = order_kind(signal, side)
    if isinstance(kind, Refusal):
        return kind
    price = trigger = None
    if kind.priced:
        wanted = signal.target_price or signal.price or signal.current_price
        if wanted is None:
            return _refuse(Reason.MISSING_LIMIT_PRICE, f"a {signal.order_type} order needs target_price or price")
        price = instrument.limit_price(wanted, side.opening)
    if kind.conditional:
        wanted = signal.conditional_price or (signal.target_price if not kind.priced else None)
        if wanted is None:
            return _refuse(Reason.MISSING_TRIGGER_PRICE, f"a {signal.order_type} order needs conditional_price")
        trigger = instrument.round_price(wanted)
    for value in (price, trigger):
        if value is not None and not instrument.price_in_range(value):
            return _refuse(Reason.PRICE_OUT_OF_RANGE, f"{value} is outside the prices that {signal.symbol} trades at")
    outside = _outside_band(instrument, side, price, trigger, signal.context.mark_price)
    if outside is not None:
        return outside
    reference = price or trigger or signal.reference_price
    quantity = quantity_of(config, signal, reference)
    if isinstance(quantity, Refusal):
        return quantity
    timeout = signal.conditional_timeout_s
    draft = OrderDraft(
        strategy_id=signal.strategy_id,
        signal_id=signal.signal_id,
        symbol=signal.symbol,
        position_side=side,
        purpose=OrderPurpose.OPEN,
        kind=kind,
        quantity=instrument.floor_quantity(quantity),
        price=price,
        trigger_price=trigger,
        time_in_force=signal.time_in_force,
        expires_ms=signal.time_ms + 1000 * timeout if timeout and kind is not OrderKind.MARKET else None,
        score=score,
        terms=_terms(signal),
    )
    return draft, reference


def _outside_band(
    instrument: Instrument, side: PositionSide, price: Decimal | None, trigger: Decimal | None, mark: Decimal | None
) -> Refusal | None:
    """Refuse an entry that the exchange does not take so far from the mark price."""
    if mark is None:
        return None
    ok = price is None or instrument.price_in_band(price, side.opening, mark)
    if ok and trigger is not None:
        ok = all(instrument.price_in_band(trigger, direction, mark) for direction in Side)
    if ok:
        return None
    at = trigger if trigger is not None else price
    detail = f"{at} is outside the exchange's band of {instrument.percent_down} to {instrument.percent_up} times {mark}"
    return _refuse(Reason.PRICE_OUT_OF_RANGE, detail)


def quantity_of(config: TradingConfig, signal: SignalReceived, reference: Decimal | None) -> Decimal | Refusal:
    """How much a signal asks for, base asset, before any rounding: the first size that it gives, else the configured.

    Parameters
    ----------
    reference
        Price that turns money into quantity.
    """
    if signal.quantity is not None:
        return signal.quantity
    context = signal.context
    if signal.quote_quantity is not None:
        quote = signal.quote_quantity
    elif signal.position_size_pct is not None or config.order_size_quote is None:
        fraction = signal.position_size_pct if signal.position_size_pct is not None else config.order_size_pct
        if fraction is None:
            return _refuse(Reason.NO_SIZE, "the signal brings no size and the configuration has none")
        if context.equity is None or context.equity <= 0:
            return _refuse(
                Reason.NO_EQUITY, f"the account's equity is {context.equity}, a fraction of it cannot be sized"
            )
        quote = context.equity * fraction
    else:
        quote = config.order_size_quote
    if reference is None:
        return _refuse(Reason.NO_REFERENCE_PRICE, f"no price of {signal.symbol} is known yet")
    return quote / reference


def _terms(signal: SignalReceived) -> ProtectionTerms:
    return ProtectionTerms(
        stop_loss=signal.stop_loss,
        stop_loss_pct=signal.stop_loss_pct,
        take_profit=signal.take_profit,
        take_profit_pct=signal.take_profit_pct,
        trailing_pct=signal.trailing_pct,
        break_even_at_pct=signal.break_even_at_pct,
    )


def _refuse(reason: Reason, detail: str) -> Refusal:
    return Refusal(reason, RejectionSource.SIZING, detail)
