"""Reconcile: hold the books against what the exchange holds, and make the two equal.

The venue tells every trade before it states what it holds, so a difference is real, unless something of the leg or the
order moved since the exchange was asked. What moved is not judged this time.
"""

from collections.abc import Iterator

import msgspec

from contracts.enums import PositionSide
from tradeengine.domain import events as ev
from tradeengine.domain import reconcile_absent as absent
from tradeengine.domain import reconcile_legs as legs
from tradeengine.domain import reconcile_resting as resting
from tradeengine.domain.findings import Finding, View
from tradeengine.domain.ids import is_own, uuid_of
from tradeengine.domain.inputs import VenueObserved
from tradeengine.domain.reconcile_entry import entry_price
from tradeengine.domain.state import ShardState

ALERT = "difference_"
"""What names of alerts about differences begin with; the kind follows."""


def decide_observed(state: ShardState, observed: VenueObserved) -> list[ev.AnyEvent]:
    """Tell what differs, once, and plan what makes it equal.

    An unchanged difference is told once, however often it is seen, but what is done about it is done again.
    """
    events: list[ev.AnyEvent] = []
    for side in PositionSide:
        view = View(state, observed, side)
        if view.moved:
            continue
        findings = list(find(view))
        if all(legs.judged(finding) for finding in findings) and legs.quantity_settled(view):
            events += _over(view, {finding.found.key for finding in findings})
        for finding in findings:
            events += _report(view, finding)
    return _halting_once(events)


def find(view: View) -> Iterator[Finding]:
    """What differs on one leg, whether it has been told or not."""
    contradiction = legs.contradiction(view)
    if contradiction is not None:
        yield contradiction
        return
    missing, silent = absent.missing(view), absent.without_end(view)
    unclear = [*silent, *[live for live in missing if not live.order.purpose.protective]]
    protection = [live for live in missing if live.order.purpose.protective]
    emptied: set[str] = set()
    # What an order did whose end nobody knows must not be booked as somebody else's.
    if not unclear and legs.quantity_settled(view):
        finding = legs.quantity(view, {live.order.client_order_id for live in protection})
        if finding is not None:
            emptied = legs.emptied(finding, view)
            gone = [live for live in protection if live.order.strategy_id in emptied] if finding.repair else []
            yield finding._replace(repair=[*finding.repair, *[absent.ended_lost(view, live) for live in gone]])
        revaluation = entry_price(view)
        if revaluation is not None:
            yield revaluation
    yield from [absent.unhedged(view, live) for live in protection if live.order.strategy_id not in emptied]
    yield from [absent.unclear(view, live) for live in unclear]
    yield from resting.resting(view, emptied)


def differences(state: ShardState, observed: VenueObserved) -> list[ev.DifferenceFound]:
    """Everything that differs, told before or not, with what would be done about it; nothing is changed.

    Must run in the :data:`~tradeengine.domain.money.MONEY` context.
    """
    views = [View(state, observed, side) for side in PositionSide]
    return [finding.found for view in views if not view.moved for finding in find(view)]


def foreign_orders(state: ShardState, observed: VenueObserved) -> int:
    """How many orders rest that are not the engine's own: they are left alone."""
    return sum(1 for order in observed.orders if not is_own(order.client_order_id, state.journal_id))


def _report(view: View, finding: Finding) -> list[ev.AnyEvent]:
    found, state = finding.found, view.state
    told = state.differences.get(found.key)
    if told is not None and _figures(told) == _figures(found):
        return list(finding.repair)
    events: list[ev.AnyEvent] = [] if told is None else [_end(view, told)]
    named = uuid_of(state.journal_id, found.key, str(found.time_ms))
    events.append(msgspec.structs.replace(found, difference_id=named))
    events.append(
        ev.AlertRaised(
            time_ms=found.time_ms,
            name=ALERT + found.kind,
            severity=finding.severity,
            text=found.text,
            symbol=found.symbol,
            position_side=found.position_side,
        )
    )
    if finding.halts and found.symbol not in state.halted:
        events.append(ev.SymbolHalted(time_ms=found.time_ms, symbol=found.symbol, halted=True, why=found.text))
    return [*events, *finding.repair]


def _figures(found: ev.DifferenceFound) -> tuple[object, ...]:
    return found.action, found.books, found.exchange


def _over(view: View, keys: set[str]) -> list[ev.AnyEvent]:
    """What was told of this leg and is not found any more."""
    return [
        _end(view, told)
        for key, told in view.state.differences.items()
        if (told.symbol, told.position_side) == (view.observed.symbol, view.side) and key not in keys
    ]


def _end(view: View, told: ev.DifferenceFound) -> ev.DifferenceEnded:
    return ev.DifferenceEnded(
        time_ms=view.observed.time_ms, symbol=told.symbol, key=told.key, difference_id=told.difference_id
    )


def _halting_once(events: list[ev.AnyEvent]) -> list[ev.AnyEvent]:
    """Keep the first of several halts of the one symbol."""
    halts = [event for event in events if isinstance(event, ev.SymbolHalted)]
    return [event for event in events if not isinstance(event, ev.SymbolHalted) or event is halts[0]]
