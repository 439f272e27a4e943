"""MySQL accepts everything and never answers: decisions and stops go on, and health says how far the copy is behind."""

from decimal import Decimal
from pathlib import Path

import pytest

from tests.outages.pods import health
from tests.outages.stores import Stores
from tests.outages.truth import everything_holds, until_no_lag
from tests.support.process import signal_document
from tests.support.protecting import opened
from tests.support.rig import rig
from tests.support.toxiproxy import Toxiproxy

pytestmark = pytest.mark.process

SIGNALS = 100


@pytest.mark.slow
async def test_i84_i85_a_mysql_that_never_answers_holds_nothing_up(
    tmp_path: Path, copied_stores: Stores, toxiproxy: Toxiproxy
) -> None:
    assert copied_stores.mysql
    proxy = toxiproxy.proxy(copied_stores.mysql)
    async with rig(tmp_path, **copied_stores.settings(mysql=proxy.url)) as made:
        await opened(made)
        await until_no_lag(copied_stores)
        proxy.timeout()
        for number in range(SIGNALS):
            answer = await made.engine.send(signal_document("hold", "A", signal_id=f"hold-{number}"))
            assert answer.json()["outcome"] == "held"
        await opened(made, "sell", "B")

        async def told() -> bool:
            copy = await health(made.engine, "mysql")
            late = copy["lag_records"] > 0 and copy["lag_events"] > 0 and copy["lag_seconds"] > 0
            return late and copy["status"] == "degraded" and str(proxy.port) in copy["reason"]

        await made.until(told, "health to say how far the copy is behind")
        assert (await made.engine.request("GET", "/health")).json()["status"] == "degraded"
        assert await made.engine.readiness() == (200, [])
        assert await made.engine.metric("tradeengine_copy_lag_records", copy="mysql") > 0
        proxy.clear()
        await until_no_lag(copied_stores)
        assert await made.exchange.held(side="SHORT") == Decimal("-0.01")
        history = await everything_holds(copied_stores, made.exchange, tmp_path, made.engine)
        assert len(history.decisions) == SIGNALS + 2
