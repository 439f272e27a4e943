"""``tradeengine publish``: publish execution events again."""

import asyncio
from collections import Counter
from typing import Annotated

import typer
from rich.progress import Progress, TaskID

from shared.errors import ConfigError
from shared.settings import Settings
from tradeengine.cli.base import progress, say
from tradeengine.cli.broker import connected
from tradeengine.cli.copies import checkpoints_of, opened_whole_journal
from tradeengine.cli.options import ConfigFile, check_address
from tradeengine.journal.base import Journal
from tradeengine.publication.again import Span, publish_again
from tradeengine.publication.jetstream import JetStreamOutlet

_TIMEOUT_S = 15.0

First = Annotated[
    int, typer.Option("--from", min=1, metavar="SEQUENCE", help="First record; the second part of an event's id.")
]
OneShard = Annotated[int | None, typer.Option("--shard", min=0, help="This shard only; all by default.")]
Nats = Annotated[
    str | None, typer.Option("--nats", help="nats://host:port; NATS_URL by default. A running engine prints its own.")
]


def publish(first: First, shard: OneShard = None, nats_url: Nats = None, config: ConfigFile = None) -> None:
    """Publish the execution events of the journal's records again, from one on to the newest, under the ids they had.

    For a stream that has lost them; what a stream still holds is read there, and what it got within the last minutes
    it drops as copies. An engine may be at work. Alerts are not published again.
    """
    settings = Settings.load(config_file=config)
    url = nats_url or settings.nats_url
    if url is None:
        raise ConfigError("no broker is named: set NATS_URL, or give --nats with the address that the engine printed")
    for server in url.split(","):
        check_address(server.strip(), "--nats", "nats", "tls", "ws", "wss")
    for line in asyncio.run(_publish(settings, url, first, shard)):
        say(line)


async def _publish(settings: Settings, url: str, first: int, wanted: int | None) -> list[str]:
    async with opened_whole_journal(settings) as journal, connected(url) as client:
        shards = await journal.shards()
        if wanted is not None and wanted not in shards:
            raise ConfigError(f"the journal has no records of shard {wanted}, only of {shards}: correct --shard")
        lines = []
        counted: Counter[str] = Counter()

        def count(stored: int, copies: int) -> None:
            counted.update(copies=copies)

        outlet = JetStreamOutlet(lambda: jetstream, count)
        jetstream = client.jetstream(timeout=_TIMEOUT_S)
        with progress(unit="records") as bar:
            task = bar.add_task("publishing", total=None)
            for shard in shards if wanted is None else [wanted]:
                counted.clear()
                span = Span(shard, first, await journal.last_sequence(shard))
                events = await _publish_shard(settings, journal, outlet, span, (bar, task))
                lines.append(_described(span, events, counted["copies"]))
    return lines or ["the journal is empty"]


async def _publish_shard(
    settings: Settings, journal: Journal, outlet: JetStreamOutlet, span: Span, shown: tuple[Progress, TaskID]
) -> int:
    if span.last < span.first:
        return 0
    bar, task = shown
    held = await checkpoints_of(settings, [span.shard])
    return await publish_again(journal, held[span.shard], outlet, span, lambda records: bar.advance(task, records))


def _described(span: Span, events: int, copies: int) -> str:
    if span.last < span.first:
        return f"shard {span.shard}: its last record is {span.last}, nothing to publish"
    dropped = f", of which the broker had {copies} and kept no copy" if copies else ""
    return f"shard {span.shard}: {events} events of records {span.first} to {span.last} published{dropped}"
