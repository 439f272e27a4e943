"""Risk: the only maker of approved orders. Openings meet limits; what reduces risk always passes."""

from decimal import Decimal

import msgspec

from contracts.enums import CloseReason, OrderKind, OrderPurpose, Reason, RejectionSource
from tradeengine.domain import allowance
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.conflicts import Refusal
from tradeengine.domain.ids import client_order_id
from tradeengine.domain.inputs import SignalReceived
from tradeengine.domain.instrument import Instrument
from tradeengine.domain.orders import ApprovedOrder, OrderDraft, ProtectionTerms, merged
from tradeengine.domain.position import Leg, StrategyPosition
from tradeengine.domain.state import ShardState
from tradeengine.domain.triggers import TRAILING_MAX, stop_fraction, wants_stop, wants_target

_LETTER = {
    OrderPurpose.OPEN: "o",
    OrderPurpose.CLOSE: "c",
    OrderPurpose.STOP_LOSS: "s",
    OrderPurpose.TAKE_PROFIT: "t",
    OrderPurpose.FLATTEN: "f",
    OrderPurpose.RESTORE: "r",
}

RISK_CHECKS = {
    "account": (Reason.ACCOUNT_UNKNOWN,),
    "daily_loss": (Reason.DAILY_LOSS_LIMIT,),
    "drawdown": (Reason.DRAWDOWN_LIMIT,),
    "stop_side": (Reason.STOP_WRONG_SIDE, Reason.TARGET_WRONG_SIDE),
    "stop_distance": (Reason.STOP_OUT_OF_BAND, Reason.STOP_TOO_FAR),
    "protection_room": (Reason.PROTECTION_LIMIT,),
    "position_size": (Reason.POSITION_LIMIT, Reason.NO_REFERENCE_PRICE),
    "exposure": (Reason.EXPOSURE_LIMIT,),
}
"""Checks of an opening order in the order in which they are made, each with the reasons that it refuses for."""


def approve_opening(
    state: ShardState,
    leg: Leg | None,
    instrument: Instrument,
    signal: SignalReceived,
    draft: OrderDraft,
    reference: Decimal | None,
    number: int,
) -> ApprovedOrder | Refusal:
    """Hold an opening order against every limit.

    Parameters
    ----------
    leg
        The leg that it adds to; ``None`` when nothing is held.
    reference
        Price that values the order, if one is known.
    number
        The order's number in the shard, for its id.

    Returns
    -------
    ApprovedOrder or Refusal
        The order, perhaps cut down to what is left of the position limit.
    """
    refusal = (
        _unknown(signal)
        or _losses(state, signal)
        or _stop_sides(draft, reference)
        or _stop_distance(state.config, instrument, draft, reference)
        or allowance.refusal(state.config, signal.context, leg, draft)
    )
    if refusal is not None:
        return refusal
    cut = _cut_to_position_limit(state, leg, instrument, draft, reference)
    if isinstance(cut, Refusal):
        return cut
    refusal = (
        _exposure(state, signal, cut, reference)
        or _filters(instrument, cut, reference)
        or _closable_by_one_stop(state, leg, instrument, cut)
    )
    if refusal is not None:
        return refusal
    return _approve(state, cut, number, signal.time_ms)


def approve_exempt(state: ShardState, draft: OrderDraft, number: int, time_ms: int) -> ApprovedOrder:
    """Approve an order that reduces a position, or puts back what was overdrawn: no limit stands in its way."""
    return _approve(state, draft, number, time_ms)


def _approve(state: ShardState, draft: OrderDraft, number: int, time_ms: int) -> ApprovedOrder:
    side = draft.position_side
    return ApprovedOrder(
        client_order_id=client_order_id(state.journal_id, state.shard, number, _LETTER[draft.purpose]),
        strategy_id=draft.strategy_id,
        signal_id=draft.signal_id,
        symbol=draft.symbol,
        side=side.opening if draft.purpose.opening else side.closing,
        position_side=side,
        purpose=draft.purpose,
        kind=draft.kind,
        quantity=draft.quantity,
        price=draft.price,
        trigger_price=draft.trigger_price,
        callback_pct=draft.callback_pct,
        time_in_force=draft.time_in_force,
        planned_ms=time_ms,
        expires_ms=draft.expires_ms,
        score=draft.score,
        terms=draft.terms,
        position_id=draft.position_id,
        close_reason=draft.close_reason,
    )


def _unknown(signal: SignalReceived) -> Refusal | None:
    reason = signal.context.account_unknown
    return _refuse(Reason.ACCOUNT_UNKNOWN, f"{reason}; closing is possible") if reason is not None else None


def _losses(state: ShardState, signal: SignalReceived) -> Refusal | None:
    config, context = state.config, signal.context
    limit = config.max_daily_loss_usd
    if limit is not None and context.day_pnl is not None and -context.day_pnl >= limit:
        return _refuse(Reason.DAILY_LOSS_LIMIT, f"lost {-context.day_pnl} today, the limit is {limit}")
    pct = config.max_drawdown_pct
    peak = max(state.peak_equity, context.peak_equity or 0)
    if pct is not None and context.equity is not None and peak > 0:
        drawdown = 1 - context.equity / peak
        if drawdown >= pct:
            return _refuse(Reason.DRAWDOWN_LIMIT, f"equity is {drawdown:.4f} below its peak, the limit is {pct}")
    return None


def _exposure(
    state: ShardState, signal: SignalReceived, draft: OrderDraft, reference: Decimal | None
) -> Refusal | None:
    limit, context = state.config.max_exposure_usd, signal.context
    if limit is None:
        return None
    room = context.exposure_room
    if reference is not None and room is not None:
        notional = draft.quantity * reference
        if notional <= room:
            return None
        detail = f"{notional} more is asked for, and of the account's limit of {limit} there is {room} for this shard"
        return _refuse(Reason.EXPOSURE_LIMIT, detail)
    if reference is None or context.exposure is None:
        return _refuse(Reason.NO_REFERENCE_PRICE, "the exposure limit needs a price and none is known")
    exposure = context.exposure + draft.quantity * reference
    if exposure > limit:
        return _refuse(Reason.EXPOSURE_LIMIT, f"exposure would be {exposure}, the limit is {limit}")
    return None


def _stop_sides(draft: OrderDraft, reference: Decimal | None) -> Refusal | None:
    terms = draft.terms
    if reference is None:
        return None
    sign = draft.position_side.sign
    if terms.stop_loss is not None and sign * (reference - terms.stop_loss) <= 0:
        return _refuse(Reason.STOP_WRONG_SIDE, f"stop {terms.stop_loss} of a {draft.position_side} at {reference}")
    if terms.take_profit is not None and sign * (terms.take_profit - reference) <= 0:
        return _refuse(
            Reason.TARGET_WRONG_SIDE, f"target {terms.take_profit} of a {draft.position_side} at {reference}"
        )
    return None


def _stop_distance(
    config: TradingConfig, instrument: Instrument, draft: OrderDraft, reference: Decimal | None
) -> Refusal | None:
    """A stop must be possible: the least distance inside the exchange's band, the stop no farther than is allowed."""
    terms, side = draft.terms, draft.position_side
    if not wants_stop(config, terms):
        return None
    least, most = config.min_stop_distance_pct, config.max_stop_distance_pct
    room = instrument.room_beyond(side) if terms.trailing_pct is None else TRAILING_MAX
    if room is not None and least > room:
        detail = f"a stop keeps {least} from the market, and {draft.symbol} takes none beyond {room}: lower the least"
        return _refuse(Reason.STOP_OUT_OF_BAND, f"{detail} stop distance, or leave the symbol out")
    if most is None:
        return None
    distance = stop_fraction(config, terms)
    if terms.stop_loss is not None:
        if reference is None:
            return _refuse(Reason.NO_REFERENCE_PRICE, "the stop's distance needs a price and none is known")
        distance = abs(reference - terms.stop_loss) / reference
    distance = max(distance or Decimal(0), least)
    if distance > most:
        return _refuse(Reason.STOP_TOO_FAR, f"the stop is {distance:.6f} of the price away, at most {most} is allowed")
    return None


def _closable_by_one_stop(
    state: ShardState, leg: Leg | None, instrument: Instrument, draft: OrderDraft
) -> Refusal | None:
    """A protected position must not grow beyond what one stop can close at market."""
    _, most = instrument.quantity_limits(market=True)
    own = leg.strategies.get(draft.strategy_id) if leg else None
    terms = merged(own.terms, draft.terms) if own else draft.terms
    protected = wants_stop(state.config, terms) or wants_target(state.config, terms) or terms.break_even_at_pct
    if not most or not protected:
        return None
    entries = [state.orders[order_id] for order_id in leg.opening_orders] if leg else []
    under_way = sum((e.remaining for e in entries if e.order.strategy_id == draft.strategy_id), Decimal(0))
    total = draft.quantity + under_way + (max(own.quantity, Decimal(0)) if own else Decimal(0))
    if total <= most:
        return None
    detail = f"{draft.strategy_id} would hold {total}, and a stop or target closes at most {most}"
    return _size(Reason.ABOVE_MAX_QUANTITY, detail)


def _cut_to_position_limit(
    state: ShardState, leg: Leg | None, instrument: Instrument, draft: OrderDraft, reference: Decimal | None
) -> OrderDraft | Refusal:
    limit = state.config.max_position_usd
    if limit is None:
        return draft
    if reference is None:
        return _refuse(Reason.NO_REFERENCE_PRICE, "the position limit needs a price and none is known")
    held = (leg.quantity + leg.pending) * reference if leg else Decimal(0)
    room = limit - held
    if draft.quantity * reference <= room:
        return draft
    cut = instrument.floor_quantity(room / reference) if room > 0 else Decimal(0)
    least, _ = instrument.quantity_limits(market=draft.kind is OrderKind.MARKET)
    if cut <= 0 or cut < least or cut * reference < instrument.min_notional:
        return _refuse(Reason.POSITION_LIMIT, f"{held} of at most {limit} is held or under way")
    return msgspec.structs.replace(draft, quantity=cut)


def _filters(instrument: Instrument, draft: OrderDraft, reference: Decimal | None) -> Refusal | None:
    quantity = draft.quantity
    least, most = instrument.quantity_limits(market=draft.kind is OrderKind.MARKET)
    if quantity <= 0 or quantity < least:
        return _size(Reason.BELOW_MIN_QUANTITY, f"{quantity} is less than {least or instrument.step_size}")
    if most and quantity > most:
        return _size(Reason.ABOVE_MAX_QUANTITY, f"{quantity} is more than {most}")
    if reference is not None and quantity * reference < instrument.min_notional:
        return _size(Reason.BELOW_MIN_NOTIONAL, f"{quantity * reference} is less than {instrument.min_notional}")
    return None


def exempt_draft(
    position: StrategyPosition,
    purpose: OrderPurpose,
    quantity: Decimal,
    signal_id: str,
    trigger_price: Decimal | None = None,
    callback_pct: Decimal | None = None,
    close_reason: CloseReason | None = None,
) -> OrderDraft:
    """Draft an order that no limit may stop: at market, or a stop or target with a trigger price or a callback."""
    return OrderDraft(
        strategy_id=position.strategy_id,
        signal_id=signal_id,
        symbol=position.symbol,
        position_side=position.side,
        purpose=purpose,
        kind=_EXEMPT_KIND[purpose] if callback_pct is None else OrderKind.TRAILING_STOP_MARKET,
        quantity=quantity,
        trigger_price=trigger_price,
        callback_pct=callback_pct,
        terms=_NO_TERMS,
        position_id=position.position_id,
        close_reason=close_reason,
    )


def market_orders(
    state: ShardState,
    position: StrategyPosition,
    purpose: OrderPurpose,
    quantity: Decimal,
    signal_id: str,
    time_ms: int,
    planned: int = 0,
    close_reason: CloseReason | None = None,
) -> list[ApprovedOrder]:
    """Approve market orders that no limit may stop: whole steps, as many orders as the venue's greatest asks for.

    Parameters
    ----------
    quantity
        Of all of them together, base asset; nothing is approved for less than a step.
    planned
        Orders that the same decision has planned before.
    close_reason
        Why they close, where the purpose alone does not say it.
    """
    instrument = state.instruments.get(position.symbol)
    if instrument is None:
        return []
    _, most = instrument.quantity_limits(market=True)
    rest = instrument.floor_quantity(quantity)
    largest = instrument.floor_quantity(most) or rest
    orders: list[ApprovedOrder] = []
    while rest > 0:
        part = min(rest, largest)
        draft = exempt_draft(position, purpose, part, signal_id, close_reason=close_reason)
        orders.append(approve_exempt(state, draft, state.orders_planned + planned + len(orders), time_ms))
        rest -= part
    return orders


_EXEMPT_KIND = {
    OrderPurpose.CLOSE: OrderKind.MARKET,
    OrderPurpose.STOP_LOSS: OrderKind.STOP_MARKET,
    OrderPurpose.TAKE_PROFIT: OrderKind.TAKE_PROFIT_MARKET,
    OrderPurpose.FLATTEN: OrderKind.MARKET,
    OrderPurpose.RESTORE: OrderKind.MARKET,
}
_NO_TERMS = ProtectionTerms()


def _refuse(reason: Reason, detail: str) -> Refusal:
    return Refusal(reason, RejectionSource.RISK, detail)


def _size(reason: Reason, detail: str) -> Refusal:
    return Refusal(reason, RejectionSource.SIZING, detail)
