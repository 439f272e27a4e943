"""Rows of ``symbol_halts``: which symbols may open positions."""

from tradeengine.domain.events import SymbolHalted
from tradeengine.projection.changes import Change, Put
from tradeengine.projection.rows.source import Source
from tradeengine.projection.tables import SYMBOL_HALTS


def changed(source: Source, event: SymbolHalted) -> list[Change]:
    """A symbol was halted or may trade again."""
    values = {"halted": event.halted, "why": event.why, "changed_at": event.time_ms, **source.origin}
    return [Put(SYMBOL_HALTS.name, (event.symbol,), values)]
