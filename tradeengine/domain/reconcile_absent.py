"""Absent orders: what the books count on and the exchange does not have, or has not told the end of."""

from contracts.enums import DifferenceAction, DifferenceKind, OrderKind, OrderPurpose, OrderStatus, Severity
from tradeengine.domain import events as ev
from tradeengine.domain.findings import Finding, View
from tradeengine.domain.money import ZERO
from tradeengine.domain.orders import LiveOrder

MARKET_MS = 5_000
"""How long a market order may be without an end before the venue is asked, milliseconds."""

GIVE_UP_MS = 600_000
"""How long the venue is asked about an order before the books give it up, milliseconds."""

LOST = "not at the exchange"


def missing(view: View) -> list[LiveOrder]:
    """Orders that should rest and do not."""
    return [
        live
        for live in view.orders
        if not view.unsettled(live)
        and not live.status.terminal
        and live.order.kind is not OrderKind.MARKET
        and live.order.client_order_id not in view.resting
    ]


def without_end(view: View) -> list[LiveOrder]:
    """Orders whose end, or whose last fills, were never told."""
    return [
        live
        for live in view.orders
        if live.status.terminal or (live.order.kind is OrderKind.MARKET and live.status is OrderStatus.OPEN)
        if view.outlasted(live, MARKET_MS)
    ]


def ended_lost(view: View, live: LiveOrder) -> ev.OrderEnded:
    """The event that ends an order which the exchange does not have."""
    order = live.order
    return ev.OrderEnded(
        time_ms=view.observed.time_ms,
        client_order_id=order.client_order_id,
        strategy_id=order.strategy_id,
        symbol=order.symbol,
        position_side=order.position_side,
        purpose=order.purpose,
        status=OrderStatus.CANCELLED,
        reason=LOST,
        unfilled=live.remaining,
        lived_ms=view.observed.time_ms - order.planned_ms,
    )


def unhedged(view: View, live: LiveOrder) -> Finding:
    """A stop or target should rest and does not: it ends, and what it protected is protected anew."""
    order = live.order
    name = f"{order.purpose} {order.client_order_id} of {order.strategy_id} on {view.name}"
    text = f"the {name} is {LOST}: it is placed again; find out who cancelled it"
    found = view.difference(
        DifferenceKind.UNHEDGED,
        DifferenceAction.REARMED,
        text,
        books=live.remaining,
        exchange=ZERO,
        client_order_id=order.client_order_id,
    )
    severity = Severity.CRITICAL if order.purpose is OrderPurpose.STOP_LOSS else Severity.WARNING
    return Finding(found, severity, [ended_lost(view, live)], halts=not view.repairs)


def unclear(view: View, live: LiveOrder) -> Finding:
    """The books do not know what became of an order: the venue is asked, and what it never answers is given up."""
    order, now = live.order, view.observed.time_ms
    text = (
        f"what became of the {order.purpose} {order.client_order_id} of {order.strategy_id} on {view.name} is not "
        "known: the exchange is asked"
    )
    found = view.difference(
        DifferenceKind.LOST_ORDER,
        DifferenceAction.ASKED,
        text,
        books=live.remaining,
        exchange=ZERO,
        client_order_id=order.client_order_id,
    )
    told = view.state.differences.get(found.key)
    given_up = told is not None and now - told.time_ms >= GIVE_UP_MS
    query = ev.QueryPlanned(time_ms=now, client_order_id=order.client_order_id, why=LOST)
    return Finding(found, Severity.WARNING, [ended_lost(view, live) if given_up else query], halts=not view.repairs)
