"""Recall: the traces that signals brought before this process knew them, read from the committed decisions."""

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Final

import structlog

from contracts.trace import parent_in
from shared.errors import EngineError
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.runtime.firsts import Tables
from tradeengine.runtime.tracing.book import TraceBook

_MOST_ASKED: Final = 1_000
"""Orders that wait to be looked up; of more, the oldest stay in traces of their own."""

log = structlog.get_logger(__name__)


class Recall:
    """Looks up signals beside everything else: nothing waits for it, and what it does not find stays as it is.

    Parameters
    ----------
    tables
        The read model of all shards.
    """

    def __init__(self, book: TraceBook, tables: Tables) -> None:
        self._book = book
        self._tables = tables
        self._asked: deque[ApprovedOrder] = deque(maxlen=_MOST_ASKED)
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look up."""
        self._task = asyncio.create_task(self._run(), name="trace-recall")

    async def stop(self) -> None:
        """Look up no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def ask(self, order: ApprovedOrder) -> None:
        """Look up the trace of an order's signal."""
        self._asked.append(order)
        self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._asked:
                await self._look_up(self._asked.popleft())

    async def _look_up(self, order: ApprovedOrder) -> None:
        named = {"strategy_id": order.strategy_id, "symbol": order.symbol, "signal_id": order.signal_id}
        try:
            page = await self._tables.query("decisions", filters=named, sort=None, cursor=None, limit=1)
        except (EngineError, ValueError) as error:
            # ValueError: a row that a newer engine has written, while a new version is rolled out.
            log.info("trace_unknown", client_order_id=order.client_order_id, reason=str(error))
            return
        for row in page.rows:
            carried = row.get("metadata")
            parent = parent_in(carried) if isinstance(carried, Mapping) else None
            if parent is not None:
                self._book.recall(order, parent)
                log.debug("trace_recalled", client_order_id=order.client_order_id)
