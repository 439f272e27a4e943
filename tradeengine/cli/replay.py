"""``tradeengine replay``: decide the journal's inputs again with today's code."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from tradeengine.cli.base import EXIT_FAILURE, progress, say
from tradeengine.journal.archive import Archive
from tradeengine.journal.archive_whole import WholeJournal
from tradeengine.journal.sqlite import SqliteJournal
from tradeengine.runtime import replay as core
from tradeengine.runtime.files import archive_folder, journal_file

Store = Annotated[
    Path, typer.Option("--store", exists=True, file_okay=False, help="Data folder of the engine or of a simulation.")
]

ArchiveFolder = Annotated[
    Path | None,
    typer.Option("--archive", file_okay=False, help="Folder that records were archived to; STORE/archive by default."),
]


def replay(store: Store, archive: ArchiveFolder = None) -> None:
    """Decide every recorded input again, archived or not, and print the first difference, or that there is none.

    Exit code 0 means that today's code decides everything as it was decided then.
    """
    result = asyncio.run(_replay(store, archive or archive_folder(store)))
    if result.difference is None:
        say(f"no difference: {result.inputs} inputs of {result.records} records decided again, all alike")
        for shard, digest in result.states.items():
            say(f"  shard {shard}  state {digest}")
        return
    found = result.difference
    say(f"first difference: shard {found.shard}, record {found.sequence}, input {found.entry}")
    for name, text in (("input", found.input), ("recorded", found.recorded), ("decided", found.decided)):
        say(f"  {name:<8} {text}")
    raise typer.Exit(EXIT_FAILURE)


async def _replay(store: Path, archive: Path) -> core.ReplayResult:
    journal = WholeJournal(Archive(archive), SqliteJournal(journal_file(store), read_only=True))
    await journal.open()
    try:
        total = sum([await journal.last_sequence(shard) for shard in await journal.shards()])
        with progress(unit="records") as bar:
            task = bar.add_task("replaying", total=total)
            return await core.replay(journal, lambda records: bar.advance(task, records))
    finally:
        await journal.close()
