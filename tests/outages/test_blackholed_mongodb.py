"""MongoDB accepts everything and never answers, between a fill and its stop.

The stop is live within a second of the fill all the same, and rests once; when MongoDB answers again, also after the
leases have run out meanwhile, the record follows and the books say what the exchange says.
"""

import asyncio
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.outages.stores import Stores
from tests.outages.truth import everything_holds
from tests.support.process import signal_document
from tests.support.protecting import STOP, alerts, of, one, placed, resting
from tests.support.rig import Rig, rig
from tests.support.toxiproxy import Toxiproxy

pytestmark = pytest.mark.process

LIVE_S = 1.0
"""How long a position may be without its stop after the fill."""
SHORT_S, LONG_S = 8.0, 30.0
QUANTITY = "0.01"


async def filled(made: Rig) -> float:
    """Let the market come to an entry that rests; the moment."""
    began = time.monotonic()
    await made.exchange.mark("BTCUSDT", 49_000)
    assert await made.exchange.held() == Decimal(QUANTITY)
    return began


async def stop_stays_alone(made: Rig, since: float, seconds: float) -> None:
    """Insist that the one stop rests, and nothing beside it, until so long after a moment."""
    while time.monotonic() - since < seconds:
        (stop,) = await made.exchange.stops()
        assert (stop["orderType"], Decimal(stop["quantity"])) == (STOP, Decimal(QUANTITY))
        status = await made.engine.request("GET", "/live")
        assert status.status_code == 200, status.text
        await asyncio.sleep(0.1)


async def blackholed(folder: Path, stores: Stores, toxiproxy: Toxiproxy, seconds: float) -> Any:
    """Let MongoDB fall silent just before a fill, for so long."""
    proxy = toxiproxy.proxy(stores.mongodb)
    settings = stores.settings(mongodb=proxy.url)
    async with rig(folder, RECONCILE_INTERVAL_SECONDS="1", **settings) as made:
        entry = signal_document("buy", "A", quantity=QUANTITY, order_type="limit", price="49000")
        await made.engine.accept(entry)
        await made.engine.until_rows("/orders", lambda rows: [row["status"] for row in rows] == ["open"])

        proxy.timeout()
        began = await filled(made)
        (stop,) = await resting(made, 1, seconds=LIVE_S)
        await made.engine.until_not_ready("the journal takes nothing")
        await stop_stays_alone(made, began, seconds)
        assert await alerts(made, "stop_before_commit", "warning") == 1
        proxy.clear()

        await made.engine.until_ready()
        orders = await resting(made, 2)
        assert one(orders, STOP)["clientAlgoId"] == stop["clientAlgoId"]
        assert len(await placed(made.exchange, STOP)) == 1, "the stop was sent again"
        assert len(of(orders)) == 2
        (row,) = await made.engine.until_rows("/strategy-positions", bool)
        assert (Decimal(row["current_quantity"]), row["sl_order_id"]) == (Decimal(QUANTITY), stop["clientAlgoId"])
        history = await everything_holds(stores, made.exchange, folder, made.engine)
        assert (history.fills, history.orders) == (1, 3)


async def test_i28_i85_a_mongodb_that_never_answers_between_fill_and_stop_delays_no_stop(
    tmp_path: Path, stores: Stores, toxiproxy: Toxiproxy
) -> None:
    await blackholed(tmp_path, stores, toxiproxy, SHORT_S)


@pytest.mark.long
async def test_i28_i85_a_mongodb_that_never_answers_for_longer_than_a_lease_delays_no_stop(
    tmp_path: Path, stores: Stores, toxiproxy: Toxiproxy
) -> None:
    """The shard is dropped when its lease is over, taken again afterwards, and its fill is read back."""
    await blackholed(tmp_path, stores, toxiproxy, LONG_S)
