"""Tables in memory: the read model, and the analysts' copy, in their plainest form."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from contracts.query import Page
from shared.clock import Clock
from tests.simulation.road import Road
from tests.simulation.store import StoreClient
from tradeengine.journal.record import Record
from tradeengine.projection.base import following
from tradeengine.projection.batch import Batch
from tradeengine.projection.changes import CloseContributions, Key
from tradeengine.projection.contributions import Contribution, closed_contributions
from tradeengine.projection.freshness import Freshness, record_time
from tradeengine.projection.query import Condition, Query, parse_query
from tradeengine.projection.rows import changes_of
from tradeengine.projection.sqlite_codec import decimal_order, from_store, to_json, to_store
from tradeengine.projection.tables import TABLES, Kind

Row = dict[str, Any]
Checkpoints = dict[int, tuple[int, int]]


class Tables:
    """Rows as a server keeps them, in the form that SQLite has, and the checkpoints that were written with them.

    Parameters
    ----------
    venue
        Name of the venue, for the rows.
    """

    def __init__(self, venue: str) -> None:
        self._venue = venue
        self.rows: dict[str, dict[Key, Row]] = {name: {} for name in TABLES}
        self.checkpoints: Checkpoints = {}

    def apply(self, records: Sequence[Record]) -> None:
        """Apply records that were not applied before, all or none.

        Raises
        ------
        DoesNotFollow
            If one leaves a hole.
        """
        checkpoints = dict(self.checkpoints)
        batch = Batch(self._load)
        by_shard: dict[int, list[Record]] = {}
        for record in records:
            by_shard.setdefault(record.shard, []).append(record)
        for shard, of_shard in by_shard.items():
            applied, time_ms = checkpoints.get(shard, (0, 0))
            for record in following(of_shard, applied):
                batch.add(changes_of(record, self._venue))
                time_ms = max(time_ms, record_time(record))
                checkpoints[shard] = record.sequence, time_ms
        for (table, key), pending in batch.rows.items():
            self._write(table, key, pending.values, made=pending.made)
        for closing in batch.closings:
            self._close(closing)
        self.checkpoints = checkpoints

    def _write(self, table: str, key: Key, values: Mapping[str, Any], *, made: bool) -> None:
        rows, columns = self.rows[table], TABLES[table].columns
        row = rows.get(_kept_key(table, key))
        if row is None:
            if not made:
                return
            names = zip(TABLES[table].key, _kept_key(table, key), strict=True)
            row = rows[_kept_key(table, key)] = dict.fromkeys(columns) | dict(names)
        row.update({name: to_store(columns[name], value) for name, value in values.items()})

    def _load(self, table: str, key: Key, columns: Sequence[str]) -> Row | None:
        row, kinds = self.rows[table].get(_kept_key(table, key)), TABLES[table].columns
        return None if row is None else {name: from_store(kinds[name], row[name]) for name in columns}

    def _close(self, closing: CloseContributions) -> None:
        rows = self.rows["position_contributions"].values()
        held = [row for row in rows if row["strategy_position_id"] == closing.position_id]
        held.sort(key=lambda row: int(row["position_sequence"]))
        shares = [
            Contribution(
                row["contribution_id"],
                Decimal(row["contribution_quantity"]),
                Decimal(row["contribution_entry_price"]),
            )
            for row in held
        ]
        for patch in closed_contributions(closing, shares):
            self._write(patch.table, patch.key, patch.values, made=False)


class SimReadModel:
    """Tables as a pod sees them.

    Parameters
    ----------
    road
        The way to the server; none: the tables are in the pod itself.
    """

    def __init__(self, tables: Tables, clock: Clock, road: Road | None = None) -> None:
        self.freshness = Freshness(clock)
        self._tables = tables
        self._client = StoreClient(road) if road is not None else None

    async def open(self) -> None:
        self._note(await self._read(lambda: dict(self._tables.checkpoints)))

    async def close(self) -> None:
        """Nothing to do."""

    async def checkpoint(self, shard: int) -> int:
        found: int = await self._read(lambda: self._tables.checkpoints.get(shard, (0, 0))[0])
        return found

    async def apply(self, records: Sequence[Record]) -> None:
        async def work() -> Checkpoints:
            self._tables.apply(records)
            return {record.shard: self._tables.checkpoints[record.shard] for record in records}

        self._note(await (work() if self._client is None else self._client.write("apply", work)))

    async def query(
        self, table: str, *, filters: Mapping[str, str], sort: str | None, cursor: str | None, limit: int
    ) -> Page:
        query = parse_query(table, filters, sort, cursor, limit)
        age = self.freshness.age_seconds
        held: list[Row] = await self._read(lambda: [dict(row) for row in self._tables.rows[table].values()])
        found = [
            (_order(query, row), number, row)
            for number, row in enumerate(held, 1)
            if all(_meets(query, row, condition) for condition in query.conditions)
        ]
        found.sort(key=lambda each: each[:2], reverse=query.descending)
        if query.after is not None:
            found = [one for one in found if (one[:2] < query.after if query.descending else one[:2] > query.after)]
        rows = [{name: to_json(kind, row[name]) for name, kind in query.table.columns.items()} for *_, row in found]
        more = query.cursor(found[limit - 1][:2]) if len(found) > limit else None
        return Page(rows=rows[:limit], next_cursor=more, source="simulated", age_seconds=age)

    async def _read(self, look: Callable[[], Any]) -> Any:
        async def work() -> Any:
            return look()

        return await (work() if self._client is None else self._client.read("read", work))

    def _note(self, checkpoints: Checkpoints) -> None:
        for shard, (sequence, time_ms) in checkpoints.items():
            self.freshness.applied(shard, sequence, time_ms)


def _kept_key(table: str, key: Key) -> Key:
    columns = TABLES[table].columns
    return tuple([to_store(columns[name], value) for name, value in zip(TABLES[table].key, key, strict=True)])


def _meets(query: Query, row: Row, condition: Condition) -> bool:
    held, wanted = row[condition.column], to_store(query.table.columns[condition.column], condition.value)
    if held is None:
        return False
    if condition.operator == "=":
        return bool(held == wanted)
    return bool(held >= wanted if condition.operator == ">=" else held < wanted)


def _order(query: Query, row: Row) -> Any:
    if query.sort is None:
        return 0
    held = row[query.sort]
    match query.table.columns[query.sort]:
        case Kind.DECIMAL:
            return decimal_order(held)
        case Kind.INTEGER | Kind.BOOLEAN:
            return -(2**63) if held is None else held
        case _:
            return held or ""
