"""Resting orders: what rests at the exchange, against how the books have it."""

from collections.abc import Container, Iterator

from contracts.enums import DifferenceAction, DifferenceKind, OrderKind, OrderPurpose, OrderStatus, Severity
from tradeengine.domain import events as ev
from tradeengine.domain.findings import Finding, View
from tradeengine.domain.ids import is_own
from tradeengine.domain.inputs import VenueOrder
from tradeengine.domain.money import ZERO
from tradeengine.domain.orders import LiveOrder
from tradeengine.domain.reconcile_absent import ended_lost

OTHERWISE = "rests otherwise than planned"

CANCEL_MS = 5_000
"""How long an order may rest after its cancel was planned before that is told, milliseconds."""


def resting(view: View, emptied: Container[str]) -> Iterator[Finding]:
    """Orders that rest otherwise than they should, and those of ours that should not rest at all.

    Parameters
    ----------
    emptied
        Strategies whose orders are cancelled anyway.
    """
    for live in view.orders:
        held = view.resting.get(live.order.client_order_id)
        if held is not None and _is_overdue(view, live):
            yield _uncancelled(view, live, held)
        if held is None or view.unsettled(live) or live.status.terminal or _as_planned(live, held):
            continue
        if not (live.order.purpose.protective and live.order.strategy_id in emptied):
            yield _otherwise(view, live, held)
    for held in view.observed.orders:
        if held.position_side is view.side and _is_orphan(view, held) and not _stands_in(view, held):
            yield _orphan(view, held)


def _as_planned(live: LiveOrder, held: VenueOrder) -> bool:
    order = live.order
    follows = order.kind is OrderKind.TRAILING_STOP_MARKET
    # A limit order whose trigger has been reached rests without it.
    triggered = held.trigger_price is None
    return (
        (order.side, order.position_side, order.quantity) == (held.side, held.position_side, held.quantity)
        and order.price in (None, held.price)
        and (follows or triggered or order.trigger_price in (None, held.trigger_price))
    )


def _otherwise(view: View, live: LiveOrder, held: VenueOrder) -> Finding:
    order = live.order
    protective = order.purpose.protective
    action = DifferenceAction.REARMED if protective else DifferenceAction.CANCELLED
    done = "it is placed anew and then cancelled" if protective else "it is cancelled"
    if not view.repairs:
        action, done = DifferenceAction.HALTED, "the symbol is halted; find out why, then repair it"
    text = (
        f"the {order.purpose} {order.client_order_id} of {order.strategy_id} on {view.name} {OTHERWISE}, "
        f"{_shape(held)}: {done}"
    )
    found = view.difference(
        DifferenceKind.WRONG_ORDER,
        action,
        text,
        books=order.quantity,
        exchange=held.quantity,
        client_order_id=order.client_order_id,
    )
    if not view.repairs:
        return Finding(found, Severity.CRITICAL, halts=True)
    return Finding(found, Severity.WARNING, _replaced(view, live, held))


def _replaced(view: View, live: LiveOrder, held: VenueOrder) -> list[ev.AnyEvent]:
    """Take over how the order rests; what protects is planned anew then, an entry that nobody approved is cancelled."""
    now, order = view.observed.time_ms, live.order
    if (held.side, held.position_side) != (order.side, order.position_side):
        cancel = ev.OrphanCancelPlanned(time_ms=now, symbol=order.symbol, order=held)
        return [cancel, ended_lost(view, live)]
    events: list[ev.AnyEvent] = []
    if held.quantity > live.filled:
        amended = ev.OrderAmended(
            time_ms=now,
            client_order_id=order.client_order_id,
            quantity=held.quantity,
            remaining=held.quantity - live.filled,
            price=held.price,
            trigger_price=held.trigger_price,
        )
        events.append(amended)
    if not order.purpose.protective:
        events.append(ev.CancelPlanned(time_ms=now, client_order_id=order.client_order_id, why=OTHERWISE))
    return events


def _is_orphan(view: View, held: VenueOrder) -> bool:
    """Whether the order is one of ours, and the books have known of no such order since before they were compared."""
    name = held.client_order_id
    if not is_own(name, view.state.journal_id):
        return False
    live = view.state.orders.get(name)
    if live is not None:
        return live.status.terminal and not view.unsettled(live)
    ended = view.state.ended.get(name)
    return ended is None or not view.changed(ended)


def _stands_in(view: View, held: VenueOrder) -> bool:
    """Whether an order may be all that protects the leg: a stop of its own is under way and does not rest yet.

    A stop may have left before its record was committed; then whoever loads the shard after a crash plans another.
    """
    closing = held.kind.conditional and held.side is view.side.closing
    return closing and any(
        live.order.purpose is OrderPurpose.STOP_LOSS and live.status is OrderStatus.PLANNED and not live.cancelling
        for live in view.orders
    )


def _is_overdue(view: View, live: LiveOrder) -> bool:
    """Whether an order should have been gone for long."""
    return live.cancelling and not live.status.terminal and view.outlasted(live, CANCEL_MS)


def _uncancelled(view: View, live: LiveOrder, held: VenueOrder) -> Finding:
    """An order that cannot be cancelled may open what nobody wants: people must know of it."""
    order = live.order
    text = (
        f"the {order.purpose} {held.client_order_id} of {order.strategy_id} on {view.name} still rests, {_shape(held)},"
        " though its cancel was sent: it is sent again; cancel it at the exchange if this lasts"
    )
    found = view.difference(
        DifferenceKind.ORPHAN_ORDER,
        DifferenceAction.CANCELLED,
        text,
        books=ZERO,
        exchange=held.quantity,
        client_order_id=held.client_order_id,
    )
    cancel = ev.OrphanCancelPlanned(time_ms=view.observed.time_ms, symbol=order.symbol, order=held)
    return Finding(found, Severity.CRITICAL, [cancel])


def _orphan(view: View, held: VenueOrder) -> Finding:
    action, done = DifferenceAction.CANCELLED, "it is cancelled"
    if not view.repairs:
        action, done = DifferenceAction.HALTED, "the symbol is halted; find out why, then repair it"
    text = f"{held.client_order_id} on {view.name} rests, {_shape(held)}, and the books count on it no more: {done}"
    found = view.difference(
        DifferenceKind.ORPHAN_ORDER,
        action,
        text,
        books=ZERO,
        exchange=held.quantity,
        client_order_id=held.client_order_id,
    )
    if not view.repairs:
        return Finding(found, Severity.CRITICAL, halts=True)
    cancel = ev.OrphanCancelPlanned(time_ms=view.observed.time_ms, symbol=view.observed.symbol, order=held)
    return Finding(found, Severity.WARNING, [cancel])


def _shape(held: VenueOrder) -> str:
    prices = "".join(
        [f" {word} {price}" for word, price in (("at", held.price), ("trigger", held.trigger_price)) if price]
    )
    return f"{held.side} {held.quantity} {held.position_side}{prices}"
