"""I75: ``tradeengine run`` stands still for longer than its lease on MongoDB, and goes on.

Its late order and its late append are both refused: the order because it sees at the door that its time is over, the
append because its successor has claimed the position.
"""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from contracts.subjects import shard_of
from tests.outages.pods import Pods, held_by, pods, records_of, takers, until
from tests.outages.stores import Stores
from tests.outages.truth import everything_holds
from tests.support.process import EngineProcess, signal_document
from tests.support.protecting import ORDER
from tests.support.toxiproxy import Toxiproxy

pytestmark = pytest.mark.process

SHARDS = 3
ALL = set(range(SHARDS))
SHARD = shard_of("BTCUSDT", SHARDS)
QUICK_LEASE = {"LEASE_SECONDS": "10", "SHARDS": str(SHARDS)}
UNAVAILABLE = {"status": 503, "msg": "Service Unavailable"}
BUY: dict[str, Any] = {"quantity": "0.01"}


async def taken_over(site: Pods, stores: Stores) -> EngineProcess:
    """Start another pod and wait until it works on everything."""
    successor = site.pod("successor", **stores.settings(), **QUICK_LEASE)
    await successor.start()

    async def owns_all() -> bool:
        return await held_by(successor) == ALL

    await until(owns_all, "all shards")
    await successor.until_ready()
    return successor


async def fenced(former: EngineProcess) -> None:
    """Wait until a pod that goes on has noticed that its shards are another's."""

    async def owns_nothing_of_it() -> bool:
        return "shard_lost" in former.log() or "shard_fenced" in former.log()

    await until(owns_nothing_of_it, "the former owner to drop its shards")


async def test_i75_an_order_that_a_frozen_pod_would_send_late_is_sent_once_by_its_successor(
    tmp_path: Path, stores: Stores
) -> None:
    async with pods(tmp_path) as site:
        former = site.pod("former", **stores.settings(), **QUICK_LEASE)
        await former.start()
        await site.exchange.fault(UNAVAILABLE, None, method="POST", path=ORDER)
        await former.accept(signal_document("buy", "A", signal_id="s1", **BUY))

        async def tried() -> bool:
            return bool(await site.exchange.requests("POST", ORDER))

        await until(tried, "the order to be tried")
        former.freeze()
        await site.exchange.heal()

        successor = await taken_over(site, stores)
        await successor.until_protection(
            lambda rows: [row["cover"] for row in rows] == ["protected"], "stop and target"
        )
        moment = await site.exchange.moment()
        former.thaw()
        await fenced(former)
        decision = (await successor.send(signal_document("hold", "A", signal_id="s2"))).json()
        assert decision["outcome"] == "held"
        assert await site.exchange.requests("POST", ORDER, since=moment) == []
        assert await site.exchange.held() == Decimal("0.01")
        history = await everything_holds(stores, site.exchange, tmp_path, former, successor)
        assert history.decisions.keys() == {("A", "s1"), ("A", "s2")}
    await only_the_newest_owner_wrote(stores)


async def test_i75_a_record_that_a_frozen_pod_appends_late_is_refused(
    tmp_path: Path, stores: Stores, toxiproxy: Toxiproxy
) -> None:
    """It is cut off from MongoDB with a decided signal in hand, frozen, and finds the way open again when it thaws."""
    proxy = toxiproxy.proxy(stores.mongodb)
    async with pods(tmp_path) as site:
        former = site.pod("former", **stores.settings(mongodb=proxy.url), **QUICK_LEASE)
        await former.start()
        proxy.down()
        waiting = asyncio.create_task(former.send(signal_document("buy", "A", signal_id="s1", **BUY)))
        await former.until_not_ready("the journal takes nothing")
        former.freeze()
        proxy.up()

        successor = await taken_over(site, stores)
        await successor.accept(signal_document("buy", "A", signal_id="s1", **BUY))
        await successor.until_protection(
            lambda rows: [row["cover"] for row in rows] == ["protected"], "stop and target"
        )
        former.thaw()
        answer = await waiting
        assert answer.status_code == 503, answer.text
        await fenced(former)
        assert await site.exchange.held() == Decimal("0.01")
        history = await everything_holds(stores, site.exchange, tmp_path, former, successor)
        assert history.decisions.keys() == {("A", "s1")}
    await only_the_newest_owner_wrote(stores)


async def only_the_newest_owner_wrote(stores: Stores) -> None:
    """Insist that epochs never fall: behind a takeover nothing of a former owner's has landed."""
    records = await records_of(stores, SHARD)
    epochs = [record.epoch for record in records]
    assert epochs == sorted(epochs)
    assert len(takers(records)) >= 2
