"""Disks that are full under the servers: nothing that is acknowledged is lost, and all goes on once there is room."""

import asyncio
import resource
from pathlib import Path

import pytest

from tests.outages.pods import health
from tests.outages.stores import ready_stores
from tests.outages.truth import everything_holds, until_no_lag
from tests.support.process import signal_document
from tests.support.protecting import opened, resting
from tests.support.rig import Rig, rig
from tests.support.services import MongoServer, MySqlServer

pytestmark = pytest.mark.process

TEXT = "x" * 20_000
MOST = 1_500


@pytest.mark.slow
async def test_i15_i97_a_mongodb_whose_disk_is_full_takes_nothing_and_stops_stay(
    tmp_path: Path, mongo_server: MongoServer
) -> None:
    """Its files may not grow any more; somebody makes room and starts it again."""
    stores = await ready_stores(mongo_server.url)
    async with rig(tmp_path, **stores.settings()) as made:
        await opened(made)
        size = max(file.stat().st_size for file in mongo_server.folder.glob("*.h2*"))
        assert mongo_server.pid
        resource.prlimit(mongo_server.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        decided = await _sent_until_refused(made)
        await made.engine.until_not_ready("the journal takes nothing")
        assert (await made.engine.request("GET", "/live")).status_code == 200
        assert len(await resting(made, 2)) == 2

        await asyncio.to_thread(mongo_server.kill)
        mongo_server.spawn()
        await made.engine.until_ready()
        history = await everything_holds(stores, made.exchange, tmp_path, made.engine)
    assert decided <= {signal_id for _, signal_id in history.decisions}


async def _sent_until_refused(made: Rig) -> set[str]:
    """Send long signals until one is not answered; those that were."""
    decided: set[str] = set()
    for number in range(MOST):
        answer = await made.engine.send(signal_document("hold", signal_id=f"long-{number}", rationale=TEXT))
        if answer.status_code != 200:
            return decided
        decided.add(f"long-{number}")
    raise AssertionError("the disk never became full")


@pytest.mark.long
async def test_i84_i97_a_mysql_whose_disk_is_full_degrades_and_is_caught_up_with_once_there_is_room(
    tmp_path: Path, server_folder: Path, mongodb_uri: str
) -> None:
    """All tables live in one file that must not grow; then it may."""
    all_in_one = "--innodb-file-per-table=0"
    full = MySqlServer(server_folder / "mysql", options=(all_in_one, "--innodb-data-file-path=ibdata1:12M;ibdata2:12M"))
    roomy = None
    try:
        stores = await ready_stores(mongodb_uri, full.start().url)
        async with rig(tmp_path, **stores.settings()) as made:
            await opened(made)

            async def told() -> bool:
                number = await made.engine.metric("tradeengine_signals_received_total")
                await made.engine.send(signal_document("hold", signal_id=f"long-{number}", rationale=TEXT))
                copy = await health(made.engine, "mysql")
                return copy["status"] == "degraded" and "full" in copy["reason"]

            await made.until(told, "health to say that the disk is full")
            assert await made.engine.readiness() == (200, [])
            await asyncio.to_thread(full.kill)
            port = full.port
            full.close()
            growing = (all_in_one, "--innodb-data-file-path=ibdata1:12M;ibdata2:12M:autoextend")
            roomy = MySqlServer(server_folder / "mysql", port=port, options=growing)
            roomy.start()
            await until_no_lag(stores)
            await everything_holds(stores, made.exchange, tmp_path, made.engine)
    finally:
        full.close()
        if roomy is not None:
            roomy.close()
