"""The checks of ``tradeengine doctor`` that are about stores."""

import os

from shared.clock import SystemClock
from shared.errors import EngineError, RetrySafe
from shared.leases.mongodb import MongoLeases
from shared.mongodb import MongoStore, mapped_errors
from shared.mysql import MySqlThread
from shared.settings import Settings
from tradeengine.cli.finding import Finding
from tradeengine.cli.schema import mongo_store, mysql_address
from tradeengine.journal import mongodb_schema as journal_schema
from tradeengine.journal.mongodb import MongoJournal
from tradeengine.journal.sqlite import SqliteJournal
from tradeengine.projection import mongodb_schema as read_model_schema
from tradeengine.projection import mysql_schema
from tradeengine.runtime.files import data_folder, journal_file

_PROBE = "probe"
_MYSQL_S = 10.0


async def examine_stores(settings: Settings) -> list[Finding]:
    """Check journal, read model, leases and the copy in MySQL, as far as they are configured."""
    findings = [_folder(settings)]
    if settings.mongodb_uri is not None:
        findings.append(await _mongodb(settings))
    elif findings[0].verdict == "ok":
        findings = [await _sqlite(settings)]
    if settings.mysql_address is not None:
        findings.append(await _mysql(settings))
    return findings


def _folder(settings: Settings) -> Finding:
    folder = settings.data_dir
    try:
        data_folder(folder)
    except EngineError as error:
        return Finding("store", "failed", str(error))
    if not os.access(folder, os.W_OK):
        return Finding("store", "failed", f"{folder} cannot be written: make it writable or set TRADEENGINE_DATA_DIR")
    return Finding("store", "ok", f"{folder} is writable")


async def _sqlite(settings: Settings) -> Finding:
    path = journal_file(settings.data_dir)
    if not path.exists():
        return Finding("store", "ok", f"{settings.data_dir} is writable; the journal is made at the first start")
    journal = SqliteJournal(path)
    try:
        await journal.open()
        try:
            records = sum([await journal.last_sequence(shard) for shard in await journal.shards()])
        finally:
            await journal.close()
    except EngineError as error:
        return Finding("store", "failed", str(error))
    return Finding("store", "ok", f"{path}: {records} records")


async def _mongodb(settings: Settings) -> Finding:
    """Ask for the schema, and write and read something back as the engine will."""
    try:
        store = mongo_store(settings)
        await store.open()
        try:
            missing = [*await journal_schema.verify_schema(store), *await read_model_schema.verify_schema(store)]
            if missing:
                lacks = "; ".join(missing)
                return Finding("mongodb", "failed", f"{store.name}: {lacks}; `tradeengine schema apply` makes it")
            await _write_and_read(store)
            return Finding("mongodb", "ok", await _contents(store))
        finally:
            await store.close()
    except EngineError as error:
        return Finding("mongodb", "failed", str(error))


async def _write_and_read(store: MongoStore) -> None:
    control, now_ms = store.collection(journal_schema.CONTROL), SystemClock().now_ms()
    with mapped_errors(writing=True):
        await control.replace_one({"_id": _PROBE}, {"_id": _PROBE, "time_ms": now_ms}, upsert=True)
        found = await control.find_one({"_id": _PROBE, "time_ms": now_ms})
        await control.delete_one({"_id": _PROBE})
    if found is None:
        raise RetrySafe(f"what was written to {store.name} a moment ago is not there: look at the server's replica set")


async def _contents(store: MongoStore) -> str:
    journal, leases = MongoJournal(store), MongoLeases(store)
    await journal.open()
    try:
        records = sum([await journal.last_sequence(shard) for shard in await journal.shards()])
    finally:
        await journal.close()
    await leases.open()
    try:
        held = [lease for lease in await leases.read() if lease.owner is not None]
    finally:
        await leases.close()
    owners = ", ".join(sorted({lease.owner for lease in held if lease.owner})) or "nobody"
    return f"{store.name} is complete and takes writes: {records} records, {len(held)} shards held by {owners}"


async def _mysql(settings: Settings) -> Finding:
    try:
        address = mysql_address(settings)
        thread = MySqlThread(address, timeout_s=_MYSQL_S)
        try:
            found = await thread.open(mysql_schema.schema_status)
        finally:
            await thread.close()
    except EngineError as error:
        return Finding("mysql", "failed", str(error))
    wrong = [f"{step.number:04} {step.name}" for step in found.pending] + found.missing
    if wrong:
        advice = "run `tradeengine schema apply --target mysql`"
        return Finding("mysql", "failed", f"{address} lacks {', '.join(wrong)}: {advice}")
    if found.unknown:
        newer = ", ".join(f"{number:04}" for number in found.unknown)
        return Finding("mysql", "failed", f"{address} has {newer} of a newer engine: start that one")
    return Finding("mysql", "ok", f"{address}: {len(found.applied)} migrations applied")
