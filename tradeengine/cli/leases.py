"""The leases, as the settings name them, and how long they are watched."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from shared.clock import Clock
from shared.errors import ConfigError
from shared.leases.base import LeaseStore
from shared.leases.lookout import Lookout
from shared.leases.mongodb import MongoLeases
from shared.leases.sqlite import SqliteLeases
from shared.settings import Settings
from tradeengine.cli.base import progress
from tradeengine.cli.schema import mongo_store
from tradeengine.runtime.files import leases_file

LOOK_S: Final = 0.25
_HANDOVER_S: Final = 3.0
"""How long a shard may be nobody's because it is just handed over."""


@asynccontextmanager
async def opened_leases(settings: Settings) -> AsyncIterator[LeaseStore]:
    """The leases in MongoDB if one is named, otherwise those in the data folder; they are neither made nor migrated.

    Raises
    ------
    ConfigError
        If there are none, or an older engine has made them.
    RetrySafe
        If the server does not answer.
    """
    path = leases_file(settings.data_dir)
    if settings.mongodb_uri is None and not path.exists():
        raise ConfigError(f"{path} does not exist: no engine has worked there; correct TRADEENGINE_DATA_DIR")
    leases = SqliteLeases(path, existing=True) if settings.mongodb_uri is None else MongoLeases(mongo_store(settings))
    await leases.open()
    try:
        yield leases
    finally:
        await leases.close()


async def watched(store: LeaseStore, settings: Settings, clock: Clock) -> Lookout:
    """Watch until it is known of each member whether it lives: a third of the lease time, or all of it for the dead."""
    lookout = Lookout(store, clock, settings.shards, float(settings.lease_seconds))
    await lookout.look()
    with progress(unit="processes") as bar:
        task = bar.add_task("waiting for a beat of", total=len(lookout.members))
        while lookout.undecided:
            await clock.sleep(LOOK_S)
            await lookout.look()
            bar.update(task, total=len(lookout.members), completed=len(lookout.members) - len(lookout.undecided))
        deadline = clock.monotonic() + _HANDOVER_S
        while lookout.living and not _all_held(lookout, settings.shards) and clock.monotonic() < deadline:
            await clock.sleep(LOOK_S)
            await lookout.look()
    return lookout


def _all_held(lookout: Lookout, shards: int) -> bool:
    living = lookout.living
    return all(shard in lookout.leases and lookout.leases[shard].owner in living for shard in range(shards))
