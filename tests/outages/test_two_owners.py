"""Two owners of one shard by force: the leases are taken away under an owner that goes on to believe in them.

The journal's positions decide: whoever took over last has claimed the next one, the other is fenced at its first append
and drops the shard, and the books say what the exchange says.
"""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import pytest

from contracts.subjects import shard_of
from shared.leases.mongodb import LEASES, MEMBERS
from tests.outages.pods import held_by, pods, records_of, takers, until
from tests.outages.stores import Stores
from tests.outages.truth import everything_holds
from tests.support.process import signal_document

pytestmark = pytest.mark.process

SHARDS = 8
SHARD = shard_of("BTCUSDT", SHARDS)
LEASE_S = "120"
"""The former owner renews, and learns that it holds nothing, after a third of it: all of the test lies before that."""


async def deleted(stores: Stores) -> None:
    """Somebody drops the collections, as one does who believes them to be stale."""
    async with stores.client() as store:
        await store.collection(LEASES).delete_many({})
        await store.collection(MEMBERS).delete_many({})


async def rewritten(stores: Stores) -> None:
    """Somebody gives every lease to a process that does not live, and whose time is over."""
    async with stores.client() as store:
        stolen = {"$set": {"owner": "nobody", "ttl_ms": 1}, "$inc": {"epoch": 7, "renewals": 1}}
        await store.collection(LEASES).update_many({}, stolen)
        await store.collection(MEMBERS).delete_many({})


@pytest.mark.parametrize("tamper", [deleted, rewritten])
async def test_i75_of_two_owners_by_force_one_is_fenced_and_the_books_are_right(
    tmp_path: Path, stores: Stores, tamper: Callable[[Stores], Awaitable[None]]
) -> None:
    settings = stores.settings() | {"LEASE_SECONDS": LEASE_S, "SHARDS": str(SHARDS)}
    async with pods(tmp_path) as site:
        former, successor = site.pod("former", **settings), site.pod("successor", **settings)
        await former.start()
        await former.accept(signal_document("buy", "A", quantity="0.01", signal_id="first"))
        await former.until_protection(lambda rows: [row["cover"] for row in rows] == ["protected"], "stop and target")

        await tamper(stores)
        await successor.start()

        async def took() -> bool:
            return await held_by(successor) == set(range(SHARDS))

        await until(took, "the successor to take every shard")
        # It sees another member, and hands over its surplus, of which this shard is no part.
        assert SHARD in await held_by(former), "both believe in the shard"

        contested = signal_document("buy", "B", quantity="0.02", signal_id="contested")
        refused, taken = await asyncio.gather(former.send(contested), successor.accept(contested))
        assert refused.status_code == 503, refused.text
        assert taken["orders"]
        await former.until_logged("shard_fenced")

        async def dropped() -> bool:
            return SHARD not in await held_by(former)

        await until(dropped, "the former owner to drop the shard")

        history = await everything_holds(stores, site.exchange, tmp_path, former, successor)
        assert history.decisions.keys() == {("A", "first"), ("B", "contested")}
        assert await site.exchange.held() == Decimal("0.03")
        records = await records_of(stores, SHARD)
        first, second, *_ = takers(records)
        assert first == 1
        behind = [record.epoch for record in records if record.sequence >= second]
        assert len(set(behind)) == 1, "something of the former owner's landed behind its successor's claim"
