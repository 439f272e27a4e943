"""Names in log lines: which signal, and which trace, a line is about."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tradeengine.domain.ids import shard_in
from tradeengine.domain.inputs import signal_key
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.runtime.engine import Engine

if TYPE_CHECKING:
    from tradeengine.runtime.tracing.tracing import Tracing


class LogNames:
    """Finds the ids for a line: of an order that it names, or of a signal.

    Parameters
    ----------
    tracing
        Knows traces; without it lines have no ``trace_id``.
    """

    def __init__(self, engine: Engine, tracing: "Tracing | None") -> None:
        self._engine = engine
        self._tracing = tracing

    def __call__(self, line: Mapping[str, Any]) -> dict[str, str]:
        """What to add to a line."""
        order = self._order(line.get("client_order_id"))
        if order is not None:
            key = signal_key(order.strategy_id, order.symbol, order.signal_id)
            return {"signal_id": order.signal_id, "strategy_id": order.strategy_id} | self._trace(key)
        named = [line.get(name) for name in ("strategy_id", "symbol", "signal_id")]
        return self._trace(signal_key(*map(str, named))) if all(named) else {}

    def _order(self, order_id: object) -> ApprovedOrder | None:
        shard = shard_in(order_id) if isinstance(order_id, str) else None
        host = None if shard is None else self._engine.hosts.get(shard)
        state = None if host is None else host.state_if_loaded
        if state is None:
            return None
        live = state.orders.get(str(order_id)) or state.ended.get(str(order_id))
        return None if live is None else live.order

    def _trace(self, key: str) -> dict[str, str]:
        return {} if self._tracing is None else {"trace_id": f"{self._tracing.book.of_signal(key).trace_id:032x}"}
