"""First decisions: what became of the first copy of a signal, for whoever is told that another one is a duplicate."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import structlog

from contracts.enums import Action, Outcome, Reason, RejectionSource
from contracts.query import Page
from contracts.values import parse_timestamp, to_millis
from shared.clock import Clock
from shared.errors import EngineError
from tradeengine.domain.events import SignalDecided
from tradeengine.domain.inputs import signal_key
from tradeengine.journal.record import Record

_REMEMBERED: Final = 10_000
"""Decisions that are kept here: more than are committed while the read model lags as it usually does."""
_MOST_READ: Final = 100
_PATIENCE_S: Final = 1.0
"""How long answers may wait for the read model, seconds; they are worth more than what it would add to them."""
_REST_S: Final = 10.0
"""How long a read model that does not answer is left alone, seconds."""

log = structlog.get_logger(__name__)


class Tables(Protocol):
    """The read model, as far as it is needed here."""

    async def query(
        self, table: str, *, filters: Mapping[str, str], sort: str | None, cursor: str | None, limit: int
    ) -> Page:
        """Rows of a table; parameters and errors as of :func:`~tradeengine.projection.query.parse_query`."""
        ...


class FirstDecisions:
    """Knows what was committed lately, and asks the read model for what was before.

    What neither knows stays unknown: a copy is a duplicate whatever became of the first, and its answer must not wait.

    Parameters
    ----------
    tables
        The read model of all shards; without it only what is observed or noted here is known.
    """

    def __init__(self, clock: Clock, tables: Tables | None = None) -> None:
        self._clock = clock
        self._tables = tables
        self._known: OrderedDict[str, SignalDecided] = OrderedDict()
        self._rests_until = clock.monotonic()

    def observe(self, record: Record) -> None:
        """Take the first decisions of a committed record; never blocks and never raises."""
        for event in record.events():
            if isinstance(event, SignalDecided) and event.outcome is not Outcome.DUPLICATE:
                self.note(event)

    def note(self, first: SignalDecided) -> None:
        """Take a committed decision that is no duplicate, wherever it was told."""
        self._known[_key(first)] = first
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    async def of(self, decisions: Sequence[SignalDecided]) -> list[SignalDecided | None]:
        """The first decision behind each that is a duplicate, as far as known within a second; ``None`` for others."""
        copies = {_key(one): one for one in decisions if one.outcome is Outcome.DUPLICATE}
        if not copies:
            return [None] * len(decisions)
        found = {key: self._known[key] for key in copies if key in self._known}
        found |= await self._read([one for key, one in copies.items() if key not in found])
        return [found.get(_key(one)) if one.outcome is Outcome.DUPLICATE else None for one in decisions]

    async def _read(self, copies: Sequence[SignalDecided]) -> dict[str, SignalDecided]:
        found: dict[str, SignalDecided] = {}
        tables, now = self._tables, self._clock.monotonic()
        if tables is None or not copies or now < self._rests_until:
            return found
        try:
            async with asyncio.timeout(_PATIENCE_S):
                # One after another: the tables are there for others too.
                for copy in copies[:_MOST_READ]:
                    first = await _row_of(tables, copy)
                    if first is not None:
                        found[_key(copy)] = first
        except (EngineError, TimeoutError, ValueError) as error:
            # ValueError: a row that a newer engine has written, while a new version is rolled out.
            self._rests_until = now + _REST_S
            reason = str(error) or f"no answer within {_PATIENCE_S:g} s"
            log.warning("first_decisions_unknown", reason=reason, action=f"not asked for {_REST_S:g} s")
        return found


def _key(decided: SignalDecided) -> str:
    return signal_key(decided.strategy_id, decided.symbol, decided.signal_id)


async def _row_of(tables: Tables, copy: SignalDecided) -> SignalDecided | None:
    filters = {"signal_id": copy.signal_id, "strategy_id": copy.strategy_id, "symbol": copy.symbol}
    page = await tables.query("decisions", filters=filters, sort=None, cursor=None, limit=1)
    return _first(page.rows[0]) if page.rows else None


def _first(row: Mapping[str, Any]) -> SignalDecided:
    return SignalDecided(
        time_ms=to_millis(parse_timestamp(row["decided_at"])),
        strategy_id=row["strategy_id"],
        signal_id=row["signal_id"],
        symbol=row["symbol"],
        action=Action(row["action"]),
        outcome=Outcome(row["outcome"]),
        reason=Reason(row["reason"]) if row["reason"] is not None else None,
        source=RejectionSource(row["source"]) if row["source"] is not None else None,
        detail=row["detail"],
        orders=tuple(row["orders"] or ()),
    )
