"""Protection: stop and target of every strategy position, or its close where they cannot be had."""

from decimal import Decimal

import msgspec

from contracts.enums import CloseReason, CrossedStopPolicy, OrderPurpose, Severity
from tradeengine.domain import events as ev
from tradeengine.domain.instrument import Instrument
from tradeengine.domain.legs import Legs, cancels, current, fits, is_at_work, protected_quantity
from tradeengine.domain.position import StrategyPosition
from tradeengine.domain.risk import market_orders
from tradeengine.domain.state import ShardState
from tradeengine.domain.triggers import Armed, arm, beyond, is_crossed

POSITION_CLOSED = "position closed"
STOP_CROSSED = "stop_crossed"
STOP_PARTIAL = "stop_partial"


def plan(
    state: ShardState,
    position: StrategyPosition,
    time_ms: int,
    price: Decimal | None = None,
    *,
    near: Decimal | None = None,
    repriced: Decimal | None = None,
    again: bool = False,
    planned: int = 0,
) -> list[ev.AnyEvent]:
    """Plan what the position needs now; one that is being closed needs nothing.

    Parameters
    ----------
    price
        Price that the market stands at, where it may stand beyond a stop or target that does not rest yet: that one
        cannot rest then.
    near
        The same, where a stop or target beyond it is at work already.
    repriced
        Stop that takes the place of one that the market has crossed.
    again
        Whether what was refused is tried again at once, because what it lacked may be there now.
    planned
        Orders that the same decision has planned before.
    """
    instrument = state.instruments.get(position.symbol)
    if instrument is None or position.closable <= 0:
        return []
    armed = _armed(state, position, instrument, price if price is not None else near, repriced)
    crossed = price is not None and _stop_crossed(state, position, armed, price)
    if price is not None and crossed and may_reprice(state, position):
        substitute = beyond(state.config, position.side, instrument, price)
        if substitute > 0:
            armed, crossed = _armed(state, position, instrument, price, substitute), False
    events: list[ev.AnyEvent] = []
    if not armed.is_planned(position):
        events += _announced(position, instrument, armed, time_ms)
    if crossed:
        return events + close_crossed(state, position, position.closable, time_ms, planned=planned)
    if price is not None and _target_crossed(state, position, armed, price):
        return events + flatten(state, position, time_ms, CloseReason.TAKE_PROFIT, planned=planned)
    return events + Legs(state, position, time_ms, again=again, planned=planned).bring_to(armed)


def flatten(
    state: ShardState,
    position: StrategyPosition,
    time_ms: int,
    reason: CloseReason | None = None,
    quantity: Decimal | None = None,
    *,
    planned: int = 0,
) -> list[ev.AnyEvent]:
    """Close at market what no closing order is after yet: the answer to a stop or target that cannot rest.

    Parameters
    ----------
    reason
        What the closing is booked as; an emergency without one.
    quantity
        How much, base asset; all of it without one.
    planned
        Orders that the same decision has planned before.
    """
    orders = market_orders(
        state,
        position,
        OrderPurpose.FLATTEN,
        position.closable if quantity is None else quantity,
        position.signal_id,
        time_ms,
        planned=planned,
        close_reason=reason,
    )
    return [ev.OrderPlanned(time_ms=time_ms, order=order) for order in orders]


def close_crossed(
    state: ShardState, position: StrategyPosition, quantity: Decimal, time_ms: int, *, planned: int = 0
) -> list[ev.AnyEvent]:
    """Close at market what has a stop that the market has crossed; ``quantity`` in the base asset."""
    closing = flatten(state, position, time_ms, CloseReason.STOP_LOSS, quantity, planned=planned)
    if not closing:
        return []
    text = (
        f"the market has crossed the stop of {position.strategy_id} on {position.symbol} {position.side} before it "
        f"could rest: {quantity} is closed at market"
    )
    return [*closing, alert(position, STOP_CROSSED, Severity.WARNING, text, time_ms)]


def may_reprice(state: ShardState, position: StrategyPosition) -> bool:
    """Whether a stop that the market has crossed may take another place: by the policy, once a position."""
    return state.config.crossed_stop is CrossedStopPolicy.REPRICE and position.repriced is None


def withdraw(state: ShardState, position: StrategyPosition, but: str, time_ms: int) -> list[ev.AnyEvent]:
    """Cancel every order that could still reduce a position that has just been closed, but the one that closed it."""
    orders = [state.orders[order_id] for order_id in position.reducing_orders if order_id != but]
    return cancels(orders, POSITION_CLOSED, time_ms)


def alert(position: StrategyPosition, name: str, severity: Severity, text: str, time_ms: int) -> ev.AlertRaised:
    """Say something about a position; the text says what, where and what to do."""
    return ev.AlertRaised(
        time_ms=time_ms,
        name=name,
        severity=severity,
        text=text,
        symbol=position.symbol,
        position_side=position.side,
        strategy_id=position.strategy_id,
    )


def _armed(
    state: ShardState,
    position: StrategyPosition,
    instrument: Instrument,
    market: Decimal | None,
    repriced: Decimal | None,
) -> Armed:
    stop = current(state, position, OrderPurpose.STOP_LOSS)
    keep = fits(stop, protected_quantity(instrument, position), position.stop_price, None)
    return arm(state.config, position, instrument, market, keep=keep, repriced=repriced)


def _stop_crossed(state: ShardState, position: StrategyPosition, armed: Armed, price: Decimal) -> bool:
    stop = armed.stop_price
    if stop is None or not is_crossed(position.side, stop, price):
        return False
    return not is_at_work(state, position, OrderPurpose.STOP_LOSS, stop)


def _target_crossed(state: ShardState, position: StrategyPosition, armed: Armed, price: Decimal) -> bool:
    target = armed.target_price
    if target is None or position.side.sign * (target - price) > 0:
        return False
    return not is_at_work(state, position, OrderPurpose.TAKE_PROFIT, target)


def _announced(position: StrategyPosition, instrument: Instrument, armed: Armed, time_ms: int) -> list[ev.AnyEvent]:
    """Say what is wanted now, and where one order cannot close it all."""
    planned = ev.ProtectionPlanned(
        time_ms=time_ms,
        position_id=position.position_id,
        strategy_id=position.strategy_id,
        symbol=position.symbol,
        position_side=position.side,
        quantity=position.quantity,
        **msgspec.structs.asdict(armed),
    )
    most = protected_quantity(instrument, position)
    if most >= instrument.floor_quantity(position.quantity) or not (armed.stop_price or armed.trailing_pct):
        return [planned]
    text = (
        f"{position.strategy_id} holds {position.quantity} of {position.symbol} {position.side}, and one order closes "
        f"at most {most}: the rest has neither stop nor target; close a part of it"
    )
    return [planned, alert(position, STOP_PARTIAL, Severity.CRITICAL, text, time_ms)]
