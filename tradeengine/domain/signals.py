"""Decide signals: one outcome each, with one reason where it is refused."""

from contracts.enums import (
    Action,
    OppositeDirectionPolicy,
    OrderPurpose,
    Outcome,
    PositionMode,
    PositionSide,
    Reason,
    RejectionSource,
)
from tradeengine.domain import events as ev
from tradeengine.domain.conflicts import Refusal, same_direction, score_of
from tradeengine.domain.inputs import SignalReceived
from tradeengine.domain.instrument import Instrument
from tradeengine.domain.money import ZERO
from tradeengine.domain.numbering import numbering_key, told_number
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.domain.position import Leg
from tradeengine.domain.risk import approve_opening, market_orders
from tradeengine.domain.sizing import draft_entry, quantity_of
from tradeengine.domain.state import ShardState

_OPENS = {Action.BUY: PositionSide.LONG, Action.SELL: PositionSide.SHORT}


def decide_signal(state: ShardState, signal: SignalReceived) -> list[ev.AnyEvent]:
    """Decide one signal.

    Returns
    -------
    list of events
        A :class:`~tradeengine.domain.events.SignalDecided` first, then the orders and cancels that it calls for, then
        what is to be told of its number.
    """
    if signal.known or signal.key in state.decided:
        reason = Reason.DUPLICATE_SIGNAL
        return [_decision(signal, Outcome.DUPLICATE, Refusal(reason, RejectionSource.INTAKE))]
    numbering = state.numberings.get(numbering_key(signal.strategy_id, signal.symbol))
    return [*_first_copy(state, signal), *told_number(numbering, signal)]


def _first_copy(state: ShardState, signal: SignalReceived) -> list[ev.AnyEvent]:
    if signal.action is Action.HOLD:
        return [_decision(signal, Outcome.HELD)]
    if signal.action is Action.CLOSE:
        return _close(state, signal)
    return _open(state, signal)


def _open(state: ShardState, signal: SignalReceived) -> list[ev.AnyEvent]:
    side = _OPENS[signal.action]
    instrument = _admit(state, signal, side)
    if isinstance(instrument, Refusal):
        return [_refused(signal, instrument)]
    closing: list[ApprovedOrder] = []
    if state.config.position_mode is PositionMode.ONE_WAY:
        resolved = _resolve_opposite(state, signal, side)
        if isinstance(resolved, Refusal):
            return [_refused(signal, resolved)]
        closing = resolved
        if closing and state.config.opposite_direction is OppositeDirectionPolicy.REDUCE:
            return _accepted(signal, closing)
    leg = state.leg(signal.symbol, side)
    refusal = (_owing(leg, signal) or same_direction(state, leg, signal)) if leg else None
    if refusal is not None:
        return [_refused(signal, refusal)]
    drafted = draft_entry(state.config, instrument, signal, side, score_of(signal))
    if isinstance(drafted, Refusal):
        return [_refused(signal, drafted)]
    draft, reference = drafted
    number = state.orders_planned + len(closing)
    order = approve_opening(state, leg, instrument, signal, draft, reference, number)
    if isinstance(order, Refusal):
        return [_refused(signal, order)]
    cut = None if order.quantity == draft.quantity else f"cut from {draft.quantity} to the position limit"
    return _accepted(signal, [*closing, order], detail=cut)


def _owing(leg: Leg, signal: SignalReceived) -> Refusal | None:
    """What a strategy owes is put back first: what it buys meanwhile would settle the debt instead of opening."""
    own = leg.strategies.get(signal.strategy_id)
    if own is None or own.quantity >= ZERO:
        return None
    detail = f"{signal.strategy_id} owes {-own.quantity} of {leg.key}, which is being put back: send it again"
    return Refusal(Reason.OVERDRAWN, RejectionSource.CONFLICT, detail)


def _admit(state: ShardState, signal: SignalReceived, side: PositionSide) -> Instrument | Refusal:
    """Rules that every opening signal meets whatever is held."""
    config = state.config
    age = signal.time_ms - signal.timestamp_ms
    if age > config.max_signal_age_ms:
        return _invalid(Reason.STALE_SIGNAL, f"{age} ms old, at most {config.max_signal_age_ms} ms are allowed")
    if -age > config.max_signal_lead_ms:
        return _invalid(Reason.FUTURE_SIGNAL, f"{-age} ms ahead, at most {config.max_signal_lead_ms} ms are allowed")
    if config.allowed_symbols and signal.symbol not in config.allowed_symbols:
        return _invalid(Reason.SYMBOL_NOT_ALLOWED, f"{signal.symbol} is not in ALLOWED_SYMBOLS")
    instrument = state.instruments.get(signal.symbol)
    if instrument is None:
        return _invalid(Reason.UNKNOWN_INSTRUMENT, f"the venue does not trade {signal.symbol}")
    halted = state.halted.get(signal.symbol)
    if halted is not None or not instrument.trading:
        why = halted if halted is not None else "the exchange takes no openings now"
        return _invalid(Reason.SYMBOL_HALTED, f"{signal.symbol} is halted: {why}; closing is possible")
    if signal.position_side is not None and signal.position_side is not side:
        return _invalid(Reason.POSITION_SIDE_MISMATCH, f"{signal.action} opens {side}, not {signal.position_side}")
    floor = config.confidence_floor(signal.strategy_id, signal.strategy_mode)
    if signal.confidence < floor:
        return _invalid(Reason.LOW_CONFIDENCE, f"{signal.confidence} is below {floor}")
    return instrument


def _resolve_opposite(state: ShardState, signal: SignalReceived, side: PositionSide) -> list[ApprovedOrder] | Refusal:
    """One-way mode: an account cannot hold both legs, so the sender's own opposite leg goes first or nothing does."""
    opposite = state.leg(signal.symbol, side.opposite)
    if opposite is None:
        return []
    policy = state.config.opposite_direction
    own = opposite.strategies.get(signal.strategy_id)
    others = any(name != signal.strategy_id for name in opposite.strategies) or any(
        state.orders[order_id].order.strategy_id != signal.strategy_id for order_id in opposite.opening_orders
    )
    if policy is OppositeDirectionPolicy.REJECT or own is None or own.closable <= 0:
        return _conflict(f"{opposite.key} is held and one-way mode allows one side")
    if policy is OppositeDirectionPolicy.FLIP and others:
        return _conflict(f"{opposite.key} is held by others too, it cannot be flipped")
    wanted = own.closable
    if policy is OppositeDirectionPolicy.REDUCE:
        sized = quantity_of(state.config, signal, signal.reference_price)
        wanted = wanted if isinstance(sized, Refusal) else min(wanted, sized)
    return market_orders(state, own, OrderPurpose.CLOSE, wanted, signal.signal_id, signal.time_ms)


def _close(state: ShardState, signal: SignalReceived) -> list[ev.AnyEvent]:
    """Reduce the sender's own share: never refused for age, confidence, limits or cooldown."""
    sides = (signal.position_side,) if signal.position_side else (PositionSide.LONG, PositionSide.SHORT)
    orders: list[ApprovedOrder] = []
    cancels: list[ev.AnyEvent] = []
    busy: str | None = None
    small = False
    for side in sides:
        leg = state.leg(signal.symbol, side)
        if leg is None:
            continue
        cancels += _cancel_entries(state, leg, signal)
        own = leg.strategies.get(signal.strategy_id)
        if own is None or own.quantity <= ZERO:
            continue
        if own.is_denied:
            busy = "the exchange holds less than the last close asked for: books are compared, then it is tried again"
            continue
        wanted = min(own.closable, signal.quantity or own.closable)
        placed = market_orders(
            state, own, OrderPurpose.CLOSE, wanted, signal.signal_id, signal.time_ms, planned=len(orders)
        )
        if own.closable <= ZERO:
            busy = "a closing order is under way"
        small = small or (own.closable > ZERO and not placed)
        orders += placed
    if orders or cancels:
        return _accepted(signal, orders) + cancels
    if small:
        least = state.instruments[signal.symbol].step_size
        detail = f"less than a step of {least} is to be closed"
        refusal = Refusal(Reason.BELOW_MIN_QUANTITY, RejectionSource.SIZING, detail)
    elif busy:
        refusal = Refusal(Reason.ALREADY_CLOSING, RejectionSource.CONFLICT, busy)
    else:
        held = f"{signal.strategy_id} holds nothing of {signal.symbol} {signal.position_side or ''}".rstrip()
        refusal = Refusal(Reason.NO_POSITION, RejectionSource.CONFLICT, held)
    return [_refused(signal, refusal)]


def _cancel_entries(state: ShardState, leg: Leg, signal: SignalReceived) -> list[ev.AnyEvent]:
    """Entries under way would open again what the strategy asks to be out of."""
    return [
        ev.CancelPlanned(time_ms=signal.time_ms, client_order_id=order_id, why=ev.CLOSED_BY_SIGNAL)
        for order_id in leg.opening_orders
        if state.orders[order_id].order.strategy_id == signal.strategy_id and not state.orders[order_id].unwanted
    ]


def _accepted(signal: SignalReceived, orders: list[ApprovedOrder], detail: str | None = None) -> list[ev.AnyEvent]:
    decision = ev.SignalDecided(
        time_ms=signal.time_ms,
        strategy_id=signal.strategy_id,
        signal_id=signal.signal_id,
        symbol=signal.symbol,
        action=signal.action,
        outcome=Outcome.ACCEPTED,
        detail=detail,
        ahead_ms=_ahead(signal),
        sequence=signal.sequence,
        sent_ms=_sent(signal),
        orders=tuple([order.client_order_id for order in orders]),
    )
    return [decision, *[ev.OrderPlanned(time_ms=signal.time_ms, order=order) for order in orders]]


def _refused(signal: SignalReceived, refusal: Refusal) -> ev.SignalDecided:
    return _decision(signal, Outcome.REJECTED, refusal)


def _decision(signal: SignalReceived, outcome: Outcome, refusal: Refusal | None = None) -> ev.SignalDecided:
    is_first = outcome is not Outcome.DUPLICATE
    return ev.SignalDecided(
        time_ms=signal.time_ms,
        strategy_id=signal.strategy_id,
        signal_id=signal.signal_id,
        symbol=signal.symbol,
        action=signal.action,
        outcome=outcome,
        reason=refusal.reason if refusal else None,
        source=refusal.source if refusal else None,
        detail=refusal.detail if refusal else None,
        ahead_ms=_ahead(signal),
        sequence=signal.sequence if is_first else None,
        sent_ms=_sent(signal) if is_first else None,
    )


def _ahead(signal: SignalReceived) -> int | None:
    return signal.timestamp_ms if signal.timestamp_ms > signal.time_ms else None


def _sent(signal: SignalReceived) -> int | None:
    """Return the own time of a numbered signal."""
    return None if signal.sequence is None else signal.timestamp_ms


def _invalid(reason: Reason, detail: str) -> Refusal:
    return Refusal(reason, RejectionSource.VALIDATION, detail)


def _conflict(detail: str) -> Refusal:
    return Refusal(Reason.OPPOSITE_DIRECTION, RejectionSource.CONFLICT, detail)
