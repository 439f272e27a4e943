"""Health tells of a copy that falls behind before its server's silence becomes an error."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from contracts.api import HealthStatus
from shared.clock import ManualClock, SystemClock
from shared.health import ComponentHealth
from shared.mysql import MySqlThread
from shared.mysql_address import MySqlAddress
from shared.settings import Settings
from tests.projection.tables import read_model
from tests.support.deadline import PATIENCE_S
from tests.support.engines import eventually, make_signal, send
from tests.support.records import signal_records
from tests.support.toxiproxy import Toxiproxy
from tradeengine.journal.memory import MemoryJournal
from tradeengine.projection.freshness import record_time
from tradeengine.projection.mysql_schema import apply_schema
from tradeengine.projection.projector import Projector
from tradeengine.runtime.copies import MYSQL, READ_MODEL
from tradeengine.runtime.service import Service
from tradeengine.runtime.service_health import LATE_S, copy_health
from tradeengine.venue.paper.instruments import DEMO_INSTRUMENTS

LATE_MS = int(LATE_S * 1000)


async def test_a_copy_is_degraded_from_two_seconds_of_lag_on(tmp_path: Path) -> None:
    record = signal_records(1)[0]
    began_ms = record_time(record)
    clock, journal = ManualClock(began_ms), MemoryJournal()
    model = read_model(tmp_path, clock=clock, busy_timeout_ms=60_000)
    await model.open()
    projector = Projector(journal, model, SystemClock(), [0])
    await projector.start()
    with closing(sqlite3.connect(model.path, isolation_level=None)) as other:
        # Whoever commits waits, and no error is told.
        other.execute("BEGIN IMMEDIATE")
        await journal.append([record])
        projector.notify(record)
        clock.set(began_ms + LATE_MS - 1)
        assert copy_health(projector).status is HealthStatus.HEALTHY
        clock.set(began_ms + LATE_MS)
        late = copy_health(projector)
        assert late.status is HealthStatus.DEGRADED
        assert projector.trouble is None
        assert (late.details["lag_records"], late.details["lag_seconds"]) == (1, LATE_S)
        assert "1 events wait to be applied" in (late.reason or "")
        other.execute("ROLLBACK")
        await asyncio.wait_for(projector.catch_up(), PATIENCE_S)
    assert copy_health(projector).status is HealthStatus.HEALTHY
    clock.set(began_ms + 60_000)
    assert copy_health(projector).status is HealthStatus.HEALTHY, "nothing waits, however long ago the last event was"
    await projector.stop()
    await model.close()


@asynccontextmanager
async def running(folder: Path, mysql: str) -> AsyncIterator[Service]:
    env = {"TRADEENGINE_DATA_DIR": str(folder), "NATS_EMBEDDED": "off", "SHARDS": "1", "MYSQL_URI": mysql}
    service = Service(Settings.load(env), SystemClock(), "0-test", DEMO_INSTRUMENTS)
    await service.start()
    try:
        yield service
    finally:
        await service.stop()


async def test_i84_a_mysql_that_never_answers_is_told_before_its_deadline(
    tmp_path: Path, mysql_uri: str, toxiproxy: Toxiproxy
) -> None:
    thread = MySqlThread(MySqlAddress.parse(mysql_uri))
    await thread.open(apply_schema)
    await thread.close()
    proxy = toxiproxy.proxy(mysql_uri)

    async with running(tmp_path, proxy.url) as service:
        copy = service.copies.projectors[MYSQL]

        def told(name: str) -> ComponentHealth:
            return service.health.report().components[name]

        await eventually(lambda: copy.is_open and not copy.lag().records, "the copy to be up to date")
        await eventually(lambda: told(MYSQL).status is HealthStatus.HEALTHY, "health to say so")
        proxy.timeout()
        await send(service.engine, make_signal("hold", "A", timestamp=service.clock.now_ms()))
        await eventually(lambda: told(MYSQL).status is HealthStatus.DEGRADED, "health to tell")
        found = told(MYSQL)
        assert copy.trouble is None, "its deadline is over: health should have told before"
        assert copy.lag().seconds >= LATE_S
        assert found.details["lag_records"] == 1
        assert told(READ_MODEL).status is HealthStatus.HEALTHY
        assert service.health.report().ready
        proxy.clear()
        await eventually(lambda: told(MYSQL).status is HealthStatus.HEALTHY, "the copy to catch up")
