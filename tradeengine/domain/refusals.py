"""Refusals: what follows when the venue refuses an order that a position needs."""

from collections.abc import Iterator
from decimal import Decimal

from contracts.enums import CloseReason, OrderPurpose, OrderStatus, Refusal, Severity, UnprotectedPolicy
from tradeengine.domain import events as ev
from tradeengine.domain.legs import current, replaced
from tradeengine.domain.money import ZERO
from tradeengine.domain.orders import LiveOrder
from tradeengine.domain.patience import MAX_SAME, need_of
from tradeengine.domain.position import Leg, StrategyPosition
from tradeengine.domain.protection import alert, close_crossed, flatten, may_reprice, plan
from tradeengine.domain.state import ShardState
from tradeengine.domain.triggers import beyond

STOP_REFUSED = "stop_refused"
TARGET_REFUSED = "target_refused"
CLOSE_REFUSED = "close_refused"
RESTORE_REFUSED = "restore_refused"

_ALERTS = {
    OrderPurpose.STOP_LOSS: (STOP_REFUSED, Severity.CRITICAL),
    OrderPurpose.TAKE_PROFIT: (TARGET_REFUSED, Severity.WARNING),
    OrderPurpose.CLOSE: (CLOSE_REFUSED, Severity.CRITICAL),
    OrderPurpose.RESTORE: (RESTORE_REFUSED, Severity.CRITICAL),
}


def answer(state: ShardState, leg: Leg, position: StrategyPosition, ended: ev.OrderEnded) -> Iterator[ev.AnyEvent]:
    """Answer the refusal of a stop or target; that of a closing order is told, and tried again by :mod:`.retry`.

    The state has taken the refusal in already.
    """
    if not ended.purpose.protective:
        yield _told(position, ended, "it is tried again after a pause")
    elif position.closable <= ZERO:
        return
    elif ended.purpose is OrderPurpose.STOP_LOSS:
        yield from _stop(state, leg, position, ended)
    else:
        yield from _target(state, position, ended)


def _target(state: ShardState, position: StrategyPosition, ended: ev.OrderEnded) -> Iterator[ev.AnyEvent]:
    """A target that the market has reached takes its profit; any other leaves the stop where it is."""
    trigger = position.refused[OrderPurpose.TAKE_PROFIT].trigger_price
    if ended.refusal is Refusal.WOULD_TRIGGER:
        part = position.closable - _at_work(state, position, OrderPurpose.TAKE_PROFIT, trigger)
        yield from flatten(state, position, ended.time_ms, CloseReason.TAKE_PROFIT, part)
        return
    if ended.refusal is Refusal.OUT_OF_BAND and ended.mark_price is not None:
        moved = plan(state, position, ended.time_ms, near=ended.mark_price)
        if position.target_waits or any(isinstance(e, ev.ProtectionPlanned) and e.target_waits for e in moved):
            yield from moved
            return
    yield _told(position, ended, "the stop stays, the target is tried again after a pause")


def _stop(state: ShardState, leg: Leg, position: StrategyPosition, ended: ev.OrderEnded) -> Iterator[ev.AnyEvent]:
    if ended.refusal is Refusal.WOULD_TRIGGER:
        yield from _crossed(state, position, ended)
        return
    refused = position.refused[OrderPurpose.STOP_LOSS]
    if ended.refusal is Refusal.OUT_OF_BAND and ended.mark_price is not None and refused.times < MAX_SAME:
        moved = plan(state, position, ended.time_ms, near=ended.mark_price)
        if any(isinstance(event, ev.OrderPlanned) for event in moved):
            yield _told(position, ended, "it is placed again inside the band")
            yield from moved
            return
    if _is_covered(state, position):
        yield _told(position, ended, "the stop that it was to replace stays; it is tried again after a pause")
    elif refused.wants_position and any(holder.quantity < ZERO for holder in leg.strategies.values()):
        yield _told(position, ended, "the leg lacks what orders took too much; it is tried again once that is back")
    elif ended.status is not OrderStatus.REJECTED and refused.times < MAX_SAME:
        yield _told(position, ended, "it did not rest; it is tried again after a pause")
    elif state.config.unprotected is UnprotectedPolicy.HOLD:
        yield _told(position, ended, "the position is held without it, by the policy for unprotected positions")
    else:
        yield _told(position, ended, "the position is closed at market")
        yield from flatten(state, position, ended.time_ms)


def _crossed(state: ShardState, position: StrategyPosition, ended: ev.OrderEnded) -> Iterator[ev.AnyEvent]:
    """The market stands beyond the stop: move it once, or close."""
    trigger, mark, side = position.refused[OrderPurpose.STOP_LOSS].trigger_price, ended.mark_price, position.side
    if may_reprice(state, position) and trigger is not None and mark is not None:
        # The market may have come back since; the new stop lies beyond the old one all the same.
        worse = min(mark, trigger) if side.sign > 0 else max(mark, trigger)
        stop = beyond(state.config, side, state.instruments[position.symbol], worse)
        if stop > ZERO:
            yield from plan(state, position, ended.time_ms, near=mark, repriced=stop)
            return
    part = position.closable - _at_work(state, position, OrderPurpose.STOP_LOSS, trigger)
    yield from close_crossed(state, position, part, ended.time_ms)


def _at_work(state: ShardState, position: StrategyPosition, purpose: OrderPurpose, trigger: Decimal | None) -> Decimal:
    """Quantity that other stops or targets take off, because the market must have crossed them too."""
    if trigger is None:
        return ZERO
    sign = position.side.sign if purpose is OrderPurpose.STOP_LOSS else -position.side.sign
    crossed = [
        live.remaining
        for live in _resting(state, position, purpose)
        if live.order.trigger_price is not None and sign * (live.order.trigger_price - trigger) >= 0
    ]
    return min(sum(crossed, ZERO), position.closable)


def _is_covered(state: ShardState, position: StrategyPosition) -> bool:
    """Whether stops that rest still close all that is held."""
    resting = _resting(state, position, OrderPurpose.STOP_LOSS)
    return sum((live.remaining for live in resting), ZERO) >= position.quantity


def _resting(state: ShardState, position: StrategyPosition, purpose: OrderPurpose) -> list[LiveOrder]:
    orders = [current(state, position, purpose), *replaced(state, position, purpose)]
    return [live for live in orders if live is not None and not (live.cancelling or live.status.terminal)]


def _told(position: StrategyPosition, ended: ev.OrderEnded, then: str) -> ev.AlertRaised:
    need = need_of(ended.purpose)
    name, severity = _ALERTS[need]
    refused = position.refused.get(need)
    times = f", {refused.times} times in a row" if refused and refused.times > 1 else ""
    why = ended.reason or ended.refusal or ended.status
    text = (
        f"the venue refused the {ended.purpose} order {ended.client_order_id} of {position.strategy_id} on "
        f"{position.symbol} {position.side}{times} ({why}): {then}"
    )
    return alert(position, name, severity, text, ended.time_ms)
