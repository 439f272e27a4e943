"""Rows of a redo, written into their collections: any number of times, by any number of processes."""

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, TypeVar

from pymongo.asynchronous.collection import AsyncCollection

from shared.mongodb import Document, MongoStore, mapped_errors
from tradeengine.projection.base import ParkedRow
from tradeengine.projection.changes import CloseContributions, Key
from tradeengine.projection.contributions import Contribution, closed_contributions
from tradeengine.projection.mongodb_bulk import Refused, Update, write
from tradeengine.projection.mongodb_codec import APPLIED, CODEC, SHARD, from_store, key_of, row_id, row_of, to_store
from tradeengine.projection.mongodb_redo import GENERATION_STEP, PARKED, Redo, order_text, parked_document
from tradeengine.projection.prefetch import Row, RowName
from tradeengine.projection.tables import (
    POSITION_CONTRIBUTIONS,
    SYMBOL_HALTS,
    TABLES,
    Kind,
    Table,
)

_T = TypeVar("_T")

_MOST_IDS: Final = 1_000
_MOST_UPDATES: Final = 250
_AT_ONCE: Final = 4
"""Commands under way, so that a server which writes a few hundred documents a second keeps each one's deadline."""
_MADE_AGAIN: Final = frozenset({SYMBOL_HALTS.name})
"""Tables whose rows are told to be made although they mostly exist, and are remembered nowhere."""
_MOST_CLOSINGS: Final = 1_000
_MOST_CLEARED: Final = 5_000


def collection(store: MongoStore, name: str) -> AsyncCollection[Document]:
    """A collection of the read model."""
    return store.collection(name).with_options(codec_options=CODEC)


async def fetch_rows(store: MongoStore, generation: int, wanted: Mapping[str, Sequence[Key]]) -> dict[RowName, Row]:
    """Rows by table and key; those that do not exist, or are of a former generation, are left out."""
    found: dict[RowName, Row] = {}

    async def fetch(table: Table, ids: list[str]) -> None:
        chosen = {"_id": {"$in": ids}, APPLIED: {"$gte": generation * GENERATION_STEP}}
        with mapped_errors(writing=False):
            documents = await collection(store, table.name).find(chosen).to_list()
        for document in documents:
            found[table.name, key_of(table, document)] = row_of(table, document)

    jobs = []
    for name, keys in wanted.items():
        ids = [row_id(TABLES[name], key) for key in keys]
        jobs += [fetch(TABLES[name], piece) for piece in _pieces(ids, _MOST_IDS)]
    await _all(jobs)
    return found


async def write_rows(store: MongoStore, redo: Redo) -> list[ParkedRow]:
    """Write a redo's rows, then close contributions; nothing that is newer is touched.

    Returns
    -------
    list of ParkedRow
        What the server has refused.
    """
    tables: dict[str, list[Update]] = {}
    for row in redo.rows:
        tables.setdefault(row["table"], []).append(_update(row, redo))
    parked = await _write(store, tables, redo)
    for closings in _pieces(redo.closings, _MOST_CLOSINGS):
        parked += await _write(store, {POSITION_CONTRIBUTIONS.name: await _closed(store, closings, redo)}, redo)
    return parked


async def clear_rows(store: MongoStore, redo: Redo) -> None:
    """Take out a shard's rows of former generations."""
    former = {SHARD: redo.shard, APPLIED: {"$lt": redo.to.generation * GENERATION_STEP}}
    for name in (*TABLES, PARKED):
        rows = collection(store, name)
        while True:
            with mapped_errors(writing=True):
                found = await rows.find(former, {"_id": 1}).limit(_MOST_CLEARED).to_list()
                if not found:
                    break
                await rows.delete_many({**former, "_id": {"$in": [document["_id"] for document in found]}})


def _update(row: Document, redo: Redo) -> Update:
    """Absolute values, for a document that is older than the redo, or none yet if it is to be made.

    Where there is a newer one, the server finds none to change, tries to make one, and refuses it for its key.
    """
    older = {"_id": row["id"], APPLIED: {"$lt": redo.to.mark}}
    change: Document = {"$set": {**row["set"], APPLIED: redo.to.mark}}
    if "made" not in row:
        return Update(row["id"], older, change)
    made = {**row["made"], SHARD: redo.shard}
    change["$setOnInsert"] = made
    new = None if row["table"] in _MADE_AGAIN else {"_id": row["id"], **made, **change["$set"]}
    return Update(row["id"], older, change, upsert=True, new=new)


async def _closed(store: MongoStore, closings: Sequence[CloseContributions], redo: Redo) -> list[Update]:
    """Updates that close contributions: what they are made from never changes once it is written."""
    wanted = {
        "strategy_position_id": {"$in": [closing.position_id for closing in closings]},
        APPLIED: {"$gte": redo.to.generation * GENERATION_STEP},
    }
    held: dict[str, list[Contribution]] = {}
    with mapped_errors(writing=False):
        async for row in collection(store, POSITION_CONTRIBUTIONS.name).find(wanted).sort("position_sequence"):
            quantity = from_store(Kind.DECIMAL, row["contribution_quantity"])
            price = from_store(Kind.DECIMAL, row["contribution_entry_price"])
            one = Contribution(row["contribution_id"], quantity, price)
            held.setdefault(row["strategy_position_id"], []).append(one)
    kinds = POSITION_CONTRIBUTIONS.columns
    updates = []
    for closing in closings:
        for patch in closed_contributions(closing, held.get(closing.position_id, [])):
            values = {column: to_store(kinds[column], value) for column, value in patch.values.items()}
            name = row_id(POSITION_CONTRIBUTIONS, patch.key)
            # What this redo itself has made carries its mark already; closed twice it is the same.
            older = {"_id": name, APPLIED: {"$lte": redo.to.mark}}
            updates.append(Update(name, older, {"$set": {**values, APPLIED: redo.to.mark}}))
    return updates


async def _write(store: MongoStore, tables: Mapping[str, Sequence[Update]], redo: Redo) -> list[ParkedRow]:
    async def one(name: str, updates: Sequence[Update]) -> list[tuple[str, Refused]]:
        return [(name, refused) for refused in await write(collection(store, name), updates)]

    jobs = [one(name, piece) for name, updates in tables.items() for piece in _pieces(updates, _MOST_UPDATES)]
    parked, documents = [], []
    for name, refused in [refused for written in await _all(jobs) for refused in written]:
        row = ParkedRow(name, refused.update.id, refused.reason[:500], redo.shard, redo.to.sequence)
        parked.append(row)
        documents.append(
            _update(parked_document(row, refused.update.change["$set"], order_text(redo.shard, redo.to, 0)), redo)
        )
    for piece in _pieces(documents, _MOST_UPDATES):
        await write(collection(store, PARKED), piece)
    return parked


async def _all(jobs: Iterable[Coroutine[Any, Any, _T]]) -> list[_T]:
    """Results of jobs, a few of which run side by side; a failure is raised when all have ended."""
    room = asyncio.Semaphore(_AT_ONCE)
    waiting = list(jobs)

    async def one(job: Coroutine[Any, Any, _T]) -> _T:
        async with room:
            return await job

    try:
        results = await asyncio.gather(*map(one, waiting), return_exceptions=True)
    finally:
        # Who is cancelled leaves jobs that were never begun.
        for job in waiting:
            job.close()
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


def _pieces(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    rest = iter(items)
    while piece := list(islice(rest, size)):
        yield piece
