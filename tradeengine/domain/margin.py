"""Margin: the exchange warns before it closes positions by force, and people are told."""

from contracts.enums import Severity
from tradeengine.domain import events as ev
from tradeengine.domain.inputs import MarginCalled
from tradeengine.domain.state import ShardState

MARGIN_CALL = "margin_call"


def decide_margin_call(state: ShardState, given: MarginCalled) -> list[ev.AnyEvent]:
    """Tell it: what is given up, or whether money is added, is not the engine's to decide."""
    leg = f"{given.symbol} {given.position_side}" if given.position_side else given.symbol
    text = (
        f"the exchange calls for margin: {leg} needs {given.maintenance} and its unrealised P&L is {given.unrealized} "
        f"at {given.mark_price}; add margin or reduce positions, or the exchange closes them by force"
    )
    alert = ev.AlertRaised(
        time_ms=given.time_ms,
        name=MARGIN_CALL,
        severity=Severity.CRITICAL,
        text=text,
        symbol=given.symbol,
        position_side=given.position_side,
    )
    return [alert]
