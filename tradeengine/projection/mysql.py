"""Read model on MySQL: the analysts' copy, with its checkpoints in the same transactions as its rows."""

from collections.abc import Mapping, Sequence
from functools import partial

import structlog

from contracts.query import Page
from shared.clock import Clock
from shared.mysql import MySqlConnection, MySqlThread
from shared.mysql_address import MySqlAddress
from tradeengine.journal.record import Record
from tradeengine.projection.base import OnParked, Parked, ParkedRow
from tradeengine.projection.courtesy import Courtesy
from tradeengine.projection.freshness import Freshness
from tradeengine.projection.mysql_reader import read_page, read_parked
from tradeengine.projection.mysql_schema import require_schema
from tradeengine.projection.mysql_writer import Applied, Checkpoints, RecordWriter, read_checkpoints
from tradeengine.projection.query import parse_query

log = structlog.get_logger(__name__)


def log_parked(row: ParkedRow) -> None:
    """Log a row that the server refused."""
    log.error("row_parked", **row._asdict(), action="see the table parked_rows; the other rows are there")


class MySqlReadModel:
    """Tables of a database, written over one connection and read over another.

    Any number of processes may apply records: a shard's checkpoint is locked first, so each record is applied once,
    and who comes late changes nothing.

    Parameters
    ----------
    address
        The database; ``tradeengine schema apply --target mysql`` has made its tables.
    venue
        Name of the venue, for ``positions.exchange``.
    clock
        For the age of what queries return.
    timeout_s
        Longest time that the server may take for the next bytes of an answer, in seconds.
    on_parked
        Told of each row that the server refused: it was put into ``parked_rows``, and the rest goes on.
    prefix
        Before every table's name: whoever makes the copy anew writes beside the tables in use.
    """

    def __init__(
        self,
        address: MySqlAddress,
        *,
        venue: str,
        clock: Clock,
        timeout_s: float = 10.0,
        on_parked: OnParked = log_parked,
        prefix: str = "",
    ) -> None:
        self.address = address
        self.freshness = Freshness(clock)
        self._prefix = prefix
        self._on_parked = on_parked
        self._courtesy = Courtesy()
        self._records = RecordWriter(venue, prefix, self._courtesy.rest)
        self._writer = MySqlThread(address, timeout_s=timeout_s)
        self._reader = MySqlThread(address, timeout_s=timeout_s)

    async def open(self) -> None:
        """Connect, and look at schema and checkpoints.

        Raises
        ------
        ConfigError
            If the server does not let us in, or its schema is not the one of this engine; the text says what to do.
        RetrySafe
            If the server does not answer; open again later.
        """
        await self._writer.open(require_schema)
        try:
            self._note(await self._writer.run(partial(read_checkpoints, prefix=self._prefix)))
            self._reader.start()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Finish the transaction under way and disconnect."""
        self._courtesy.end()
        await self._reader.close()
        await self._writer.close()

    async def checkpoint(self, shard: int) -> int:
        """Sequence of the newest applied record of a shard, 0 while there is none."""
        checkpoints = await self._writer.run(partial(read_checkpoints, prefix=self._prefix))
        return checkpoints[shard].sequence if shard in checkpoints else 0

    async def apply(self, records: Sequence[Record]) -> None:
        """Apply records in one transaction; see :class:`~tradeengine.projection.base.ReadModel`."""
        if not records:
            return
        age = self.freshness.age_seconds

        def work(connection: MySqlConnection) -> Applied:
            self._courtesy.begin(age)
            return self._records.apply(records, connection)

        applied = await self._writer.run(work)
        self._note(applied.checkpoints)
        for row in applied.parked:
            self._on_parked(row)

    async def query(
        self, table: str, *, filters: Mapping[str, str], sort: str | None, cursor: str | None, limit: int
    ) -> Page:
        """Rows of a table; parameters and errors as of :func:`~tradeengine.projection.query.parse_query`."""
        query = parse_query(table, filters, sort, cursor, limit)
        # Before the read: what becomes stale during it is not counted, what becomes fresh is not promised.
        age = self.freshness.age_seconds
        rows, following = await self._reader.run(partial(read_page, query))
        return Page(rows=rows, next_cursor=following, source="mysql", age_seconds=age)

    async def parked(self, limit: int) -> Parked:
        """Rows that the server refused, oldest first, at most ``limit`` of them."""
        return await self._reader.run(partial(read_parked, limit))

    def _note(self, checkpoints: Checkpoints) -> None:
        for shard, checkpoint in checkpoints.items():
            self.freshness.applied(shard, checkpoint.sequence, checkpoint.time_ms)
