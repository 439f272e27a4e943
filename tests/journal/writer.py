"""A process that appends records and says which ones were acknowledged; a test kills it.

Usage: ``python -m tests.journal.writer FILE TAG``. Prints one line an append: ``shard sequence``.
"""

import asyncio
import sys
from pathlib import Path

from shared.errors import Fenced
from tests.support.records import signal_records
from tradeengine.journal.record import Record
from tradeengine.journal.sqlite import SqliteJournal

SHARDS = 2


async def write(path: Path, tag: str) -> None:
    journal = SqliteJournal(path)
    await journal.open()
    lasts = [await journal.last_sequence(shard) for shard in range(SHARDS)]
    entries = signal_records(1, size=20, tag=tag)[0].entries
    while True:
        records = [Record(shard, last + 1, entries) for shard, last in enumerate(lasts)]
        try:
            await journal.append(records)
        except Fenced:
            print("fenced", flush=True)
            await journal.close()
            return
        lasts = [record.sequence for record in records]
        for record in records:
            print(record.shard, record.sequence, flush=True)


if __name__ == "__main__":
    asyncio.run(write(Path(sys.argv[1]), sys.argv[2]))
