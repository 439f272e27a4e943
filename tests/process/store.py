"""What must hold of a data folder that no engine works on, whatever happened to the engines before."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from contracts.enums import Outcome
from shared.clock import SystemClock
from tests.domain import invariants
from tests.process.load import Key
from tests.support.process import tradeengine
from tradeengine.api.decisions import to_decision
from tradeengine.domain.events import OrderFilled, OrderPlanned, SignalDecided
from tradeengine.journal.base import Journal
from tradeengine.journal.record import Record
from tradeengine.journal.sqlite import SqliteJournal
from tradeengine.projection.projector import Projector
from tradeengine.projection.sqlite import SqliteReadModel
from tradeengine.projection.tables import TABLES
from tradeengine.runtime.files import journal_file, read_model_file
from tradeengine.runtime.recovery import load_state


class History(NamedTuple):
    """What a journal says: the one decision of each signal, copies seen, orders planned and fills booked."""

    decisions: dict[Key, SignalDecided]
    copies: int
    orders: int
    fills: int


@asynccontextmanager
async def opened(data: Path) -> AsyncIterator[SqliteJournal]:
    journal = SqliteJournal(journal_file(data), create=False)
    await journal.open()
    try:
        yield journal
    finally:
        await journal.close()


async def read_history(data: Path) -> History:
    """Read the journal of a data folder."""
    async with opened(data) as journal:
        return await history_of(journal)


async def history_of(journal: Journal) -> History:
    """Read a journal; nothing in it may be there twice."""
    decisions: dict[Key, SignalDecided] = {}
    copies = fills = 0
    orders: dict[str, Decimal] = {}
    trades: set[tuple[str, str]] = set()
    for record in await all_records(journal):
        for event in record.events():
            match event:
                case SignalDecided(outcome=Outcome.DUPLICATE):
                    assert (event.strategy_id, event.signal_id) in decisions, f"a copy of nothing: {event}"
                    copies += 1
                case SignalDecided():
                    key = event.strategy_id, event.signal_id
                    assert key not in decisions, f"decided twice: {decisions[key]} and {event}"
                    decisions[key] = event
                case OrderPlanned():
                    order_id = event.order.client_order_id
                    assert order_id not in orders, f"planned twice: {event}"
                    orders[order_id] = event.order.quantity
                case OrderFilled():
                    trade = event.symbol, event.trade_id
                    assert trade not in trades, f"booked twice: {event}"
                    trades.add(trade)
                    orders[event.client_order_id] -= event.quantity
                    assert orders[event.client_order_id] >= 0, f"filled beyond its quantity: {event}"
                    fills += 1
                case _:
                    pass
    return History(decisions, copies, len(orders), fills)


async def all_records(journal: Journal) -> list[Record]:
    records: list[Record] = []
    for shard in await journal.shards():
        own: list[Record] = []
        while page := await journal.read(shard, after=len(own)):
            own += page
        assert [record.sequence for record in own] == list(range(1, len(own) + 1)), f"shard {shard} has a hole"
        records += own
    return records


async def check_store(data: Path, scratch: Path, venue: str = "paper") -> None:
    """Books add up, today's code decides the journal alike, and the read model is what the journal makes."""
    digests = {}
    made_anew = scratch / "anew.sqlite"
    async with opened(data) as journal:
        for shard in await journal.shards():
            state = (await load_state(journal, shard)).state
            invariants.check(state)
            digests[shard] = state.digest()
        for path in (read_model_file(data), made_anew):
            await _project(journal, path, venue)
    replayed = await asyncio.to_thread(tradeengine, "replay", "--store", data)
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert replayed.stdout.startswith("no difference: ")
    for shard, digest in digests.items():
        assert f"shard {shard}  state {digest}" in replayed.stdout, "snapshot and replay give different states"
    found = rows_of(read_model_file(data))
    for table, rows in rows_of(made_anew).items():
        assert found[table] == rows, f"{table} differs from the one made anew"


def check_decisions(data: Path, history: History, answered: Mapping[Key, Mapping[str, Any]]) -> None:
    """Journal, read model and what HTTP has answered say the same about each signal."""
    rows = {(row["strategy_id"], row["signal_id"]): row for row in rows_of(read_model_file(data))["decisions"]}
    assert rows.keys() == history.decisions.keys()
    for key, event in history.decisions.items():
        assert (rows[key]["outcome"], rows[key]["reason"]) == (event.outcome, event.reason)
    for key, decision in answered.items():
        assert to_decision(history.decisions[key]).model_dump(mode="json") == decision


def rows_of(read_model: Path) -> dict[str, list[dict[str, Any]]]:
    """Every table of a read model, in the order of its key."""
    found = {}
    with closing(sqlite3.connect(read_model)) as connection:
        connection.row_factory = sqlite3.Row
        for table in TABLES.values():
            statement = f"SELECT {', '.join(table.columns)} FROM {table.name} ORDER BY {', '.join(table.key)}"
            found[table.name] = [dict(row) for row in connection.execute(statement)]
    return found


async def _project(journal: SqliteJournal, path: Path, venue: str) -> None:
    """Bring a read model up with the journal, as an engine does when it starts; make it if it is missing."""
    clock = SystemClock()
    model = SqliteReadModel(path, venue=venue, clock=clock)
    await model.open()
    projector = Projector(journal, model, clock, await journal.shards())
    try:
        await projector.start()
        await projector.catch_up()
        await projector.stop()
    finally:
        await model.close()
