"""The engine's side of the API, in memory: a desk, tables, and a server on a free port."""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx
from starlette.types import ASGIApp

from contracts.api import Cluster
from contracts.enums import Outcome, Reason, RejectionSource
from contracts.query import BadCursor, Page, UnknownFilter, UnknownSort
from contracts.signal import Signal
from contracts.subjects import shard_of
from shared.clock import Clock, SystemClock
from shared.errors import EngineError
from shared.health import ComponentHealth, Health
from shared.metrics import Metrics
from shared.settings import Settings
from tests.support.deadline import PATIENCE_S
from tradeengine.api.app import create_app
from tradeengine.api.server import listen, serve
from tradeengine.api.services import ApiServices
from tradeengine.domain.events import SignalDecided
from tradeengine.projection.tables import TABLES, Kind
from tradeengine.runtime.account import Account
from tradeengine.runtime.firsts import FirstDecisions
from tradeengine.runtime.observation import Mark
from tradeengine.runtime.reconciler import Reconciler
from tradeengine.venue.paper.book import PaperBook
from tradeengine.venue.paper.venue import PaperVenue

KEYS = {
    "READER_API_KEY": "reader-key-0001",
    "TRADER_API_KEY": "trader-key-0002",
    "RISK_OVERRIDE_KEY": "operator-key-0003",
    "ADMIN_API_KEY": "admin-key-0004",
}


class MemoryDesk:
    """A desk that accepts every signal once, and can be told to fail or to wait."""

    shards = 8
    owned = frozenset(range(8))

    def __init__(self) -> None:
        self.decided: dict[tuple[str, str], SignalDecided] = {}
        self.order: list[str] = []
        self.error: EngineError | None = None
        self.asked = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()

    async def decide(self, shard: int, signals: Sequence[Signal]) -> list[SignalDecided]:
        self.asked.set()
        await self.open.wait()
        if self.error is not None:
            raise self.error
        assert {shard_of(signal.symbol, self.shards) for signal in signals} == {shard}
        return [self._decide(signal) for signal in signals]

    def _decide(self, signal: Signal) -> SignalDecided:
        key = (signal.strategy_id, signal.signal_id)
        duplicate = key in self.decided
        decided = SignalDecided(
            time_ms=1_735_689_600_123,
            strategy_id=signal.strategy_id,
            signal_id=signal.signal_id,
            symbol=signal.symbol,
            action=signal.action,
            outcome=Outcome.DUPLICATE if duplicate else Outcome.ACCEPTED,
            reason=Reason.DUPLICATE_SIGNAL if duplicate else None,
            source=RejectionSource.INTAKE if duplicate else None,
        )
        self.decided.setdefault(key, decided)
        self.order.append(signal.signal_id)
        return decided


@dataclass
class MemoryTables:
    """The read model's port over lists of rows."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    error: Exception | None = None

    async def query(
        self, table: str, *, filters: Mapping[str, str], sort: str | None, cursor: str | None, limit: int
    ) -> Page:
        if self.error is not None:
            raise self.error
        columns = {name for name, kind in TABLES[table].columns.items() if kind is not Kind.JSON}
        for name in filters:
            if name not in columns:
                raise UnknownFilter(f"{table} has no column {name!r}")
        if sort is not None and sort.removeprefix("-") not in columns:
            raise UnknownSort(f"{table} cannot be sorted by {sort!r}")
        found = [row for row in self.rows.get(table, []) if all(row.get(k) == v for k, v in filters.items())]
        if sort is not None:
            found.sort(key=lambda row: str(row.get(sort.removeprefix("-"))), reverse=sort.startswith("-"))
        start = _offset(cursor)
        after = start + limit
        following = base64.urlsafe_b64encode(str(after).encode()).decode() if after < len(found) else None
        return Page(found[start:after], following, "memory", 0.25)


def _offset(cursor: str | None) -> int:
    try:
        return int(base64.urlsafe_b64decode(cursor.encode())) if cursor is not None else 0
    except ValueError:
        raise BadCursor(f"{cursor!r} is no cursor of this table: start again without one") from None


@dataclass
class Served:
    """A server at work, and the parts behind it."""

    url: str
    client: httpx.AsyncClient
    app: ASGIApp
    desk: MemoryDesk
    tables: MemoryTables
    health: Health
    metrics: Metrics
    state: dict[str, ComponentHealth]

    def key(self, role: str) -> dict[str, str]:
        return bearer(KEYS[role])


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def _reconciler(clock: Clock) -> Reconciler:
    """A reconciler of an engine that trades nothing."""
    venue = PaperVenue(PaperBook(maker_fee=Decimal(0), taker_fee=Decimal(0), slippage_bps=Decimal(0)), clock, [])
    account = Account(Decimal(10_000), venue.mark_price)
    return Reconciler(venue, clock, account, states=list, mark=Mark, submit=lambda seen, look: None, interval_s=10)


def services(keys: Mapping[str, str], timeout_s: float = PATIENCE_S) -> tuple[ApiServices, MemoryDesk, MemoryTables]:
    clock, desk, tables = SystemClock(), MemoryDesk(), MemoryTables()
    cluster = Cluster(
        source="leases", age_seconds=0.5, pod="a", draining=False, trouble=None, members=[], shards=[], copies=[]
    )
    made = ApiServices(
        settings=Settings.load(dict(keys)),
        health=Health(clock),
        metrics=Metrics("0.0.0-test"),
        clock=clock,
        desk=desk,
        firsts=FirstDecisions(clock, tables),
        read_model=tables,
        account=lambda: {"equity": Decimal("1E+4"), "fees": Decimal("0.10")},
        cluster=lambda: cluster,
        coverage=list,
        reconciler=_reconciler(clock),
        decision_timeout_s=timeout_s,
    )
    return made, desk, tables


@asynccontextmanager
async def serving(keys: Mapping[str, str] = KEYS, timeout_s: float = PATIENCE_S) -> AsyncIterator[Served]:
    made, desk, tables = services(keys, timeout_s)
    state: dict[str, ComponentHealth] = {"dispatcher": ComponentHealth(details={"shards": 8})}
    made.health.register("dispatcher", lambda: state["dispatcher"])
    app = create_app(made)
    await made.reconciler._venue.open(lambda report: None)
    server = await serve(app, listen("127.0.0.1", 0))
    url = f"http://127.0.0.1:{server.port}"
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_S, trust_env=False) as client:
        yield Served(url, client, app, desk, tables, made.health, made.metrics, state)
    await server.close()


def signal(**fields: object) -> dict[str, object]:
    base = {
        "strategy_id": "momentum",
        "symbol": "BTCUSDT",
        "action": "buy",
        "confidence": "0.9",
        "quantity": "0.001",
        "timestamp": "2025-01-01T00:00:00Z",
    }
    return {**base, **fields}
