"""What must hold once an engine has come to rest, whatever happened to its stores."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Sequence
from pathlib import Path

import aiohttp

from shared.clock import SystemClock
from tests.campaigns.equality import differences, unrest
from tests.campaigns.exchange import SYMBOLS
from tests.campaigns.exchange import Exchange as Auditor
from tests.campaigns.ledger import Ledger
from tests.domain import invariants
from tests.outages.stores import VENUE, Stores
from tests.process.store import History, all_records, history_of
from tests.support.process import EngineProcess
from tests.support.rig import Exchange
from tradeengine.audit.copy import Copy, Queried, Row, pages
from tradeengine.domain.state import ShardState
from tradeengine.journal.base import Journal
from tradeengine.projection.sqlite import SqliteReadModel
from tradeengine.projection.tables import TABLES
from tradeengine.runtime.recovery import load_state
from tradeengine.runtime.replay import replay

_PATIENCE_S = 60.0
_LOOK_S = 0.2
_PAGE = 500
_ELSEWHERE = ("127.0.0.3", 0)
"""The exchange counts requests by address: what is looked at here takes nothing from the engines."""


async def everything_holds(
    stores: Stores,
    exchange: Exchange,
    folder: Path,
    *engines: EngineProcess,
    symbols: Sequence[str] = SYMBOLS,
    left_early: Collection[str] = (),
    patience_s: float = _PATIENCE_S,
) -> History:
    """Wait for rest, stop the engines, and compare journal, books, copies and exchange with each other.

    Parameters
    ----------
    symbols
        What was traded.
    left_early
        Ids of stops that left before their commit and may have lost it; see :meth:`Ledger.note_uncommitted`.

    Returns
    -------
    History
        What the journal says.
    """
    async with stores.journal() as journal:
        await _until_equal(journal, exchange, engines, symbols, left_early, patience_s)
        for engine in engines:
            if engine.running:
                await until_no_lag(stores)
                await engine.stop()
        history = await history_of(journal)
        await _is_decided_alike(journal)
        await _copies_are_equal(stores, journal, folder)
    return history


async def until_no_lag(stores: Stores, seconds: float = _PATIENCE_S) -> None:
    """Wait until every copy has all that is committed; what health says of that may be half a second old."""
    async with stores.journal() as journal, stores.copies() as copies:
        deadline = time.monotonic() + seconds
        while behind := [text for name, copy in copies.items() async for text in _behind(name, copy, journal)]:
            assert time.monotonic() < deadline, f"after {seconds} s: {behind}"
            await asyncio.sleep(_LOOK_S)


async def _behind(name: str, copy: Copy, journal: Journal) -> AsyncIterator[str]:
    for shard in await journal.shards():
        applied, last = await copy.checkpoint(shard), await journal.last_sequence(shard)
        if applied < last:
            yield f"{name} has applied {applied} of the {last} records of shard {shard}"


async def _until_equal(
    journal: Journal,
    exchange: Exchange,
    engines: tuple[EngineProcess, ...],
    symbols: Sequence[str],
    left_early: Collection[str],
    patience_s: float,
) -> None:
    """Wait until nothing is under way and the books say what the exchange says, to the last digit."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(local_addr=_ELSEWHERE)) as http:
        auditor = Auditor(exchange, http, SystemClock(), symbols)
        deadline = time.monotonic() + patience_s
        while wrong := await _wrong(journal, auditor, left_early):
            logs = "\n".join(engine.log_tail() for engine in engines)
            assert time.monotonic() < deadline, f"after {patience_s} s: {wrong}\n{logs}"
            await asyncio.sleep(_LOOK_S)
        # An id whose first order left before its commit, and lost it, names whatever is planned under it next.
        twice = set(await auditor.used_twice()) - set(left_early)
        assert not twice, f"the exchange took more than one order under the same id: {sorted(twice)}"


async def _wrong(journal: Journal, auditor: Auditor, left_early: Collection[str]) -> list[str]:
    states = await _states(journal)
    if found := [text for state in states for text in unrest(state)]:
        return found
    ledger = Ledger(journal)
    ledger.note_uncommitted(left_early)
    await ledger.update()
    assert not ledger.faults, ledger.faults
    account = await auditor.account()
    return differences(states, ledger, account, auditor.symbols)


async def _states(journal: Journal) -> list[ShardState]:
    states = [(await load_state(journal, shard)).state for shard in await journal.shards()]
    for state in states:
        invariants.check(state)
    return states


async def _is_decided_alike(journal: Journal) -> None:
    """Today's code decides the journal's inputs as they were decided, and comes to the states that are loaded."""
    replayed = await replay(journal)
    assert replayed.difference is None
    assert replayed.states == {state.shard: state.digest() for state in await _states(journal)}


async def _copies_are_equal(stores: Stores, journal: Journal, folder: Path) -> None:
    """Every copy holds the rows that the journal makes, and nothing was put aside."""
    made_anew = SqliteReadModel(folder / "anew.sqlite", venue=VENUE, clock=SystemClock())
    await made_anew.open()
    try:
        records = await all_records(journal)
        for start in range(0, len(records), _PAGE):
            await made_anew.apply(records[start : start + _PAGE])
        expected = await _tables(made_anew)
    finally:
        await made_anew.close()
    async with stores.copies() as copies:
        for name, copy in copies.items():
            found = await _tables(copy)
            for table, rows in expected.items():
                assert found[table] == rows, f"{table} in {name} differs from what the journal makes"
            aside = await copy.parked(10)
            assert aside.number == 0, f"{name} has put rows aside: {aside.first}"


async def _tables(copy: Queried) -> dict[str, list[Row]]:
    """Every table, in the order of its key."""
    return {
        name: sorted(
            [row async for page in pages(copy, name) for row in page],
            key=lambda row, key=table.key: [row[column] for column in key],  # type: ignore[misc]
        )
        for name, table in TABLES.items()
    }
