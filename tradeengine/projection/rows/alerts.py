"""Rows of ``alerts``: what somebody should know."""

from tradeengine.domain.events import AlertRaised
from tradeengine.domain.ids import uuid_of
from tradeengine.projection.changes import Change, Put
from tradeengine.projection.rows.source import Source
from tradeengine.projection.tables import ALERTS


def raised(source: Source, event: AlertRaised) -> list[Change]:
    """An alert; one that an entry raises twice in the same words is one."""
    values = {
        "time": event.time_ms,
        "name": event.name,
        "severity": event.severity,
        "text": event.text,
        "symbol": event.symbol,
        "position_side": event.position_side,
        "strategy_id": event.strategy_id,
        **source.origin,
    }
    place = (str(source.shard), str(source.sequence), str(source.place))
    alert_id = uuid_of(*place, event.name, event.position_side or "", event.strategy_id or "", event.text)
    return [Put(ALERTS.name, (alert_id,), values)]
