"""``tradeengine journal``: look at the journal, and archive its oldest records."""

import asyncio
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Final

import typer

from shared.clock import SystemClock
from shared.settings import Settings
from tradeengine.cli.base import EXIT_FAILURE, progress, say
from tradeengine.cli.copies import archive_of, opened_journal, opened_whole_journal
from tradeengine.cli.journal_limits import copy_limits
from tradeengine.cli.journal_status import Tell, describe
from tradeengine.cli.options import ConfigFile
from tradeengine.domain.state import DAY_MS
from tradeengine.journal.archive import Archive
from tradeengine.journal.archive_run import Archived, Keep, Limit, ShardArchiver
from tradeengine.journal.base import Journal, Snapshot
from tradeengine.runtime.recovery import decode_snapshot, remake_state

_NO_SNAPSHOT: Final = Limit(0, "it has no snapshot yet: the engine saves one when it stops, and now and then before")

app = typer.Typer(name="journal", no_args_is_help=True, help="Look at the journal, and archive its oldest records.")

KeepDays = Annotated[
    int | None,
    typer.Option("--keep-days", min=0, help="Keep records of so many days; JOURNAL_KEEP_DAYS by default."),
]
KeepRecords = Annotated[
    int | None,
    typer.Option("--keep-records", min=0, help="Keep so many of each shard's newest records, whatever their age."),
]
To = Annotated[
    Path | None, typer.Option("--to", file_okay=False, help="Folder of the archive; ARCHIVE_DIR by default.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")]


@app.command()
def status(config: ConfigFile = None) -> None:
    """Show what the journal holds, how far its snapshots are, and what is archived.

    Exit code 1 if a file of the archive cannot be read, or records are neither there nor in the journal.
    """
    settings = Settings.load(config_file=config)
    lines, wrong = asyncio.run(_status(settings))
    for line in [*lines, *wrong]:
        say(line)
    if wrong:
        raise typer.Exit(EXIT_FAILURE)


@app.command()
def archive(
    keep_days: KeepDays = None,
    keep_records: KeepRecords = None,
    to: To = None,
    dry_run: DryRun = False,
    config: ConfigFile = None,
) -> None:
    """Move old records to compressed files, and trim them from the journal once the files were read back.

    An engine may be at work. What its next start needs stays, and what a configured copy has not applied; the copies
    must answer. It may be interrupted anywhere and given again.
    """
    settings = Settings.load(config_file=config)
    days = settings.journal_keep_days if keep_days is None and keep_records is None else keep_days
    since = None if days is None else SystemClock().now_ms() - days * DAY_MS
    target = Archive(to) if to is not None else archive_of(settings)
    for done in asyncio.run(_archive(settings, target, Keep(since, keep_records or 0), dry_run)):
        count = max(0, done.through - done.first + 1)
        verb = "would be archived" if dry_run else f"archived in {done.files} new files"
        span = f"records {done.first} to {done.through} {verb}" if count else "nothing to archive"
        say(f"shard {done.shard}: {span}; {done.held_by}")


@app.command()
def snapshot(config: ConfigFile = None) -> None:
    """Make each shard's snapshot anew from all of its records, archived or not.

    For a snapshot that is lost, damaged, or of a version that this engine cannot read. An engine may be at work.
    """
    settings = Settings.load(config_file=config)
    for line in asyncio.run(_snapshot(settings)):
        say(line)


async def _status(settings: Settings) -> tuple[list[str], list[str]]:
    async with opened_journal(settings) as journal:
        with progress(unit="records") as bar:
            task = bar.add_task("reading the journal", total=None)
            return await describe(journal, archive_of(settings), lambda records: bar.advance(task, records))


async def _archive(settings: Settings, target: Archive, keep: Keep, dry: bool) -> list[Archived]:
    async with opened_journal(settings, write=not dry) as journal:
        shards = await journal.shards()
        # Asked before anything is written: what a copy applies meanwhile may only be more.
        limits = await copy_limits(settings, shards)
        with progress(unit="records") as bar, ExitStack() as stack:
            task = bar.add_task("archiving", total=None)
            if not dry:
                stack.enter_context(target.held())
            return [
                await _archive_shard(journal, target, shard, limits[shard], keep, dry, lambda n: bar.advance(task, n))
                for shard in shards
            ]


async def _archive_shard(
    journal: Journal, target: Archive, shard: int, limits: list[Limit], keep: Keep, dry: bool, tell: Tell
) -> Archived:
    found = await journal.load_snapshot(shard)
    journal_id = ""
    if found is not None:
        # Read as a start would read it: nothing is trimmed behind one that cannot be loaded.
        journal_id = (await asyncio.to_thread(decode_snapshot, shard, found)).journal_id
    newest = _NO_SNAPSHOT if found is None else Limit(found.sequence, "a start needs the records after the snapshot")
    return await ShardArchiver(journal, target, shard, journal_id, [newest, *limits], keep, tell=tell).run(dry=dry)


async def _snapshot(settings: Settings) -> list[str]:
    lines = []
    async with opened_whole_journal(settings, write=True) as journal:
        for shard in await journal.shards():
            made = await remake_state(journal, shard)
            await journal.save_snapshot(shard, Snapshot(made.sequence, made.state.canonical()))
            lines.append(f"shard {shard}: snapshot {made.sequence}, made from {made.unsaved} events")
    return lines or ["the journal is empty"]
