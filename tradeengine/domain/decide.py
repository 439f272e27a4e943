"""Decide: turn an input into events. Pure: time, prices and ids come in the input or follow from the state."""

from collections.abc import Callable, Iterable, Iterator
from decimal import localcontext
from typing import Any

from contracts.enums import OrderPurpose, OrderStatus, Refusal
from tradeengine.domain import events as ev
from tradeengine.domain import inputs
from tradeengine.domain.evolve import evolve
from tradeengine.domain.exits import plan_rest
from tradeengine.domain.fills import decide_fill
from tradeengine.domain.funding import decide_funding
from tradeengine.domain.halts import decide_command
from tradeengine.domain.legs import settle
from tradeengine.domain.margin import decide_margin_call
from tradeengine.domain.money import MONEY, ZERO
from tradeengine.domain.orders import LiveOrder
from tradeengine.domain.overdraft import put_back, told
from tradeengine.domain.position import leg_key
from tradeengine.domain.protection import plan
from tradeengine.domain.reconcile import decide_observed
from tradeengine.domain.refusals import answer
from tradeengine.domain.retry import try_again
from tradeengine.domain.signals import decide_signal
from tradeengine.domain.state import ShardState
from tradeengine.domain.vanished import told_vanished
from tradeengine.domain.watches import decide_price

EXPIRED = "expired"


def preview(state: ShardState, given: inputs.AnyInput) -> list[ev.AnyEvent]:
    """Decide an input, and change nothing: what :func:`step` begins with."""
    with localcontext(MONEY):
        return decide(state, given)


def step(state: ShardState, given: inputs.AnyInput, decided: list[ev.AnyEvent] | None = None) -> list[ev.AnyEvent]:
    """Decide an input, apply what was decided, and plan what it calls for.

    Parameters
    ----------
    state
        Changed in place. If what is returned cannot be committed, the state is worthless and must be dropped.
    decided
        What :func:`preview` has said of the input on this very state, so that it need not be decided again.

    Returns
    -------
    list of events
        In the order in which they were applied.
    """
    with localcontext(MONEY):
        events = decide(state, given) if decided is None else decided
        for event in events:
            evolve(state, event)
        for event in tuple(events):
            # Lazy on purpose: each follow-up is planned on the state that the one before it left.
            for follow_up in react(state, event):
                evolve(state, follow_up)
                events.append(follow_up)
    return events


def restore(state: ShardState, events: Iterable[ev.AnyEvent]) -> None:
    """Apply committed events to the state, as a restart does."""
    with localcontext(MONEY):
        for event in events:
            evolve(state, event)


def decide(state: ShardState, given: inputs.AnyInput) -> list[ev.AnyEvent]:
    """Events that an input calls for on this state, which stays as it is."""
    return _DECIDE[type(given)](state, given)


def react(state: ShardState, event: ev.AnyEvent) -> Iterator[ev.AnyEvent]:
    """Events that an applied event calls for: protection that follows what is held now."""
    if isinstance(event, ev.OrderEnded):
        yield from _after_end(state, event)
    elif isinstance(event, ev.OrderOpened):
        yield from _settled(state, event)
    elif isinstance(event, ev.OrderAmended):
        yield from _after_amendment(state, event)
    elif isinstance(event, ev.OrderFilled):
        for share in event.shares:
            if not share.after.quantity:
                continue
            leg = state.legs[leg_key(event.symbol, event.position_side)]
            position = leg.strategies[share.strategy_id]
            if share.after.quantity < ZERO:
                if not event.opening:
                    yield told(position, event.time_ms)
                yield from put_back(state, leg, position, event.time_ms)
            else:
                yield from plan_rest(state, position, event.time_ms)
                # A closing fill may be the stop itself, at work behind its trigger: that is no reason to close again.
                near = None if event.reconciled else event.price
                yield from plan(state, position, event.time_ms, near if event.opening else None, near=near)
        if event.opening:
            yield from _unlock(state, event)


def _unlock(state: ShardState, event: ev.OrderFilled) -> Iterator[ev.AnyEvent]:
    """The leg has grown: what was refused to those on it, because too little was there, may be possible now."""
    leg = state.leg(event.symbol, event.position_side)
    for position in tuple(leg.strategies.values()) if leg else ():
        found = {need for need, refused in position.refused.items() if refused.waiting and refused.wants_position}
        if not found or position.quantity <= ZERO:
            continue
        if OrderPurpose.CLOSE in found:
            yield from plan_rest(state, position, event.time_ms)
        yield from plan(state, position, event.time_ms, near=event.price, again=True)


def _settled(state: ShardState, event: ev.OrderOpened) -> Iterator[ev.AnyEvent]:
    """A stop or target rests: those that it was to replace may leave."""
    order = state.orders[event.client_order_id].order
    leg = state.leg(order.symbol, order.position_side)
    position = leg.strategies.get(order.strategy_id) if leg else None
    if position is not None and order.purpose.protective:
        yield from settle(state, position, event.client_order_id, event.time_ms)


def _after_amendment(state: ShardState, event: ev.OrderAmended) -> Iterator[ev.AnyEvent]:
    """A stop or target rests otherwise than it was planned: the right one is placed, then this one cancelled."""
    order = state.orders[event.client_order_id].order
    leg = state.leg(order.symbol, order.position_side)
    position = leg.strategies.get(order.strategy_id) if leg else None
    if position is not None and order.purpose.protective:
        yield from plan(state, position, event.time_ms)


def _after_end(state: ShardState, event: ev.OrderEnded) -> Iterator[ev.AnyEvent]:
    """An order that a position needs ended without our asking: what is still held must not stay naked."""
    leg = state.leg(event.symbol, event.position_side)
    position = leg.strategies.get(event.strategy_id) if leg else None
    if event.purpose is OrderPurpose.OPEN or leg is None or position is None:
        return
    closing = not (event.purpose.opening or event.purpose.protective)
    if closing and (event.wanted or event.unfilled > position.quantity):
        # It asked for more than there is; asking for less is not asking again.
        yield from plan_rest(state, position, event.time_ms)
    elif event.refused:
        yield from answer(state, leg, position, event)
    elif event.purpose.protective and not event.wanted:
        yield from told_vanished(state, position, event)
        yield from plan(state, position, event.time_ms)
    if event.purpose is OrderPurpose.CLOSE:
        yield from plan(state, position, event.time_ms)


def _journal(state: ShardState, given: inputs.JournalOpened) -> list[ev.AnyEvent]:
    named = ev.JournalNamed(time_ms=given.time_ms, journal_id=given.journal_id, shards=given.shards, venue=given.venue)
    return [named]


def _taken(state: ShardState, given: inputs.ShardTaken) -> list[ev.AnyEvent]:
    return [ev.OwnerChanged(time_ms=given.time_ms, owner=given.owner, epoch=given.epoch)]


def _config(state: ShardState, given: inputs.ConfigChanged) -> list[ev.AnyEvent]:
    return [ev.ConfigSet(time_ms=given.time_ms, config=given.config)]


def _instruments(state: ShardState, given: inputs.InstrumentsChanged) -> list[ev.AnyEvent]:
    return [ev.InstrumentsSet(time_ms=given.time_ms, instruments=given.instruments)]


def _signal(state: ShardState, given: inputs.SignalReceived) -> list[ev.AnyEvent]:
    events = decide_signal(state, given)
    equity = given.context.equity
    if state.config.max_drawdown_pct is not None and equity is not None and equity > state.peak_equity:
        events.insert(0, ev.PeakEquityRaised(time_ms=given.time_ms, equity=equity))
    return events


def _order(state: ShardState, given: inputs.OrderReported) -> list[ev.AnyEvent]:
    live = state.orders.get(given.client_order_id)
    if live is None or live.status.terminal:
        return []
    if given.status is OrderStatus.PLANNED:
        return []
    if given.status is OrderStatus.OPEN:
        if live.status is OrderStatus.OPEN:
            return []
        return [
            ev.OrderOpened(
                time_ms=given.time_ms, client_order_id=given.client_order_id, venue_order_id=given.venue_order_id
            )
        ]
    executed = given.executed
    if executed is None and given.status is OrderStatus.FILLED:
        executed = live.order.quantity
    ended = ev.OrderEnded(
        time_ms=given.time_ms,
        client_order_id=given.client_order_id,
        strategy_id=live.order.strategy_id,
        symbol=live.order.symbol,
        position_side=live.order.position_side,
        purpose=live.order.purpose,
        wanted=live.cancelling,
        status=given.status,
        reason=given.reason,
        executed=executed,
        unfilled=live.order.quantity - max(executed or ZERO, live.filled),
        lived_ms=given.time_ms - live.order.planned_ms,
        refusal=_refusal(live, given),
        mark_price=given.mark_price,
    )
    return [ended]


def _refusal(live: LiveOrder, given: inputs.OrderReported) -> Refusal | None:
    """Why an order was refused; one that waited for its trigger and was refused then has the market beyond it."""
    rested = given.status is OrderStatus.REJECTED and live.status is OrderStatus.OPEN and live.order.kind.conditional
    return Refusal.WOULD_TRIGGER if rested and given.refusal in (None, Refusal.OTHER) else given.refusal


def _time(state: ShardState, given: inputs.TimeAdvanced) -> list[ev.AnyEvent]:
    now = given.time_ms
    expired: list[ev.AnyEvent] = [
        ev.CancelPlanned(time_ms=now, client_order_id=order_id, why=EXPIRED)
        for order_id, live in state.orders.items()
        if live.order.expires_ms is not None and live.order.expires_ms <= now and not live.cancelling
    ]
    return expired + try_again(state, now)


_DECIDE: dict[type, Callable[[ShardState, Any], list[ev.AnyEvent]]] = {
    inputs.JournalOpened: _journal,
    inputs.ShardTaken: _taken,
    inputs.ConfigChanged: _config,
    inputs.InstrumentsChanged: _instruments,
    inputs.SignalReceived: _signal,
    inputs.OrderReported: _order,
    inputs.FillReported: decide_fill,
    inputs.FundingSettled: decide_funding,
    inputs.MarginCalled: decide_margin_call,
    inputs.VenueObserved: decide_observed,
    inputs.SymbolCommanded: decide_command,
    inputs.PriceReached: decide_price,
    inputs.TimeAdvanced: _time,
}
