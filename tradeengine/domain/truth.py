"""Truth: what events about the exchange's own account of things do to the state; part of :mod:`.evolve`."""

import msgspec

from contracts.enums import OrderPurpose
from tradeengine.domain import events as ev
from tradeengine.domain.position import leg_key
from tradeengine.domain.state import ShardState


def amended(state: ShardState, event: ev.OrderAmended) -> None:
    """The books take over how an order rests."""
    live = state.orders[event.client_order_id]
    before = live.order
    live.order = msgspec.structs.replace(
        before,
        quantity=event.quantity,
        price=before.price if event.price is None else event.price,
        trigger_price=before.trigger_price if event.trigger_price is None else event.trigger_price,
    )
    leg = state.leg(before.symbol, before.position_side)
    if leg is not None and before.purpose is OrderPurpose.OPEN:
        leg.pending += event.quantity - before.quantity


def asked(state: ShardState, event: ev.Event) -> None:
    """What is asked of others changes nothing here before they answer."""


def found(state: ShardState, event: ev.DifferenceFound) -> None:
    """A difference that is not gone at once is remembered, so that it is told once."""
    if event.lasts:
        state.differences[event.key] = event


def gone(state: ShardState, event: ev.DifferenceEnded) -> None:
    """A difference is forgotten."""
    state.differences.pop(event.key, None)


def revalued(state: ShardState, event: ev.LegRevalued) -> None:
    """The leg costs what the exchange says; what its strategies hold stays at their own cost."""
    leg = state.legs[leg_key(event.symbol, event.position_side)]
    leg.books = event.after
    leg.updated_ms = event.time_ms


def halted(state: ShardState, event: ev.SymbolHalted) -> None:
    """Openings on a symbol are refused from now on, or no more.

    Where it may trade again, what still differs is to be found anew.
    """
    if event.halted:
        state.halted[event.symbol] = event.why
        return
    state.halted.pop(event.symbol, None)
    state.differences = {key: told for key, told in state.differences.items() if told.symbol != event.symbol}
