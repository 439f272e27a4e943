"""Prefetch: the same rows as from a store that is asked for each, in a few rounds."""

import gc
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.records import Move, RecordedWorld, histories, play
from tradeengine.projection.batch import Batch
from tradeengine.projection.changes import Amend, Change, CloseContributions, DropProtection, Key, Patch, Put
from tradeengine.projection.prefetch import READ_TABLES, Prefetch, Row, RowMemory, RowName
from tradeengine.projection.rows import changes_of


class Rows:
    """A store: rows by name, and which were asked for."""

    def __init__(self) -> None:
        self.rows: dict[RowName, Row] = {}
        self.fetches: list[set[RowName]] = []

    def load(self, table: str, key: Key, columns: Sequence[str]) -> Row | None:
        assert table in READ_TABLES
        row = self.rows.get((table, key))
        return None if row is None else {column: row.get(column) for column in columns}

    def fetch(self, wanted: Mapping[str, Sequence[Key]]) -> dict[RowName, Row]:
        names = {(table, key) for table, keys in wanted.items() for key in keys}
        self.fetches.append(names)
        return {name: dict(self.rows[name]) for name in names if name in self.rows}

    def write(self, batch: Batch) -> None:
        for name, pending in batch.rows.items():
            if pending.made or name in self.rows:
                self.rows[name] = self.rows.get(name, {}) | pending.values


def prefetched(changes: Sequence[Change], store: Rows, memory: RowMemory) -> Prefetch:
    prefetch = Prefetch(changes, memory)
    while missing := prefetch.missing():
        prefetch.supply(missing, store.fetch(missing))
    return prefetch


def left_by(batch: Batch) -> tuple[dict[RowName, tuple[Row, bool]], list[CloseContributions]]:
    return {name: (row.values, row.made) for name, row in batch.rows.items()}, batch.closings


@given(histories, st.integers(1, 5), st.sampled_from([0, 1, 7, 1_000]), st.booleans())
def test_a_prefetched_batch_is_the_batch_of_a_store_that_is_asked_for_each_row(
    moves: list[Move], size: int, most: int, in_part: bool
) -> None:
    records = play(RecordedWorld(), moves)
    store, memory = Rows(), RowMemory(most)
    memory = memory.part() if in_part else memory
    for start in range(0, len(records), size):
        changes = [change for record in records[start : start + size] for change in changes_of(record, "paper")]
        direct = Batch(store.load)
        direct.add(changes)
        before = len(store.fetches)
        prefetch = prefetched(changes, store, memory)

        assert left_by(prefetch.batch) == left_by(direct)
        fetched = store.fetches[before:]
        assert sum(map(len, fetched)) == len(set().union(*fetched)), "a row was fetched twice"
        assert len(memory) <= most
        store.write(prefetch.batch)
        memory.wrote(prefetch.batch, prefetch.found)


def test_reads_that_follow_from_reads_take_a_round_each() -> None:
    store = Rows()
    order = {"purpose": "stop_loss", "strategy_position_id": "p", "replaces_order_id": "a", "status": "rejected"}
    store.rows = {
        ("orders", ("b",)): order,
        ("positions", ("p",)): {"status": "open", "stop_loss_order_id": "b"},
        ("orders", ("a",)): {**order, "replaces_order_id": None, "status": "open", "cancel_reason": None},
    }
    prefetch = prefetched([DropProtection("b")], store, RowMemory())

    assert [names for batch in store.fetches for names in batch] == [
        ("orders", ("b",)),
        ("positions", ("p",)),
        ("orders", ("a",)),
    ]
    assert prefetch.batch.rows["positions", ("p",)].values == {"stop_loss_order_id": "a"}


def daily(amount: int) -> Change:
    return Amend(table="daily_pnl", key=("d",), amounts={"trades": amount}, missing={"trades": 0})


def test_what_is_done_leaves_nothing_for_the_garbage_collector() -> None:
    """The collector of a working engine comes round so seldom that cycles would pile up."""
    patch = Patch("orders", ("order",), {"status": "filled"})
    gc.disable()
    try:
        batch = weakref.ref(prefetched([patch], Rows(), RowMemory()).batch)
        assert batch() is None
    finally:
        gc.enable()


def test_what_was_written_is_remembered_until_it_is_cleared() -> None:
    store, memory = Rows(), RowMemory()
    for expected, fetches in ((1, 1), (2, 1), (3, 1)):
        prefetch = prefetched([daily(1)], store, memory)
        store.write(prefetch.batch)
        memory.wrote(prefetch.batch, prefetch.found)
        assert (store.rows["daily_pnl", ("d",)]["trades"], len(store.fetches)) == (expected, fetches)

    store.rows["daily_pnl", ("d",)]["trades"] = 10
    memory.clear()
    assert prefetched([daily(1)], store, memory).batch.rows["daily_pnl", ("d",)].values == {"trades": 11}


def test_parts_of_a_memory_are_cleared_each_on_its_own() -> None:
    whole = RowMemory()
    parts = [whole.part(), whole.part()]
    for part in parts:
        part.wrote(batch_of(Put("orders", ("o",), {"status": "open"})), {})
    parts[0].clear()

    assert parts[0].get(("orders", ("o",)), ["status"]) is None
    assert parts[1].get(("orders", ("o",)), ["status"]) == {"status": "open"}
    assert whole.get(("orders", ("o",)), ["status"]) is None


def test_a_row_that_is_known_in_part_tells_nothing_of_the_rest() -> None:
    memory = RowMemory()
    memory.wrote(batch_of(Put("orders", ("o",), {"status": "open"})), {})
    assert memory.get(("orders", ("o",)), ["status"]) == {"status": "open"}
    assert memory.get(("orders", ("o",)), ["status", "cancel_reason"]) is None


def test_a_patched_row_that_may_not_exist_is_not_remembered() -> None:
    memory = RowMemory()
    memory.wrote(batch_of(Patch("orders", ("o",), {"status": "open"})), {})
    assert memory.get(("orders", ("o",)), ["status"]) is None


def batch_of(*changes: Change) -> Batch:
    def nothing(table: str, key: Key, columns: Sequence[str]) -> dict[str, Any] | None:
        pytest.fail(f"{table} {key} was read")

    batch = Batch(nothing)
    batch.add(changes)
    return batch
