"""What a server that several processes share adds to the journal's contract: races, schema, sizes, old documents."""

import asyncio
import base64
import random
from collections.abc import AsyncIterator

import msgspec
import pytest
from bson.int64 import Int64

from shared.errors import ConfigError, Fenced, Rejected
from shared.mongodb import Document, MongoStore
from tests.support.records import RecordedWorld, claim, signal_records
from tests.support.stores import empty_mongo_journal
from tradeengine.domain.inputs import signal_key
from tradeengine.journal.base import Snapshot
from tradeengine.journal.mongodb import MongoJournal
from tradeengine.journal.mongodb_schema import apply_schema, verify_schema
from tradeengine.journal.mongodb_snapshots import MongoSnapshots
from tradeengine.journal.record import Record, decision_hash, encode

APPLY = "tradeengine schema apply --target mongodb"


@pytest.fixture
async def store(mongodb_uri: str, mongodb_database: str) -> AsyncIterator[MongoStore]:
    store = MongoStore(mongodb_uri, mongodb_database)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def journal(mongodb_uri: str, mongodb_database: str) -> AsyncIterator[MongoJournal]:
    journal = await empty_mongo_journal(mongodb_uri, mongodb_database)
    yield journal
    await journal.close()


def others(records: list[Record], tag: str) -> list[Record]:
    """What another owner would write at the same positions."""
    made = signal_records(len(records), tag=tag)
    return [Record(mine.shard, mine.sequence, other.entries, 7) for mine, other in zip(records, made, strict=True)]


# ---------------------------------------------------------------- schema


async def test_an_empty_database_is_refused_until_the_schema_job_has_run(store: MongoStore) -> None:
    journal = MongoJournal(store)
    assert len(await verify_schema(store)) == 2
    with pytest.raises(ConfigError, match=f"{store.name} lacks .*the index decided_1 of journal; run `{APPLY}`"):
        await journal.open()
    assert await store.database.list_collection_names() == [], "opening makes nothing"

    await asyncio.gather(*[apply_schema(store) for _ in range(4)])
    await apply_schema(store)
    assert await verify_schema(store) == []
    await journal.open()
    await journal.close()


async def test_a_missing_index_is_named(store: MongoStore) -> None:
    await apply_schema(store)
    await store.collection("journal").drop_index("decided_1")
    assert await verify_schema(store) == ["the index decided_1 of journal"]
    with pytest.raises(ConfigError, match="the index decided_1 of journal"):
        await MongoJournal(store).open()


async def test_a_newer_schema_is_a_configuration_error(store: MongoStore) -> None:
    await apply_schema(store)
    await store.collection("control").update_one({"_id": "schema"}, {"$set": {"version": 99}})
    newer = "its schema is version 99, this engine knows 1"
    with pytest.raises(ConfigError, match=newer):
        await MongoJournal(store).open()
    with pytest.raises(ConfigError, match=newer):
        await apply_schema(store)
    found = await store.collection("control").find_one({"_id": "schema"})
    assert found == {"_id": "schema", "version": 99}


# ---------------------------------------------------------------- documents


async def test_a_record_is_one_document_at_its_position(journal: MongoJournal, store: MongoStore) -> None:
    (record,) = signal_records(1, shard=5, size=2)
    record = Record(5, 1, record.entries, epoch=3)
    await journal.append([record])

    (document,) = await store.collection("journal").find().to_list()
    keys = [signal_key("A", "BTCUSDT", f"s-0-{n}") for n in range(2)]
    assert document == {
        "_id": 5 * 2**40 + 1,
        "shard": 5,
        "sequence": 1,
        "epoch": 3,
        "payload": encode(record),
        "decided": [decision_hash(key) for key in keys],
    }
    assert all(isinstance(document[name], Int64) for name in ("_id", "sequence", "epoch"))


async def test_documents_of_an_earlier_version_load(journal: MongoJournal, store: MongoStore) -> None:
    records = signal_records(3)
    # As they were before records had an epoch and documents a codec.
    old: list[Document] = []
    for record in records[:2]:
        payload = encode(record)
        assert b"epoch" not in payload
        position = Int64(record.sequence)
        old.append({"_id": position, "shard": 0, "sequence": position, "payload": payload, "decided": []})
    await store.collection("journal").insert_many(old)

    assert await journal.read(0) == records[:2]
    await journal.append(records[2:])
    assert await journal.last_sequence(0) == 3
    assert [record.epoch for record in await journal.read(0)] == [0, 0, 0]


async def test_a_record_that_no_document_can_hold_is_refused_and_nothing_else_suffers(journal: MongoJournal) -> None:
    text = base64.b64encode(random.Random(1).randbytes(18 * 2**20)).decode()
    world = RecordedWorld(shard=1)
    world.signal("hold", carried={"text": text})
    too_large, small = world.cut(), signal_records(1)[0]

    with pytest.raises(Rejected, match=r"record 1 of shard 1 has \d{8} bytes, \d{8} compressed"):
        await journal.append([small, too_large])
    assert await journal.shards() == []
    await journal.append([small])
    assert await journal.read(0) == [small]


async def test_what_fits_only_compressed_is_kept_compressed(journal: MongoJournal, store: MongoStore) -> None:
    world = RecordedWorld()
    world.signal("hold", carried={"text": "long " * 4_000_000})
    record = world.cut()
    await journal.append([record])

    document = await store.collection("journal").find_one()
    assert document is not None
    assert document["codec"] == "zlib"
    assert len(document["payload"]) < 2**20
    assert await journal.read(0) == [record]


async def test_no_document_is_read_as_another_record(journal: MongoJournal, store: MongoStore) -> None:
    await journal.append(signal_records(1))
    await store.collection("journal").update_one({}, {"$set": {"payload": b'{"shard":0}'}})
    with pytest.raises(msgspec.ValidationError):
        await journal.read(0)


# ---------------------------------------------------------------- other owners


async def test_the_end_is_found_however_far_others_went_and_where_a_server_has_lost_it(
    journal: MongoJournal, mongodb_uri: str, mongodb_database: str, store: MongoStore
) -> None:
    other = MongoJournal(MongoStore(mongodb_uri, mongodb_database))
    await other.open()
    records = signal_records(60)
    for first, last in ((0, 1), (1, 2), (2, 9), (9, 60)):
        await other.append(records[first:last])
        assert await journal.last_sequence(0) == last
    await other.close()
    await store.collection("journal").delete_many({"_id": {"$gt": records[44].sequence}})
    assert await journal.last_sequence(0) == 45
    assert await journal.last_sequence(1) == 0
    assert await journal.shards() == [0]


async def test_of_eight_writers_of_one_position_one_wins(mongodb_uri: str, mongodb_database: str) -> None:
    first = await empty_mongo_journal(mongodb_uri, mongodb_database)
    journals = [first, *[MongoJournal(MongoStore(mongodb_uri, mongodb_database)) for _ in range(7)]]
    await asyncio.gather(*[journal.open() for journal in journals[1:]])
    winners: list[Record] = []
    for sequence in range(1, 16):
        entries = [signal_records(1, tag=f"{sequence}-{n}")[0].entries for n in range(8)]
        records = [Record(0, sequence, entry, n) for n, entry in enumerate(entries)]
        done = await asyncio.gather(
            *[journal.append([record]) for journal, record in zip(journals, records, strict=True)],
            return_exceptions=True,
        )
        won = [record for record, result in zip(records, done, strict=True) if result is None]
        assert len(won) == 1
        assert sum(isinstance(result, Fenced) for result in done) == 7
        winners += won
    for journal in journals:
        assert await journal.read(0) == winners
        await journal.close()


async def test_an_owner_that_was_overtaken_is_fenced_wherever_it_writes_next(
    journal: MongoJournal, mongodb_uri: str, mongodb_database: str
) -> None:
    records, theirs = signal_records(6), MongoJournal(MongoStore(mongodb_uri, mongodb_database))
    await theirs.open()
    await journal.append(records[:2])
    await theirs.append(records[2:4])
    late = others(records, "late")

    # It knows of two records; there are four.
    with pytest.raises(Fenced, match="record 3 of shard 0 is taken"):
        await journal.append(late[2:3])
    await journal.last_sequence(0)
    await theirs.append(records[4:5])
    with pytest.raises(Fenced, match="record 5 of shard 0 is taken"):
        await journal.append(late[4:6])
    with pytest.raises(Fenced, match="record 4 of shard 0 is taken"):
        await journal.append(late[3:4])
    assert await journal.read(0) == records[:5], "and nothing is written behind what was refused"
    await theirs.close()


async def test_what_is_written_of_an_append_that_is_fenced_is_a_prefix(
    journal: MongoJournal, mongodb_uri: str, mongodb_database: str
) -> None:
    zero, one, two = (signal_records(3, shard=shard) for shard in range(3))
    theirs = MongoJournal(MongoStore(mongodb_uri, mongodb_database))
    await theirs.open()
    await journal.append([zero[0], one[0], two[0]])
    await theirs.append([claim(1, 2, epoch=7)])

    with pytest.raises(Fenced, match="record 2 of shard 1 is taken"):
        await journal.append([zero[1], one[1], one[2], two[1]])
    assert [await journal.last_sequence(shard) for shard in range(3)] == [2, 2, 1]
    await journal.append([zero[2], two[1]])
    assert await journal.read(0) == zero
    await theirs.close()


async def test_a_record_that_follows_what_others_wrote_is_no_hole(
    journal: MongoJournal, mongodb_uri: str, mongodb_database: str
) -> None:
    records, theirs = signal_records(3), MongoJournal(MongoStore(mongodb_uri, mongodb_database))
    await theirs.open()
    await journal.append(records[:1])
    await theirs.append(records[1:2])

    await journal.append(records[2:])
    with pytest.raises(Fenced, match="record 7 of shard 0 leaves a hole: the journal is at 3"):
        await theirs.append([Record(0, 7, records[0].entries)])
    assert await theirs.read(0) == records
    await theirs.close()


# ---------------------------------------------------------------- snapshots


async def test_a_snapshot_in_parts_is_loaded_whole_and_its_parts_go_with_it(
    journal: MongoJournal, store: MongoStore
) -> None:
    chance = random.Random(2)
    states = {sequence: chance.randbytes(5_000) for sequence in (4, 9)}
    small = MongoSnapshots(store, part_bytes=1_000)
    collection = store.collection("snapshots")
    await small.save(3, Snapshot(4, states[4]))
    await small.save(33, Snapshot(1, states[4]))
    assert await collection.count_documents({}) == 2 * 7
    await small.save(3, Snapshot(9, states[9]))

    assert await small.load(3) == Snapshot(9, states[9])
    assert await small.load(33) == Snapshot(1, states[4])
    assert await collection.count_documents({}) == 2 * 7
    await journal.save_snapshot(3, Snapshot(10, b"short"))
    assert await collection.count_documents({}) == 1 + 7


async def test_a_snapshot_that_was_torn_is_never_loaded(store: MongoStore) -> None:
    chance = random.Random(3)
    subject, collection = MongoSnapshots(store, part_bytes=1_000), store.collection("snapshots")
    old, new = (Snapshot(sequence, chance.randbytes(5_000)) for sequence in (4, 9))
    await subject.save(0, old)
    head = await collection.find_one({"_id": 0})
    await subject.save(0, new)
    newest = await collection.find_one({"_id": 0})
    assert head is not None
    assert newest is not None

    # A writer that died before it exchanged the head leaves parts without one.
    await subject.save(0, Snapshot(9, old.state))
    await collection.replace_one({"_id": 0}, newest)
    assert await subject.load(0) == new
    # A head whose parts are gone is damage, and never half a state.
    await collection.delete_one({"_id": {"$regex": f"^0/.*{newest['digest']}/000003$"}})
    with pytest.raises(ConfigError, match=f"snapshot 9 of shard 0 in the MongoDB database {store.name} is damaged"):
        await subject.load(0)


async def test_writers_of_one_snapshot_leave_one_that_is_whole(store: MongoStore) -> None:
    chance = random.Random(4)
    subjects = [MongoSnapshots(store, part_bytes=1_000) for _ in range(6)]
    states = [chance.randbytes(3_000) for _ in subjects]
    for sequence in range(1, 6):
        made = [Snapshot(sequence + n % 2, state) for n, state in enumerate(states)]
        await asyncio.gather(*[subject.save(0, one) for subject, one in zip(subjects, made, strict=True)])
        loaded = await subjects[0].load(0)
        assert loaded in made
        assert loaded is not None
        assert loaded.sequence == sequence + 1
