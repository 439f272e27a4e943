"""A process that applies records one by one; a test kills it.

Usage: ``python -m tests.projection.applier FOLDER``. Reads ``FOLDER/records`` and prints each applied sequence.
"""

import asyncio
import sys
from pathlib import Path

from tests.projection.tables import read_model
from tradeengine.journal.record import decode


async def apply(folder: Path) -> None:
    model = read_model(folder)
    await model.open()
    for line in (folder / "records").read_bytes().splitlines():
        record = decode(line)
        await model.apply([record])
        if await model.checkpoint(0) == record.sequence:
            print(record.sequence, flush=True)
    await model.close()


if __name__ == "__main__":
    asyncio.run(apply(Path(sys.argv[1])))
