"""Evolve: apply an event to the state. No decision is made here, so replaying events restores the state exactly."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from contracts.enums import OrderPurpose, OrderStatus, PositionSide
from contracts.signal import EXTERNAL
from tradeengine.domain import events as ev
from tradeengine.domain import shelter, truth
from tradeengine.domain.books import EMPTY
from tradeengine.domain.inputs import signal_key, trade_key
from tradeengine.domain.memory import note_trade, remember_ended, remember_settlement
from tradeengine.domain.money import ZERO
from tradeengine.domain.numbering import note_number, numbering_key
from tradeengine.domain.orders import LiveOrder, merged
from tradeengine.domain.position import Exit, Leg, StrategyPosition, leg_key
from tradeengine.domain.state import DAY_MS, EVERY_STRATEGY, MAX_AHEAD, MEMORY_ENTRIES, TRADE_ENTRIES, ShardState


def evolve(state: ShardState, event: ev.AnyEvent) -> None:
    """Change the state in place as the event says.

    Must run in the :data:`~tradeengine.domain.money.MONEY` context.
    """
    _APPLY[type(event)](state, event)


def _named(state: ShardState, event: ev.JournalNamed) -> None:
    state.began_ms = event.time_ms
    state.journal_id = event.journal_id
    state.shards = event.shards
    state.venue = event.venue


def _owned(state: ShardState, event: ev.OwnerChanged) -> None:
    state.owner, state.epoch = event.owner, event.epoch


def _configured(state: ShardState, event: ev.ConfigSet) -> None:
    state.config = event.config


def _instructed(state: ShardState, event: ev.InstrumentsSet) -> None:
    for instrument in event.instruments:
        state.instruments[instrument.symbol] = instrument


def _decided(state: ShardState, event: ev.SignalDecided) -> None:
    key = signal_key(event.strategy_id, event.symbol, event.signal_id)
    if key not in state.decided:
        state.decided[key] = event.time_ms
    forgotten = _forget(state.decided, event.time_ms - state.config.memory_ms)
    if forgotten >= state.forgotten_ms:
        state.forgotten_ms = forgotten + 1
    if event.ahead_ms is not None and event.ahead_ms - event.time_ms > state.config.max_signal_lead_ms:
        _remember_ahead(state, event.strategy_id, event.ahead_ms)
    if event.sequence is not None and event.sent_ms is not None:
        note_number(state.numberings, numbering_key(event.strategy_id, event.symbol), event.sequence, event.sent_ms)


def _remember_ahead(state: ShardState, strategy_id: str, ahead_ms: int) -> None:
    state.ahead[strategy_id] = max(ahead_ms, state.ahead.get(strategy_id, 0))
    state.ahead = {name: ms for name, ms in state.ahead.items() if ms >= state.forgotten_ms}
    if len(state.ahead) > MAX_AHEAD:
        state.ahead = {EVERY_STRATEGY: max(state.ahead.values())}


def _forget(memory: dict[str, int], horizon_ms: int, least: int = 0) -> int:
    """Drop entries before the horizon, and the oldest of too many; return the newest dropped time, or -1."""
    dropped = -1
    while len(memory) > least:
        key = next(iter(memory))
        if memory[key] >= horizon_ms and len(memory) <= MEMORY_ENTRIES:
            break
        dropped = max(dropped, memory.pop(key))
    return dropped


def _peaked(state: ShardState, event: ev.PeakEquityRaised) -> None:
    state.peak_equity = event.equity


def _planned(state: ShardState, event: ev.OrderPlanned) -> None:
    order = event.order
    state.orders_planned += 1
    state.orders[order.client_order_id] = LiveOrder(order=order, changed_at=_number(state))
    if order.purpose is OrderPurpose.OPEN:
        leg = _leg(state, order.symbol, order.position_side)
        leg.pending += order.quantity
        leg.opening_orders.append(order.client_order_id)
        return
    if order.purpose is OrderPurpose.RESTORE:
        leg = _leg(state, order.symbol, order.position_side)
        leg.restoring_orders.append(order.client_order_id)
        shelter.tried(leg.strategies[order.strategy_id], order)
        return
    position = state.legs[leg_key(order.symbol, order.position_side)].strategies[order.strategy_id]
    if order.purpose.protective:
        shelter.tried(position, order)
        shelter.planned(position, order)
        return
    position.closing += order.quantity
    position.closing_orders.append(order.client_order_id)
    if position.exit is None or position.closing > position.exit.quantity:
        position.exit = Exit(position.closing, order.purpose, order.signal_id, order.close_reason)
    if not shelter.lacks_closing(position):
        shelter.tried(position, order)


def _leg(state: ShardState, symbol: str, side: PositionSide) -> Leg:
    key = leg_key(symbol, side)
    leg = state.legs.get(key)
    if leg is None:
        leg = state.legs[key] = Leg(symbol=symbol, side=side)
    return leg


def _opened(state: ShardState, event: ev.OrderOpened) -> None:
    live = state.orders[event.client_order_id]
    live.status = OrderStatus.OPEN
    live.venue_order_id = event.venue_order_id
    _changed(state, live, event)
    shelter.taken(state, live.order)


def _cancel_planned(state: ShardState, event: ev.CancelPlanned) -> None:
    live = state.orders[event.client_order_id]
    live.cancelling = True
    _changed(state, live, event)
    live.unwanted = event.why == ev.CLOSED_BY_SIGNAL


def _ended(state: ShardState, event: ev.OrderEnded) -> None:
    live = state.orders[event.client_order_id]
    live.status = event.status
    live.executed = event.executed
    _changed(state, live, event)
    leg = state.leg(event.symbol, event.position_side)
    position = leg.strategies.get(event.strategy_id) if leg else None
    if position is not None and event.refused:
        shelter.refused(position, live.order, event.refusal, event.time_ms)
    if live.order.kind.conditional and event.status is not OrderStatus.REJECTED:
        state.room_ms = event.time_ms
    if event.executed is None or event.executed <= live.filled:
        _drop(state, live, event.time_ms)


def _number(state: ShardState) -> int:
    """Number of a change that is booked now."""
    state.changes += 1
    return state.changes


def _changed(state: ShardState, live: LiveOrder, event: ev.Event) -> None:
    live.changed_ms, live.changed_at = event.time_ms, _number(state)


def _drop(state: ShardState, live: LiveOrder, time_ms: int) -> None:
    """Take an order that should fill no more out of the state, and free what it had reserved."""
    order = live.order
    del state.orders[order.client_order_id]
    if live.remaining > ZERO:
        remember_ended(state, live, time_ms)
    key = leg_key(order.symbol, order.position_side)
    leg = state.legs.get(key)
    if leg is None:
        return
    if order.purpose.opening:
        if order.purpose is OrderPurpose.OPEN:
            leg.pending -= live.remaining
            leg.opening_orders.remove(order.client_order_id)
        else:
            leg.restoring_orders.remove(order.client_order_id)
        if leg.idle:
            del state.legs[key]
        return
    position = leg.strategies.get(order.strategy_id)
    if position is None:
        return
    if not order.purpose.protective:
        # A position that was closed and opened anew meanwhile has no part in the old order.
        if order.client_order_id in position.closing_orders:
            position.closing_orders.remove(order.client_order_id)
            position.closing -= live.remaining
    else:
        shelter.dropped(state, position, order)


def _filled(state: ShardState, event: ev.OrderFilled) -> None:
    leg = _leg(state, event.symbol, event.position_side)
    live = state.orders.get(event.client_order_id)
    known = live or state.ended.get(event.client_order_id)
    for share in event.shares:
        _share(leg, event, share, known)
    leg.books = event.after
    leg.opened_ms = event.opened_ms
    leg.updated_ms = event.time_ms
    leg.sequence = event.sequence
    realized = sum((share.realized for share in event.shares), ZERO)
    _total(state, event.time_ms, realized, event.quote_fee(event.fee), ZERO)
    state.trades[trade_key(event.symbol, event.trade_id)] = event.time_ms
    # Not by age alone: a clock that is set ahead makes all of them old, and a trade that is told again is booked again.
    _forget(state.trades, event.time_ms - state.config.memory_ms, least=TRADE_ENTRIES)
    note_trade(state, event.symbol, event.trade_id)
    state.moved[leg.key], state.moved_at[leg.key] = event.time_ms, _number(state)
    if known is not None:
        known.filled += event.quantity
        known.trades.append(event.trade_id)
    if live is not None:
        shelter.taken(state, live.order)
        if live.order.kind.conditional:
            state.room_ms = event.time_ms
        if live.order.purpose is OrderPurpose.OPEN:
            leg.pending -= event.quantity
        if live.remaining <= ZERO or (live.executed is not None and live.executed <= live.filled):
            _drop(state, live, event.time_ms)
    if not leg.strategies:
        # What opens next is a position of its own.
        leg.books, leg.sequence = EMPTY, 0
        leg.closed_realized = leg.closed_fees = leg.closed_funding = ZERO
    if leg.idle:
        state.legs.pop(leg.key, None)


def _share(leg: Leg, event: ev.OrderFilled, share: ev.FillShare, live: LiveOrder | None) -> None:
    position = leg.strategies.get(share.strategy_id)
    is_new = position is None
    if position is None:
        position = leg.strategies[share.strategy_id] = StrategyPosition(
            position_id=share.position_id,
            strategy_id=share.strategy_id,
            symbol=event.symbol,
            side=event.position_side,
            signal_id=share.signal_id,
            entry_order_id=event.client_order_id,
            opened_ms=share.opened_ms,
        )
    position.books = share.after
    if not event.opening:
        if event.client_order_id in position.closing_orders:
            position.closing -= share.quantity
            position.exit = _rest(position.exit, share.quantity)
        elif live is not None and live.closes(position.position_id):
            # The order had been given up; what was asked for in its place stays asked for.
            rest = _rest(position.exit, share.quantity)
            position.exit = rest if rest and rest.quantity > position.closing else _only(position)
        if position.exit is None:
            position.refused.pop(OrderPurpose.CLOSE, None)
    elif live.order.purpose is OrderPurpose.OPEN if live else share.strategy_id == EXTERNAL:
        _opened_more(position, event.time_ms, live, is_new=is_new)
    if not share.after.quantity:
        leg.closed_realized += share.after.realized
        leg.closed_fees += share.after.fees
        leg.closed_funding += share.after.funding
        del leg.strategies[share.strategy_id]


def _rest(leaving: Exit | None, gone: Decimal) -> Exit | None:
    if leaving is None or leaving.quantity <= gone:
        return None
    return Exit(leaving.quantity - gone, leaving.purpose, leaving.signal_id, leaving.close_reason)


def _only(position: StrategyPosition) -> Exit | None:
    """The exit cut down to what closing orders under way will take."""
    if position.exit is None or not position.closing:
        return None
    return Exit(position.closing, position.exit.purpose, position.exit.signal_id, position.exit.close_reason)


def _opened_more(position: StrategyPosition, time_ms: int, live: LiveOrder | None, *, is_new: bool) -> None:
    if not is_new and (live is None or not live.filled):
        position.accumulations += 1
    position.last_open_ms = time_ms
    if live is not None:
        position.score = max(position.score, live.order.score)
        if live.order.terms.names_stop:
            # A new stop may be crossed, and moved, once more.
            position.repriced = None
        position.terms = merged(position.terms, live.order.terms)


def _ignored(state: ShardState, event: ev.FillIgnored) -> None:
    """Nothing of an ignored fill enters the books, but it has been dealt with."""
    note_trade(state, event.symbol, event.trade_id)


def _protected(state: ShardState, event: ev.ProtectionPlanned) -> None:
    position = state.legs[leg_key(event.symbol, event.position_side)].strategies[event.strategy_id]
    shelter.armed(position, event)


def _funded(state: ShardState, event: ev.FundingBooked) -> None:
    leg = state.legs.get(leg_key(event.symbol, event.position_side))
    if leg is not None and event.shares:
        leg.books = event.after
        for share in event.shares:
            leg.strategies[share.strategy_id].books = share.after
    if event.paid_ms // DAY_MS < state.totals.day:
        # Learnt of late: it is no result of the day that goes on now.
        state.totals.funding += event.amount
    else:
        _total(state, event.paid_ms, ZERO, ZERO, event.amount)
    if event.id is not None:
        remember_settlement(state, event.symbol, event.id, event.time_ms)


def _total(state: ShardState, time_ms: int, realized: Decimal, fee: Decimal, funding: Decimal) -> None:
    totals = state.totals
    day = time_ms // DAY_MS
    if day > totals.day:
        totals.day, totals.day_pnl = day, ZERO
    totals.realized += realized
    totals.fees += fee
    totals.funding += funding
    totals.day_pnl += realized - fee + funding


_APPLY: dict[type, Callable[[ShardState, Any], None]] = {
    ev.JournalNamed: _named,
    ev.OwnerChanged: _owned,
    ev.ConfigSet: _configured,
    ev.InstrumentsSet: _instructed,
    ev.SignalDecided: _decided,
    ev.PeakEquityRaised: _peaked,
    ev.OrderPlanned: _planned,
    ev.OrderOpened: _opened,
    ev.CancelPlanned: _cancel_planned,
    ev.OrderEnded: _ended,
    ev.OrderFilled: _filled,
    ev.FillIgnored: _ignored,
    ev.ProtectionPlanned: _protected,
    ev.FundingBooked: _funded,
    ev.OrderAmended: truth.amended,
    ev.QueryPlanned: truth.asked,
    ev.OrphanCancelPlanned: truth.asked,
    ev.AlertRaised: truth.asked,
    ev.DifferenceFound: truth.found,
    ev.DifferenceEnded: truth.gone,
    ev.LegRevalued: truth.revalued,
    ev.SymbolHalted: truth.halted,
}
