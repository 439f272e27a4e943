"""``tradeengine project``: bring a copy up to the journal's end, or make it anew."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from shared.clock import Clock, SystemClock
from shared.settings import Settings
from tradeengine.cli.base import err, say
from tradeengine.cli.copies import opened_copy, opened_whole_journal, venue_of
from tradeengine.cli.options import ConfigFile
from tradeengine.cli.schema import Target
from tradeengine.projection.catch_up import OnApplied, catch_up, heads_of

_TOLD_EVERY_S = 10.0

RebuildOption = Annotated[
    Target | None, typer.Option("--rebuild", help="Copy to make anew from the journal's first record on.")
]
CatchUpOption = Annotated[
    Target | None, typer.Option("--catch-up", help="Copy to bring up to the journal's end, as the engine does.")
]


def project(rebuild: RebuildOption = None, continued: CatchUpOption = None, config: ConfigFile = None) -> None:
    """Make a copy anew from the journal, or bring it up to the journal's end.

    Copies in MySQL and MongoDB may be made anew while engines run, the one in SQLite while none does. After an
    interruption give the same command again. The journal is the one in MONGODB_URI, or else in the data folder.
    """
    target = rebuild or continued
    if target is None or (rebuild and continued):
        raise typer.BadParameter("name one copy, with --rebuild or with --catch-up")
    settings = Settings.load(config_file=config)
    count = asyncio.run(_project(settings, target, SystemClock(), anew=rebuild is not None))
    say(f"{target} holds all {count} records of the journal")


async def _project(settings: Settings, target: Target, clock: Clock, *, anew: bool) -> int:
    async with opened_whole_journal(settings) as journal:
        venue, heads = await venue_of(journal), await heads_of(journal)
        async with opened_copy(target, settings, venue, clock, heads, anew=anew) as copy:
            with _told(sum(heads.values()), target, clock) as on_applied:
                await catch_up(journal, copy, heads, clock, on_applied=on_applied)
            # What an engine has committed meanwhile is little, and need not be missing for a moment.
            heads = await heads_of(journal)
            await catch_up(journal, copy, heads, clock)
    return sum(heads.values())


@contextmanager
def _told(total: int, target: Target, clock: Clock) -> Iterator[OnApplied]:
    """Show progress: a bar on a terminal, otherwise a line every ten seconds."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("records, {task.fields[rate]}/s,"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    began = told = clock.monotonic()
    done = 0
    with Progress(*columns, console=err, disable=not err.is_terminal, transient=True) as bar:
        task = bar.add_task(target.value, total=total, rate="0")

        def applied(count: int) -> None:
            nonlocal done, told
            done, now = done + count, clock.monotonic()
            rate = done / max(now - began, 0.001)
            bar.update(task, completed=done, rate=f"{rate:,.0f}")
            if not err.is_terminal and now - told >= _TOLD_EVERY_S:
                told = now
                left = max(0, total - done) / max(rate, 0.001)
                say(f"{target}: {done} of {total} records, {rate:,.0f}/s, {left:,.0f} s left")

        yield applied
