"""Vanished orders: stops and targets that somebody else ended while the position still needs them."""

from contracts.enums import (
    DifferenceAction,
    DifferenceKind,
    DifferencePolicy,
    OrderPurpose,
    OrderStatus,
    Severity,
)
from tradeengine.domain import events as ev
from tradeengine.domain.ids import uuid_of
from tradeengine.domain.money import ZERO
from tradeengine.domain.position import StrategyPosition
from tradeengine.domain.reconcile import ALERT
from tradeengine.domain.reconcile_absent import LOST
from tradeengine.domain.state import ShardState

_GONE = (OrderStatus.CANCELLED, OrderStatus.EXPIRED)


def told_vanished(state: ShardState, position: StrategyPosition, ended: ev.OrderEnded) -> list[ev.AnyEvent]:
    """Tell that the exchange ended what protects a position, as a comparison would that finds it missing."""
    if ended.status not in _GONE or ended.executed or ended.reason == LOST or position.quantity <= ZERO:
        return []
    name = f"{ended.purpose} {ended.client_order_id} of {ended.strategy_id} on {ended.symbol} {ended.position_side}"
    text = (
        f"the {name} was {ended.status}, and no record asks for that: it is placed again; find out whether somebody "
        "else did it, or a former owner of the shard whose record was lost"
    )
    found = ev.DifferenceFound(
        time_ms=ended.time_ms,
        symbol=ended.symbol,
        kind=DifferenceKind.UNHEDGED,
        action=DifferenceAction.REARMED,
        text=text,
        books=ended.unfilled,
        exchange=ZERO,
        position_side=ended.position_side,
        client_order_id=ended.client_order_id,
        difference_id=uuid_of(state.journal_id, ended.client_order_id, str(ended.time_ms)),
    )
    alert = ev.AlertRaised(
        time_ms=ended.time_ms,
        name=ALERT + found.kind,
        severity=Severity.CRITICAL if ended.purpose is OrderPurpose.STOP_LOSS else Severity.WARNING,
        text=text,
        symbol=ended.symbol,
        position_side=ended.position_side,
        strategy_id=ended.strategy_id,
    )
    halts = state.config.difference_policy is DifferencePolicy.HALT and ended.symbol not in state.halted
    halt = ev.SymbolHalted(time_ms=ended.time_ms, symbol=ended.symbol, halted=True, why=text)
    return [found, alert, *([halt] if halts else [])]
