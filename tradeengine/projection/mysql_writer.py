"""Writing the read model on MySQL: a batch of records in one transaction, with their shards' checkpoints."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from pymysql.cursors import Cursor

from shared.mysql import MySqlConnection, transaction
from tradeengine.journal.record import Record
from tradeengine.projection.base import ParkedRow, following
from tradeengine.projection.changes import CloseContributions, Key
from tradeengine.projection.contributions import closed_contributions
from tradeengine.projection.freshness import record_time
from tradeengine.projection.mysql_rows import RefusedRow, RowRefusedError, RowWriter, key_text, park
from tradeengine.projection.prefetch import Prefetch, Rest, Row, RowMemory, RowName, no_rest
from tradeengine.projection.rows import changes_of_all

_MAX_REASON: Final = 1_000


class Checkpoint(NamedTuple):
    """Where a shard's rows are.

    Parameters
    ----------
    sequence, time_ms
        Of the newest applied record; the time in milliseconds since 1970 UTC.
    generation
        Rises when the copy is made anew.
    """

    sequence: int
    time_ms: int
    generation: int


Checkpoints = dict[int, Checkpoint]
"""Checkpoint by shard."""


class Applied(NamedTuple):
    """What a call has left: the checkpoints of its shards, and rows that the server refused."""

    checkpoints: Checkpoints
    parked: list[ParkedRow]


class RecordWriter:
    """Applies records over one connection.

    Parameters
    ----------
    venue
        Name of the venue, for ``positions.exchange``.
    prefix
        Before every table's name.
    rest
        Called between small pieces of work.
    """

    def __init__(self, venue: str, prefix: str = "", rest: Rest = no_rest) -> None:
        self._venue = venue
        self._prefix = prefix
        self._rest = rest
        self._memory = RowMemory()
        self._left: Checkpoints = {}
        """Checkpoints as this writer left them: what it remembers of rows holds while they are still there."""

    def apply(self, records: Sequence[Record], connection: MySqlConnection) -> Applied:
        """Apply records that were not applied before, and note them.

        Raises
        ------
        DoesNotFollow
            If a record does not follow its shard's checkpoint; nothing was written.
        """
        left, self._left = self._left, {}
        try:
            with transaction(connection) as cursor:
                checkpoints = _locked(cursor, self._prefix, sorted({record.shard for record in records}))
                if any(left.get(shard) != checkpoint for shard, checkpoint in checkpoints.items()):
                    self._memory.clear()
                    left = {}
                fresh = _fresh(records, checkpoints)
                parked = self._write(cursor, fresh, connection.max_allowed_packet) if fresh else []
                _note(cursor, self._prefix, checkpoints)
        except BaseException:
            self._memory.clear()
            raise
        self._left = left | checkpoints
        return Applied(checkpoints, parked)

    def _write(self, cursor: Cursor, records: Sequence[Record], max_bytes: int) -> list[ParkedRow]:
        cursor.execute("SAVEPOINT batch")
        try:
            self._change(RowWriter(cursor, self._prefix, max_bytes, rest=self._rest), records, self._memory)
        except RowRefusedError:
            # One by one, so that a refused row is known with the record that asked for it.
            cursor.execute("ROLLBACK TO SAVEPOINT batch")
            self._memory.clear()
        else:
            return []
        refused: list[RefusedRow] = []
        for record in records:

            def refuse(name: RowName, values: Row, reason: str, record: Record = record) -> None:
                table, key = name
                parked = ParkedRow(table, key_text(key), reason[:_MAX_REASON], record.shard, record.sequence)
                refused.append(RefusedRow(parked, values))

            self._change(RowWriter(cursor, self._prefix, max_bytes, refuse=refuse), [record], RowMemory(0))
        park(cursor, self._prefix, refused)
        return [row.parked for row in refused]

    def _change(self, writer: RowWriter, records: Sequence[Record], memory: RowMemory) -> None:
        prefetch = Prefetch(changes_of_all(records, self._venue, self._rest), memory, self._rest)
        while missing := prefetch.missing():
            prefetch.supply(missing, writer.read(missing))
        writer.write(self._written(writer, prefetch, memory))
        if prefetch.batch.closings:
            self._close_contributions(writer, prefetch.batch.closings)
        memory.wrote(prefetch.batch, prefetch.found)

    def _written(self, writer: RowWriter, prefetch: Prefetch, memory: RowMemory) -> list[tuple[RowName, Row]]:
        """Rows to write: of those that are changed only if they exist, the ones that do."""
        found, rows = prefetch.found, prefetch.batch.rows
        written, doubtful = set(), dict[str, list[Key]]()
        for name, row in rows.items():
            if row.made or found.get(name) is not None or memory.get(name, ()) is not None:
                written.add(name)
            elif name not in found:
                doubtful.setdefault(name[0], []).append(name[1])
        written |= writer.existing(doubtful)
        return [(name, row.values) for name, row in rows.items() if name in written]

    def _close_contributions(self, writer: RowWriter, closings: Sequence[CloseContributions]) -> None:
        held = writer.contributions([closing.position_id for closing in closings])
        patches = [
            patch for closing in closings for patch in closed_contributions(closing, held.get(closing.position_id, ()))
        ]
        writer.write(((patch.table, patch.key), dict(patch.values)) for patch in patches)


def read_checkpoints(connection: MySqlConnection, prefix: str = "") -> Checkpoints:
    """Checkpoints of all shards that have one."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT shard, sequence, time_ms, generation FROM `{prefix}checkpoints`")  # noqa: S608 - a constant
        return {shard: Checkpoint(*rest) for shard, *rest in cursor.fetchall()}


def _locked(cursor: Cursor, prefix: str, shards: Sequence[int]) -> Checkpoints:
    """Checkpoints of shards, locked until the transaction ends, so that a second projector waits and then sees them."""
    held = _lock(cursor, prefix, shards)
    missing = [(shard,) for shard in shards if shard not in held]
    if not missing:
        return held
    # What does not exist cannot be locked.
    cursor.executemany(
        f"INSERT INTO `{prefix}checkpoints` (shard, sequence, time_ms) VALUES (%s, 0, 0)"  # noqa: S608 - a constant
        " ON DUPLICATE KEY UPDATE shard = VALUES(shard)",
        missing,
    )
    return _lock(cursor, prefix, shards)


def _lock(cursor: Cursor, prefix: str, shards: Sequence[int]) -> Checkpoints:
    cursor.execute(
        f"SELECT shard, sequence, time_ms, generation FROM `{prefix}checkpoints`"  # noqa: S608 - a constant
        " WHERE shard IN %s ORDER BY shard FOR UPDATE",
        (shards,),
    )
    return {shard: Checkpoint(*rest) for shard, *rest in cursor.fetchall()}


def _note(cursor: Cursor, prefix: str, checkpoints: Checkpoints) -> None:
    cursor.executemany(
        f"INSERT INTO `{prefix}checkpoints` (shard, sequence, time_ms) VALUES (%s, %s, %s)"  # noqa: S608 - a constant
        " ON DUPLICATE KEY UPDATE sequence = VALUES(sequence), time_ms = VALUES(time_ms)",
        [(shard, checkpoint.sequence, checkpoint.time_ms) for shard, checkpoint in checkpoints.items()],
    )


def _fresh(records: Sequence[Record], checkpoints: Checkpoints) -> list[Record]:
    """Records that were not applied yet; the checkpoints move on to them."""
    fresh = []
    for shard, checkpoint in checkpoints.items():
        own = following([record for record in records if record.shard == shard], checkpoint.sequence)
        if own:
            time_ms = max(checkpoint.time_ms, *map(record_time, own))
            checkpoints[shard] = Checkpoint(own[-1].sequence, time_ms, checkpoint.generation)
        fresh += own
    return fresh
