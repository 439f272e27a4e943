"""Halts: an operator stops a symbol, or lets it trade again."""

from tradeengine.domain import events as ev
from tradeengine.domain.inputs import SymbolCommanded
from tradeengine.domain.state import ShardState


def decide_command(state: ShardState, commanded: SymbolCommanded) -> list[ev.AnyEvent]:
    """Halt a symbol or release it; a halt that stands keeps the reason that it has."""
    if commanded.halted == (commanded.symbol in state.halted):
        return []
    return [
        ev.SymbolHalted(time_ms=commanded.time_ms, symbol=commanded.symbol, halted=commanded.halted, why=commanded.why)
    ]
