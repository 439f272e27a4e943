"""A process that takes one shard again and again, as fast as others let it; prints each epoch that it won.

Usage: ``python -m tests.shared.leases.racer FILE NAME WINS``
"""

import asyncio
import sys
from pathlib import Path

from shared.errors import RetrySafe
from shared.leases.sqlite import SqliteLeases


async def race(path: Path, name: str, wins: int) -> None:
    store = SqliteLeases(path, busy_timeout_ms=10_000)
    await store.open()
    won = 0
    while won < wins:
        try:
            seen = next(iter(await store.read()), None)
            lease = await store.take(seen, 0, name, 1_000)
        except RetrySafe:
            continue
        if lease is not None:
            won += 1
            print(lease.epoch, flush=True)
    await store.close()


if __name__ == "__main__":
    asyncio.run(race(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
