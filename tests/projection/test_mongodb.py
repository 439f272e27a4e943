"""The read model on MongoDB: what it does that no other store does."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import bson
import pytest
from bson.decimal128 import Decimal128
from hypothesis import given
from hypothesis import strategies as st
from pymongo.errors import DuplicateKeyError

from shared.clock import ManualClock
from shared.errors import ConfigError, OutcomeUnknown, RetrySafe
from shared.mongodb import MongoStore
from tests.projection.mongodb_stage import Fate, KilledError, Process, StagedStore
from tests.projection.tables import dump, quick_folder, row_of, rows_of
from tests.projection.targets import MongoPlace, SqlitePlace, opened
from tests.support.records import T0, RecordedWorld, signal_records
from tests.support.services import MongoServer
from tradeengine.journal.record import Record
from tradeengine.projection.base import ParkedRow
from tradeengine.projection.batch import Batch
from tradeengine.projection.mongodb import SCHEMA_VERSION, MongoReadModel, apply_schema, verify_schema
from tradeengine.projection.mongodb_codec import APPLIED, CODEC, from_store, row_id, to_json, to_store
from tradeengine.projection.mongodb_redo import Position, planned
from tradeengine.projection.rows import changes_of
from tradeengine.projection.tables import DECISIONS, TABLES, Kind

KILLS = 20


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[MongoPlace]:
    made = MongoPlace(tmp_path)
    await made.prepare()
    yield made
    await made.drop()


@pytest.fixture
async def store(place: MongoPlace) -> AsyncIterator[MongoStore]:
    async with opened(place.store()) as made:
        yield made


@pytest.fixture
async def model(store: MongoStore) -> AsyncIterator[MongoReadModel]:
    made = model_on(store)
    await made.open()
    yield made
    await made.close()


def model_on(store: MongoStore, **options: Any) -> MongoReadModel:
    return MongoReadModel(store, venue="paper", clock=ManualClock(T0), **options)


def busy_records(count: int) -> list[Record]:
    """Records in which positions are opened, funded and closed."""
    world = RecordedWorld()
    for number in range(count):
        world.trade("buy", "AB"[number % 2], f"{100 + number}", "0.1", stop_loss_pct="0.1")
        if number % 3 == 2:
            world.fund("0.001", "100")
            world.trade("close", "AB"[number % 2], "110")
        world.cut()
    return world.records


# ---------------------------------------------------------------- documents


async def test_documents_are_what_mongodb_can_calculate_with(model: MongoReadModel, store: MongoStore) -> None:
    world = RecordedWorld()
    world.trade("buy", "A", "45000.50", "0.10", carried={"rsi": {"14": 33.5}})
    await model.apply([world.cut()])

    (position,) = await store.collection("positions").find({"quantity": {"$lt": Decimal128("0.2")}}).to_list()
    assert position["entry_price"] == Decimal128("45000.5")
    assert position["entry_time"].isoformat().startswith("2026-01-01T12:00:00")
    assert position["metadata"] == {"rsi": {"14": 33.5}}
    assert position["_id"] == position["position_id"]
    (day,) = await store.collection("daily_pnl").find().to_list()
    assert (day["_id"], day["day"]) == ("2026-01-01/A/BTCUSDT", "2026-01-01")
    sums = await store.collection("fills").aggregate([{"$group": {"_id": None, "value": {"$sum": "$value"}}}])
    assert [row["value"].to_decimal() async for row in sums] == [Decimal("4500.05")]


def test_ids_of_different_keys_differ() -> None:
    keys = [("a/b", "c", "d"), ("a", "b/c", "d"), ("a%2Fb", "c", "d"), ("a", "b", "c/d")]
    assert len({row_id(DECISIONS, key) for key in keys}) == len(keys)


async def test_long_and_short_rows_of_a_symbol_coexist(model: MongoReadModel) -> None:
    """I110, I100."""
    world = RecordedWorld()
    world.trade("buy", "A", "100", "0.1")
    world.trade("sell", "B", "100", "0.2")
    await model.apply([world.cut()])

    rows = await rows_of(model, "exchange_positions", symbol="BTCUSDT")
    assert {(row["side"], row["current_quantity"]) for row in rows} == {("LONG", "0.1"), ("SHORT", "0.2")}
    assert len(await rows_of(model, "positions", symbol="BTCUSDT", status="open")) == 2
    # I102: a filter is never left out
    assert [row["side"] for row in await rows_of(model, "exchange_positions", side="SHORT")] == ["SHORT"]
    assert await rows_of(model, "positions", symbol="ETHUSDT") == []


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
awkward_names = st.sampled_from(["$set", "a.b", "", "plain", "as_json_text", "\0"])
storable = {
    Kind.TEXT: st.text(),
    Kind.DECIMAL: st.decimals(-(10**15), 10**15, places=18),
    Kind.TIME: st.integers(0, 4_102_444_800_000),
    Kind.DATE: st.integers(0, 40_000),
    Kind.INTEGER: st.integers(-(2**63), 2**63 - 1),
    Kind.BOOLEAN: st.booleans(),
    Kind.JSON: st.dictionaries(st.sampled_from(["$set", "a.b", "", "plain", "as_json_text", "\0"]), json_values)
    | json_values,
}
some_values = st.sampled_from(list(Kind)).flatmap(lambda kind: st.tuples(st.just(kind), storable[kind]))


@given(st.lists(some_values, min_size=4, max_size=8))
def test_every_value_survives_the_server(values: list[tuple[Kind, Any]]) -> None:
    """I105: by way of BSON, as the driver would send it."""
    held = {str(number): to_store(kind, value) for number, (kind, value) in enumerate(values)}
    read = bson.decode(bson.encode(held, codec_options=CODEC), codec_options=CODEC)
    for number, (kind, value) in enumerate(values):
        assert from_store(kind, read[str(number)]) == value
        assert (to_json(kind, read[str(number)]) is None) == (value is None)


# ---------------------------------------------------------------- what is refused


async def test_a_row_that_no_document_can_hold_is_parked_and_the_rest_goes_on(store: MongoStore) -> None:
    """I97: a failed persist is never silent."""
    told: list[ParkedRow] = []
    model = model_on(store, on_parked=told.append)
    await model.open()
    world = RecordedWorld()
    world.signal("hold", "A", signal_id="good")
    world.signal("hold", "A", signal_id="big", carried={"text": "x" * 13_000_000})
    world.signal("hold", "A", signal_id="also good")
    await model.apply([world.cut()])
    await model.apply([world.cut()])

    assert {row["signal_id"] for row in await rows_of(model, "decisions")} == {"good", "also good"}
    (row,) = told
    assert (row.table, row.key, row.shard, row.sequence) == ("decisions", "big/A/BTCUSDT", 0, 1)
    assert "are more than the" in row.reason
    (parked,) = await store.collection("parked_rows").find().to_list()
    assert (parked["table"], parked["key"], parked["sequence"]) == ("decisions", "big/A/BTCUSDT", 1)
    assert parked["row_characters"] > 13_000_000
    assert '"outcome"' in parked["row"]
    assert await model.checkpoint(0) == 2
    await model.close()


async def test_a_figure_of_more_digits_than_decimal128_has_is_parked(store: MongoStore) -> None:
    told: list[ParkedRow] = []
    model = model_on(store, on_parked=told.append)
    await model.open()
    world = RecordedWorld()
    world.signal("hold", "A", signal_id="long", confidence="0." + "1" * 35)
    world.signal("hold", "A", signal_id="short", confidence="0.1")
    await model.apply([world.cut()])

    assert [row["signal_id"] for row in await rows_of(model, "decisions")] == ["short"]
    assert [row.key for row in told] == ["long/A/BTCUSDT"]
    assert "34 digits" in told[0].reason
    await model.close()


async def test_a_document_that_the_server_refuses_is_parked(mongodb_uri: str, mongodb_database: str) -> None:
    """I110, I103: somebody has made an index that allows one position a symbol."""
    told: list[ParkedRow] = []
    world = RecordedWorld()
    world.trade("buy", "A", "100", "0.1")
    world.trade("sell", "B", "100", "0.1")
    async with opened(MongoStore(mongodb_uri, mongodb_database)) as store:
        await apply_schema(store)
        await store.collection("positions").create_index("symbol", unique=True)
        model = model_on(store, on_parked=told.append)
        await model.apply([world.cut()])

        _, other = await rows_of(model, "strategy_positions")
        assert [(row.table, row.key) for row in told] == [("positions", other["strategy_position_id"])]
        assert told[0].reason.endswith("drop that index")
        assert len(await rows_of(model, "positions")) == 1
        assert await model.checkpoint(0) == 1
        (parked,) = await store.collection("parked_rows").find().to_list()
        assert (parked["table"], parked["key"]) == ("positions", other["strategy_position_id"])


# ---------------------------------------------------------------- others at work


async def test_a_process_that_stood_still_in_the_middle_brings_nothing_back(store: MongoStore) -> None:
    records = busy_records(9)
    frozen, thaw = asyncio.Event(), asyncio.Event()

    async def decide(name: str) -> Fate:
        if name == "positions.bulk_write":
            frozen.set()
            await thaw.wait()
        return Fate.GO

    slow = model_on(StagedStore(store, Process(decide)))
    work = asyncio.create_task(slow.apply(records[:6]))
    await frozen.wait()
    fast = model_on(store)
    assert await fast.checkpoint(0) == 6
    await fast.apply(records[6:])
    before = await dump(fast)
    thaw.set()
    await work

    assert await dump(fast) == before
    assert await slow.checkpoint(0) == 9


async def test_a_key_without_its_document_is_tried_again_and_not_parked(store: MongoStore) -> None:
    """I97: a server under load shows the key of a write that was given up before it shows the document."""
    positions = store.collection("positions").with_options(codec_options=CODEC)
    world, told = RecordedWorld(), list[ParkedRow]()
    world.trade("buy", "A", "100", "0.1")
    record = world.cut()
    expected = await sqlite_tables([record])
    held: list[str] = [expected["positions"][0]["position_id"]]

    async def decide(name: str) -> Fate:
        if held and name == "positions.bulk_write":
            with suppress(DuplicateKeyError):
                await positions.insert_one({"_id": held[0], APPLIED: 2**62})
        if held and name == "positions.find":
            await positions.delete_one({"_id": held[0]})
        return Fate.GO

    model = model_on(StagedStore(store, Process(decide)), on_parked=told.append)
    with pytest.raises(OutcomeUnknown, match="without its document"):
        await model.apply([record])
    held.clear()
    await model.apply([record])
    assert not told
    assert await dump(model) == expected


async def test_a_process_whose_memory_is_stale_finds_out(store: MongoStore) -> None:
    records = busy_records(8)
    one, other = model_on(store), model_on(store)
    await one.apply(records[:3])
    await other.apply(records[:5])
    await one.apply(records)

    assert await one.checkpoint(0) == 8
    expected = await sqlite_tables(records)
    assert await dump(one) == expected


async def sqlite_tables(records: list[Record]) -> dict[str, Any]:
    with quick_folder() as folder:
        model = SqlitePlace(Path(folder)).model()
        await model.open()
        await model.apply(records)
        tables = await dump(model)
        await model.close()
    return tables


async def test_a_promise_is_not_overwritten_by_another(store: MongoStore) -> None:
    """The slow one has planned its batch before the fast one promised a longer one, and sends it in the middle."""
    records = busy_records(9)
    gates = {"slow": asyncio.Event(), "fast": asyncio.Event()}
    at_gate = {"slow": asyncio.Event(), "fast": asyncio.Event()}

    def process(name: str, stops_at: str, fate: Fate) -> MongoReadModel:
        async def decide(command: str) -> Fate:
            if command != stops_at:
                return Fate.GO
            at_gate[name].set()
            await gates[name].wait()
            return fate

        return model_on(StagedStore(store, Process(decide)))

    slow = process("slow", "checkpoints.update_one", Fate.GO)
    fast = process("fast", "daily_pnl.bulk_write", Fate.KILLED_AFTER)
    slow_work = asyncio.create_task(slow.apply(records[:3]))
    await at_gate["slow"].wait()
    fast_work = asyncio.create_task(fast.apply(records[:6]))
    await at_gate["fast"].wait()
    gates["slow"].set()
    await slow_work
    gates["fast"].set()
    # It is killed by what it still changes; where the promise was kept for it, that is nothing.
    with suppress(KilledError):
        await fast_work

    await model_on(store).apply(records)
    assert await dump(model_on(store)) == await sqlite_tables(records)


async def test_rows_of_a_former_generation_that_come_late_count_for_nothing(store: MongoStore) -> None:
    records = busy_records(9)
    frozen, thaw = asyncio.Event(), asyncio.Event()

    async def decide(name: str) -> Fate:
        if name == "daily_pnl.bulk_write":
            frozen.set()
            await thaw.wait()
        return Fate.GO

    slow = model_on(StagedStore(store, Process(decide)))
    work = asyncio.create_task(slow.apply(records[:7]))
    await frozen.wait()
    await model_on(store).clear(0)
    thaw.set()
    await work

    await model_on(store).apply(records)
    assert await dump(slow) == await sqlite_tables(records)


async def test_tables_are_made_anew_while_others_write(store: MongoStore) -> None:
    records = busy_records(9)
    frozen, thaw = asyncio.Event(), asyncio.Event()

    async def decide(name: str) -> Fate:
        if name == "daily_pnl.bulk_write":
            frozen.set()
            await thaw.wait()
        return Fate.GO

    slow = model_on(StagedStore(store, Process(decide)))
    work = asyncio.create_task(slow.apply(records[:7]))
    await frozen.wait()
    fast = model_on(store)
    await fast.clear(0)
    assert (await fast.checkpoint(0), await rows_of(fast, "positions")) == (0, [])
    await fast.apply(records[:2])
    thaw.set()
    await work
    assert await slow.checkpoint(0) == 7
    await fast.apply(records)
    assert await dump(fast) == await sqlite_tables(records)


@pytest.mark.process
@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
async def test_a_server_killed_under_load_loses_and_doubles_nothing(mongo_server: MongoServer) -> None:
    """I97."""
    records = busy_records(200)
    store = MongoStore(mongo_server.url, "killed", timeout_ms=2_000)
    async with opened(store):
        await apply_schema(store)
    model = model_on(store)
    kills = 0

    async def apply_all() -> None:
        applied: int | None = None
        while applied is None or applied < len(records):
            try:
                if not store.is_open:
                    await model.open()
                applied = await model.checkpoint(0) if applied is None else applied
                await model.apply(records[applied : applied + 1])
                applied += 1
            except (RetrySafe, OutcomeUnknown):
                applied = None
                await asyncio.sleep(0.02)

    async def kill() -> None:
        nonlocal kills
        while not work.done() and kills < KILLS:
            await asyncio.sleep(0.05)
            await asyncio.to_thread(mongo_server.kill)
            kills += 1
            await asyncio.to_thread(mongo_server.start)

    work = asyncio.create_task(apply_all())
    await asyncio.gather(work, kill())
    assert kills == KILLS
    assert await dump(model) == await sqlite_tables(records)
    await model.close()
    # The driver drops sockets whose server died while it connected; they must not be found in a later test.
    gc.collect()


# ---------------------------------------------------------------- schema and start


async def test_the_schema_job_makes_what_is_missing_and_may_run_again(mongodb_uri: str, mongodb_database: str) -> None:
    """I107: the start-up against the real store."""
    async with opened(MongoStore(mongodb_uri, mongodb_database)) as store:
        with pytest.raises(ConfigError, match=r"was never made; run `tradeengine schema apply --target mongodb`"):
            await model_on(store).open()
        assert any("never made" in line for line in await verify_schema(store))
        await apply_schema(store)
        await apply_schema(store)
        assert await verify_schema(store) == []
        await store.collection("alerts").drop()
        assert (
            "collection alerts lacks the index by_time: run `tradeengine schema apply --target mongodb`"
            in await verify_schema(store)
        )
        await apply_schema(store)
        assert await verify_schema(store) == []
        for table in TABLES.values():
            information = await store.collection(table.name).index_information()
            assert [(column, 1) for column in table.key] in [index["key"] for index in information.values()]


async def test_a_newer_schema_is_a_configuration_error(mongodb_uri: str, mongodb_database: str) -> None:
    async with opened(MongoStore(mongodb_uri, mongodb_database)) as store:
        await apply_schema(store)
        newer = {"$set": {"version": SCHEMA_VERSION + 1}}
        await store.collection("control").update_one({"_id": "read_model_schema"}, newer)
        with pytest.raises(ConfigError, match=rf"of schema version {SCHEMA_VERSION + 1}, this engine knows"):
            await model_on(store).open()


async def test_documents_without_newer_columns_still_load(model: MongoReadModel, store: MongoStore) -> None:
    """I108: as an earlier version of the engine has written them."""
    world = RecordedWorld()
    world.trade("buy", "A", "100", "0.1")
    await model.apply([world.cut()])
    dropped = {"$unset": {"trailing_pct": "", "other_commissions": "", "stop_widened": ""}}
    await store.collection("positions").update_many({}, dropped)

    row = await row_of(model, "positions")
    assert (row["trailing_pct"], row["other_commissions"], row["quantity"]) == (None, None, "0.1")
    anew = model_on(store)
    world.trade("close", "A", "110")
    await anew.apply([world.cut()])
    assert (await row_of(model, "positions"))["status"] == "closed"


async def test_a_server_that_is_away_is_retry_safe(mongodb_database: str) -> None:
    store = MongoStore("mongodb://127.0.0.1:1", mongodb_database, timeout_ms=300)
    with pytest.raises(RetrySafe, match="cannot be reached"):
        await model_on(store).open()


async def test_i72_checkpoints_and_pages_tell_where_they_are_from(model: MongoReadModel, store: MongoStore) -> None:
    """I103, I104 too: what was written is read back as it is."""
    await model.apply(signal_records(3))
    page = await model.query("decisions", filters={}, sort=None, cursor=None, limit=2)
    assert (page.source, page.age_seconds, len(page.rows)) == ("mongodb", 0.0, 2)
    held = await store.collection("checkpoints").find_one({"_id": 0})
    assert held is not None
    assert (held["sequence"], held["redo"]) == (3, None)
    assert await store.collection("decisions").count_documents({"_applied": 3}) == 3


async def test_a_redo_that_a_former_engine_has_left_is_finished(mongodb_uri: str, mongodb_database: str) -> None:
    """Such engines kept the rows as documents; they are one binary value now."""
    first, second = signal_records(2)
    async with opened(MongoStore(mongodb_uri, mongodb_database)) as store:
        await apply_schema(store)
        batch = Batch(lambda table, key, columns: None)
        batch.add(changes_of(first, "paper"))
        redo = planned(0, Position(0, 1, T0), batch, lambda name: False)
        former = {**redo.document(), "rows": list(redo.rows)}
        held = {"_id": 0, "generation": 0, "sequence": 0, "time_ms": 0, "redo": former}
        await store.collection("checkpoints").insert_one(held)

        model = model_on(store)
        assert await model.checkpoint(0) == 1
        assert [row["signal_id"] for row in await rows_of(model, "decisions")] == ["s-0-0"]
        await model.apply([second])
        assert await model.checkpoint(0) == 2
        await model.close()
