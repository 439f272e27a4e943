"""Servers that are not there when the engine starts: it says so, and goes to work by itself when they come."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.outages.pods import health
from tests.outages.stores import Stores
from tests.outages.truth import everything_holds, until_no_lag
from tests.support.process import signal_document
from tests.support.protecting import alerts, opened
from tests.support.rig import Rig, rig
from tests.support.toxiproxy import Proxy, Toxiproxy

pytestmark = pytest.mark.process

TRADES_WITHIN_S = 30.0


async def trading_within(made: Rig, seconds: float) -> None:
    """Insist that a position is opened and protected in time."""
    await made.engine.until_ready(seconds)
    await opened(made, seconds=seconds)


@pytest.mark.parametrize(
    "away",
    [pytest.param(Proxy.down, id="refuses"), pytest.param(Proxy.timeout, id="never answers", marks=pytest.mark.long)],
)
async def test_i76_without_mongodb_at_the_start_it_waits_says_why_and_trades_when_it_comes(
    tmp_path: Path, stores: Stores, toxiproxy: Toxiproxy, away: Callable[[Proxy], None]
) -> None:
    proxy = toxiproxy.proxy(stores.mongodb)
    away(proxy)
    async with rig(tmp_path, started=False, **stores.settings(mongodb=proxy.url)) as made:
        made.engine.spawn()
        await made.engine.until_not_ready("the mongodb server does not answer")
        assert (await made.engine.request("GET", "/live")).status_code == 200
        answer = await made.engine.send(signal_document(quantity="0.01"))
        assert answer.status_code == 503, answer.text
        assert (await made.engine.request("GET", "/health")).status_code == 503
        await made.engine.until_metric("tradeengine_alerts_total", 1, name="store_trouble", severity="critical")
        proxy.clear()
        await trading_within(made, TRADES_WITHIN_S)
        await everything_holds(stores, made.exchange, tmp_path, made.engine)


async def test_i84_without_mysql_at_the_start_it_trades_and_the_copy_follows_when_it_comes(
    tmp_path: Path, copied_stores: Stores, toxiproxy: Toxiproxy
) -> None:
    assert copied_stores.mysql
    proxy = toxiproxy.proxy(copied_stores.mysql)
    proxy.down()
    async with rig(tmp_path, **copied_stores.settings(mysql=proxy.url)) as made:
        await opened(made)

        async def told() -> bool:
            copy = await health(made.engine, "mysql")
            return copy["status"] == "degraded" and str(proxy.port) in copy["reason"]

        await made.until(told, "health to say that MySQL is away")
        assert (await made.engine.request("GET", "/health")).json()["status"] == "degraded"
        assert await made.engine.readiness() == (200, [])
        await made.until(lambda: alerts(made, "mysql_trouble", "warning"), "an alert")
        proxy.up()
        await until_no_lag(copied_stores)
        await everything_holds(copied_stores, made.exchange, tmp_path, made.engine)
