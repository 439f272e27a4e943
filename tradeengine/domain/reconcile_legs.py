"""Legs: what the exchange holds of one, against the books; the difference is booked as if it had been traded."""

from collections.abc import Container
from decimal import Decimal

from contracts.enums import DifferenceAction, DifferenceKind, OrderKind, OrderStatus, Severity, Side
from contracts.signal import EXTERNAL
from tradeengine.domain import events as ev
from tradeengine.domain.attribution import closed, givers, holder, opened
from tradeengine.domain.fills import withdraw_emptied
from tradeengine.domain.findings import Finding, View
from tradeengine.domain.inputs import FillReported
from tradeengine.domain.money import ZERO, average
from tradeengine.domain.position import Leg, StrategyPosition

RECONCILED = "reconciled"
"""What ids of bookings begin with that no trade stands behind."""

_UNKNOWN_ASSET = "USDT"


def contradiction(view: View) -> Finding | None:
    """The exchange states a quantity whose sign contradicts the side: nothing that is sent could be right."""
    if view.exchange >= ZERO:
        return None
    text = (
        f"the exchange states {view.exchange} of {view.name}, and a {view.side} cannot be below zero: the symbol is "
        f"halted and no order is sent for the leg; look at the exchange, then let {view.observed.symbol} trade again"
    )
    found = view.difference(
        DifferenceKind.CONTRADICTION, DifferenceAction.HALTED, text, books=view.books, exchange=view.exchange
    )
    return Finding(found, Severity.CRITICAL, halts=True)


def judged(finding: Finding) -> bool:
    """Whether the rest of the leg was looked at too: beside a contradiction nothing is."""
    return finding.found.kind is not DifferenceKind.CONTRADICTION


def emptied(finding: Finding, view: View) -> set[str]:
    """Strategies that hold nothing of the leg any more once a difference is repaired.

    Where it is left and the exchange is flat, there is nothing to protect for anybody.
    """
    if finding.repair:
        shares = [share for event in finding.repair if isinstance(event, ev.OrderFilled) for share in event.shares]
        return {share.strategy_id for share in shares if not share.after.quantity}
    return set(view.leg.strategies) if view.leg and not view.exchange else set()


def quantity_settled(view: View) -> bool:
    """Whether nothing is under way that may change what is held, or has without a word."""
    return not any(
        live.status.terminal or live.status is OrderStatus.PLANNED or live.order.kind is OrderKind.MARKET
        for live in view.orders
    )


def quantity(view: View, missing: Container[str]) -> Finding | None:
    """Adopt what the exchange holds more than the books, or write off what it holds less.

    Parameters
    ----------
    missing
        Orders that the exchange does not have: there is nothing to cancel.
    """
    change = view.exchange - view.books
    price = _adoption_price(view, change) if change > ZERO else _mark_price(view)
    if not change or price is None:
        return None
    kind = DifferenceKind.QUANTITY
    if not view.books:
        kind = DifferenceKind.FOREIGN_POSITION
    elif not view.exchange:
        kind = DifferenceKind.GHOST
    what = f"the exchange holds {view.exchange} of {view.name}, the books {view.books}"
    if not view.repairs:
        text = f"{what}: the symbol is halted; find out why, then repair it"
        found = view.difference(kind, DifferenceAction.HALTED, text, books=view.books, exchange=view.exchange)
        return Finding(found, Severity.CRITICAL, halts=True)
    if change > ZERO:
        text = (
            f"{what}: {change} more are taken over at {price}, under {EXTERNAL}; close them there if nobody wants them"
        )
        found = view.difference(kind, DifferenceAction.ADOPTED, text, books=view.books, exchange=view.exchange)
        return Finding(found, Severity.WARNING, _adopt(view, change, price))
    text = f"{what}: {-change} are written off at {price}; look up in the exchange's trades who closed them"
    found = view.difference(kind, DifferenceAction.WRITTEN_OFF, text, books=view.books, exchange=view.exchange)
    return Finding(found, Severity.CRITICAL, _write_off(view, -change, price, missing))


def _mark_price(view: View) -> Decimal | None:
    own = view.leg.books.entry_price if view.leg else ZERO
    return view.observed.mark_price or view.entry_price or own or None


def _adoption_price(view: View, quantity: Decimal) -> Decimal | None:
    """Price at which the leg comes to the exchange's own average, unless only a price that never was would do that."""
    entry = view.entry_price
    if entry <= ZERO:
        return _mark_price(view)
    if view.leg is None or view.books <= ZERO:
        return entry
    implied = average(view.exchange * entry - view.leg.books.cost, quantity)
    return implied if entry / 2 <= implied <= entry * 2 else entry


def _adopt(view: View, quantity: Decimal, price: Decimal) -> list[ev.AnyEvent]:
    """Book more: to those that are overdrawn what they lack, for it is their debt that is not there; else external."""
    leg = view.leg or Leg(symbol=view.observed.symbol, side=view.side)
    booking = _booking(view, view.side.opening, quantity, price)
    parts: list[tuple[StrategyPosition, Decimal]] = []
    rest = quantity
    for position in leg.strategies.values():
        lacking = min(rest, -position.quantity)
        if lacking > ZERO:
            parts.append((position, lacking))
            rest -= lacking
    if rest:
        parts.append((holder(view.state, leg, booking, None), rest))
    return [opened(view.state, leg, booking, parts, None, reconciled=True)]


def _write_off(view: View, quantity: Decimal, price: Decimal, missing: Container[str]) -> list[ev.AnyEvent]:
    leg = view.leg or Leg(symbol=view.observed.symbol, side=view.side)
    booking = _booking(view, view.side.closing, quantity, price)
    booked = closed(view.state, leg, booking, givers(view.state, leg, booking), None, reconciled=True)
    withdrawn = withdraw_emptied(view.state, leg, booked, but="")
    cancels = [e for e in withdrawn if isinstance(e, ev.CancelPlanned) and e.client_order_id not in missing]
    return [booked, *cancels]


def _booking(view: View, side: Side, quantity: Decimal, price: Decimal) -> FillReported:
    observed = view.observed
    instrument = view.state.instruments.get(observed.symbol)
    name = f"{RECONCILED}-{observed.time_ms}-{view.side.lower()}"
    return FillReported(
        time_ms=observed.time_ms,
        client_order_id=name,
        trade_id=name,
        symbol=observed.symbol,
        side=side,
        position_side=view.side,
        quantity=quantity,
        price=price,
        fee=ZERO,
        fee_asset=instrument.settle_asset if instrument else _UNKNOWN_ASSET,
    )
