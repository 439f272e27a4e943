"""``tradeengine cluster``: who lives, and who works on which shard."""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from typing import Annotated

import typer

from contracts.api import Cluster, ClusterShard
from shared.clock import SystemClock
from shared.errors import EngineError, OutcomeUnknown, RetrySafe
from shared.leases.sight import Sight
from shared.settings import Settings
from tradeengine.cli.base import EXIT_FAILURE, EXIT_UNKNOWN, fail, out, warn
from tradeengine.cli.cluster_view import show_cluster
from tradeengine.cli.copies import checkpoints_of, opened_journal
from tradeengine.cli.journal_limits import copies_of
from tradeengine.cli.leases import opened_leases, watched
from tradeengine.cli.options import ConfigFile
from tradeengine.journal.base import Journal
from tradeengine.journal.takeovers import last_takeover
from tradeengine.runtime.cluster_report import described_members, described_shards
from tradeengine.runtime.publications import EXECUTION_EVENTS


def cluster(
    json: Annotated[bool, typer.Option("--json", help="One JSON document, of the shape of GET /cluster.")] = False,
    config: ConfigFile = None,
) -> None:
    """Show the pods and the shards, by the lease store and the journal; no pod need answer, and nothing is changed.

    It watches for a beat of each pod, which takes a third of the lease time, and all of it if one is dead. Exit code 0
    when every shard has an owner that lives, 1 when one has none, 3 when a store does not answer.
    """
    settings = Settings.load(config_file=config)
    try:
        found = asyncio.run(_look(settings))
    except (RetrySafe, OutcomeUnknown) as error:
        fail(f"the cluster cannot be seen: {error}")
        raise typer.Exit(EXIT_UNKNOWN) from None
    if json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        show_cluster(out, found)
    if not all(shard.owner_lives for shard in found.shards):
        raise typer.Exit(EXIT_FAILURE)


async def _look(settings: Settings) -> Cluster:
    async with opened_journal(settings) as journal, opened_leases(settings) as leases:
        sight = (await watched(leases, settings, SystemClock())).sight()
        return Cluster(
            source="leases",
            age_seconds=0.0,
            pod=None,
            draining=False,
            trouble=None,
            members=described_members(sight),
            shards=await _shards(settings, journal, sight),
            copies=[],
        )


async def _shards(settings: Settings, journal: Journal, sight: Sight) -> list[ClusterShard]:
    numbers = [seen.shard for seen in sight.shards]
    takeovers = {shard: (await last_takeover(journal, shard)).takeover for shard in numbers}
    applied = {name: await _applied(name, ask(numbers)) for name, ask in copies_of(settings).items()}
    published = await _applied(EXECUTION_EVENTS, _published(settings, numbers))
    if published is None or settings.nats_url is not None or any(published.values()):
        applied[EXECUTION_EVENTS] = published
    positions = {shard: await journal.last_sequence(shard) for shard in numbers}
    behind = {
        name: {shard: _behind(positions[shard], had, shard) for shard in numbers} for name, had in applied.items()
    }
    return described_shards(sight, takeovers, positions, behind)


async def _published(settings: Settings, shards: Iterable[int]) -> dict[int, int]:
    """Newest record of each shard whose events are published, as noted; that is a second behind."""
    return {shard: found.sequence for shard, found in (await checkpoints_of(settings, shards)).items()}


async def _applied(name: str, asked: Awaitable[Mapping[int, int]]) -> Mapping[int, int] | None:
    try:
        return await asked
    except EngineError as error:
        warn(f"{name} does not say how far it is: {error}")
        return None


def _behind(position: int, applied: Mapping[int, int] | None, shard: int) -> int | None:
    return max(0, position - applied[shard]) if applied is not None else None
