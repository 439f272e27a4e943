"""What every lease store promises, whatever it keeps its documents in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from shared.leases.base import Lease, LeaseStore, Member
from shared.leases.memory import MemoryLeases
from shared.leases.mongodb import MongoLeases
from shared.leases.sqlite import SqliteLeases
from shared.mongodb import MongoStore

TTL_MS = 15_000


@asynccontextmanager
async def mongo_leases(uri: str, database: str) -> AsyncIterator[MongoLeases]:
    leases = MongoLeases(MongoStore(uri, database))
    await leases.open()
    try:
        yield leases
    finally:
        await leases.close()


@pytest.fixture(params=["memory", "sqlite", "mongodb"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[LeaseStore]:
    if request.param == "mongodb":
        uri, database = request.getfixturevalue("mongodb_uri"), request.getfixturevalue("mongodb_database")
        async with mongo_leases(uri, database) as leases:
            yield leases
        return
    made = MemoryLeases() if request.param == "memory" else SqliteLeases(tmp_path / "leases.db")
    await made.open()
    yield made
    await made.close()


async def taken(store: LeaseStore, shard: int, owner: str) -> Lease:
    """Take a shard as it stands."""
    seen = {lease.shard: lease for lease in await store.read()}.get(shard)
    lease = await store.take(seen, shard, owner, TTL_MS)
    assert lease is not None
    return lease


async def test_a_new_store_is_empty(store: LeaseStore) -> None:
    assert await store.read() == []
    assert await store.members() == {}


async def test_opening_twice_is_opening_once(store: LeaseStore) -> None:
    await taken(store, 0, "a")
    await store.open()
    assert [lease.owner for lease in await store.read()] == ["a"]


async def test_the_first_take_makes_the_document(store: LeaseStore) -> None:
    lease = await store.take(None, 3, "a", TTL_MS)

    assert lease is not None
    assert (lease.shard, lease.owner, lease.epoch, lease.ttl_ms) == (3, "a", 1, TTL_MS)
    assert await store.read() == [lease]
    assert await store.take(None, 3, "b", TTL_MS) is None
    assert await store.read() == [lease]


async def test_documents_come_in_order_of_the_shards(store: LeaseStore) -> None:
    for shard in (11, 2, 7):
        await taken(store, shard, "a")

    assert [lease.shard for lease in await store.read()] == [2, 7, 11]


async def test_a_take_raises_the_epoch_and_a_renewal_or_release_never_does(store: LeaseStore) -> None:
    first = await taken(store, 0, "a")
    assert await store.renew("a", {0: first.epoch}) == {0}
    (renewed,) = await store.read()
    assert await store.release("a", 0, first.epoch)
    (released,) = await store.read()
    second = await taken(store, 0, "b")
    again = await taken(store, 0, "b")

    assert [lease.epoch for lease in (first, renewed, released, second, again)] == [1, 1, 1, 2, 3]
    assert [lease.owner for lease in (first, renewed, released, second)] == ["a", "a", None, "b"]
    numbers = [lease.renewals for lease in (first, renewed, released, second, again)]
    assert numbers == sorted(set(numbers)), "no document ever looks as it looked before"


async def test_whoever_takes_says_how_long_it_counts_on_it(store: LeaseStore) -> None:
    first = await taken(store, 0, "a")
    second = await store.take(first, 0, "b", 120_000)

    assert second is not None
    assert second.ttl_ms == 120_000
    await store.renew("b", {0: second.epoch})
    assert [lease.ttl_ms for lease in await store.read()] == [120_000]


async def test_what_has_changed_since_it_was_seen_is_not_taken(store: LeaseStore) -> None:
    seen = await taken(store, 0, "a")
    await store.renew("a", {0: seen.epoch})
    before = await store.read()

    assert await store.take(seen, 0, "b", TTL_MS) is None
    assert await store.read() == before


async def test_a_released_shard_is_free_at_once(store: LeaseStore) -> None:
    lease = await taken(store, 0, "a")
    assert await store.release("a", 0, lease.epoch)

    assert (await taken(store, 0, "b")).epoch == 2


async def test_a_tenure_that_has_ended_can_be_neither_renewed_nor_released(store: LeaseStore) -> None:
    first = await taken(store, 0, "a")
    await taken(store, 0, "b")
    third = await taken(store, 0, "a")
    before = await store.read()

    assert await store.renew("a", {0: first.epoch}) == set()
    assert not await store.release("a", 0, first.epoch)
    assert not await store.release("b", 0, third.epoch)
    assert not await store.release("a", 1, 1)
    assert await store.read() == before


async def test_of_many_renewals_each_stands_for_itself(store: LeaseStore) -> None:
    epochs = {shard: (await taken(store, shard, "a")).epoch for shard in range(6)}
    await taken(store, 1, "b")
    await store.release("a", 4, epochs[4])

    assert await store.renew("a", epochs | {9: 1}) == {0, 2, 3, 5}
    assert [lease.renewals for lease in await store.read()] == [2, 2, 2, 2, 2, 2]
    assert await store.renew("a", {}) == set()


async def test_members_come_beat_and_go(store: LeaseStore) -> None:
    await store.announce("b", 1)
    await store.announce("a", 4)
    await store.announce("b", 2)
    assert await store.members() == {"a": Member(4), "b": Member(2)}

    await store.withdraw("a")
    await store.withdraw("nobody")
    assert await store.members() == {"b": Member(2)}


async def test_a_member_says_what_it_runs_and_since_when(store: LeaseStore) -> None:
    await store.announce("a", 1, "1.2.3", 1_735_689_600_123)
    assert await store.members() == {"a": Member(1, "1.2.3", 1_735_689_600_123)}


async def test_the_drained_mark_stays_over_beats_until_it_is_taken_away(store: LeaseStore) -> None:
    await store.announce("a", 1, "1.2.3")
    await store.announce("b", 1)
    assert await store.drain("a", True)
    assert await store.drain("a", True), "twice is once"
    await store.announce("a", 2, "1.2.3")
    assert await store.members() == {"a": Member(2, "1.2.3", drained=True), "b": Member(1)}

    assert await store.drain("a", False)
    assert await store.members() == {"a": Member(2, "1.2.3"), "b": Member(1)}


async def test_the_mark_goes_with_the_member_and_nobody_else_can_be_marked(store: LeaseStore) -> None:
    assert not await store.drain("a", True)
    assert await store.members() == {}
    await store.announce("a", 1)
    await store.drain("a", True)
    await store.withdraw("a")
    await store.announce("a", 2)

    assert await store.members() == {"a": Member(2)}


async def test_marks_and_beats_at_once_lose_neither(store: LeaseStore) -> None:
    await store.announce("a", 0)
    for beat in range(1, 21):
        drained = bool(beat % 2)
        await asyncio.gather(store.announce("a", beat), store.drain("a", drained))
        assert await store.members() == {"a": Member(beat, drained=drained)}


async def test_of_eight_that_race_one_wins_each_round(store: LeaseStore) -> None:
    for round_number in range(1, 21):
        seen = next(iter(await store.read()), None)
        tries = [store.take(seen, 0, f"task-{number}", TTL_MS) for number in range(8)]
        winners = [lease for lease in await asyncio.gather(*tries) if lease is not None]

        assert len(winners) == 1
        assert winners[0].epoch == round_number
        assert await store.read() == winners


async def test_renewing_races_with_taking_and_one_of_them_wins(store: LeaseStore) -> None:
    seen = await taken(store, 0, "a")
    for _ in range(20):
        assert seen.owner is not None
        lease, renewed = await asyncio.gather(
            store.take(seen, 0, "b", TTL_MS), store.renew(seen.owner, {0: seen.epoch})
        )
        assert (lease is None) == (renewed == {0})
        (seen,) = await store.read()


async def test_leases_outlive_the_process_that_wrote_them(
    tmp_path: Path, mongodb_uri: str, mongodb_database: str
) -> None:
    file = SqliteLeases(tmp_path / "leases.db")
    for each in (file, again := SqliteLeases(tmp_path / "leases.db")):
        await each.open()
        await taken(each, 0, "a")
        await each.close()
    await again.open()
    assert [lease.epoch for lease in await again.read()] == [2]
    await again.close()
    for _ in range(2):
        async with mongo_leases(mongodb_uri, mongodb_database) as leases:
            await taken(leases, 0, "a")
    async with mongo_leases(mongodb_uri, mongodb_database) as leases:
        assert [lease.epoch for lease in await leases.read()] == [2]
