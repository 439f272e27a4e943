"""A process that applies records one by one; a test kills it.

Usage: ``python -m tests.projection.applier TARGET FOLDER``. Reads ``FOLDER/records`` and prints each applied sequence.
"""

import asyncio
import sys
from pathlib import Path

from tests.projection.targets import TARGETS
from tradeengine.journal.record import decode


async def apply(target: str, folder: Path) -> None:
    model = TARGETS[target](folder).model()
    await model.open()
    for line in (folder / "records").read_bytes().splitlines():
        record = decode(line)
        await model.apply([record])
        if await model.checkpoint(0) == record.sequence:
            print(record.sequence, flush=True)
    await model.close()


if __name__ == "__main__":
    asyncio.run(apply(sys.argv[1], Path(sys.argv[2])))
