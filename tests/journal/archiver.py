"""A process that archives a journal and kills itself where a test says.

Usage: ``python -m tests.journal.archiver PLACE ARCHIVE POINT``; ``PLACE`` is a file, or ``URI DATABASE`` as one word.
Points are the calls and returns of everything that the modules of archiving and trimming do, also of what they call of
the system, counted from 1; with 0 it lives, and prints how many there were.
"""

import asyncio
import itertools
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from shared.mongodb import MongoStore
from tradeengine.journal import archive, archive_file, archive_run, mongodb_trim, sqlite
from tradeengine.journal.archive import Archive
from tradeengine.journal.archive_run import Keep, Limit, ShardArchiver
from tradeengine.journal.base import Journal
from tradeengine.journal.mongodb import MongoJournal
from tradeengine.journal.sqlite import SqliteJournal

FILES = frozenset(module.__file__ for module in (archive, archive_file, archive_run, mongodb_trim, sqlite))


def journal_at(place: str) -> Journal:
    uri, _, database = place.partition(" ")
    return MongoJournal(MongoStore(uri, database)) if database else SqliteJournal(Path(place))


async def archive_all(journal: Journal, folder: Path) -> None:
    """Archive every shard whole, in small files."""
    target = Archive(folder)
    with target.held():
        for shard in await journal.shards():
            last = Limit(await journal.last_sequence(shard), "all")
            await ShardArchiver(journal, target, shard, "j", [last], Keep(), file_bytes=2_000).run()


async def main(place: str, folder: Path, point: int) -> None:
    passed = itertools.count(1)

    def look(frame: FrameType, event: str, given: Any) -> None:
        if frame.f_code.co_filename in FILES and next(passed) == point:
            os.kill(os.getpid(), signal.SIGKILL)

    journal = journal_at(place)
    threading.setprofile(look)
    sys.setprofile(look)
    await journal.open()
    await archive_all(journal, folder)
    await journal.close()
    sys.setprofile(None)
    print(next(passed) - 1, flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
