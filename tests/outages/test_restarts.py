"""What an engine on MongoDB knows after a restart on an empty host, and of a store that is not as it should be."""

import asyncio
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.outages.stores import Stores
from tests.outages.truth import everything_holds
from tests.support.process import NO_NATS, engine_process, signal_document, tradeengine
from tests.support.protecting import ORDER, changes, looks, opened
from tests.support.rig import ROOMY, Rig, rig
from tests.support.services import fresh_name
from tradeengine.cli.base import EXIT_CONFIG

pytestmark = pytest.mark.process

TABLES = ("/positions", "/strategy-positions", "/contributions", "/orders", "/fills", "/decisions")
RESTARTS, MANY_RESTARTS = 2, 20
LEASE: dict[str, Any] = {"LEASE_SECONDS": "10"}
"""A process that was killed leaves its leases: the next one waits for their end."""


async def tables(made: Rig) -> dict[str, list[dict[str, Any]]]:
    """Every table that the API shows."""
    await made.engine.until_projected()
    return {path: await made.engine.rows(path) for path in TABLES}


async def restarted(folder: Path, stores: Stores, times: int) -> None:
    """Kill an engine with open positions, and start it where nothing of it is left, so often."""
    async with rig(folder, **stores.settings(), **LEASE) as made:
        await opened(made, "buy", "A")
        await opened(made, "sell", "B")
        resting, known, before = await made.exchange.stops(), await tables(made), await changes(made.exchange)
        for _ in range(times):
            made.engine.kill()
            shutil.rmtree(made.engine.data)
            await made.engine.start()
            await made.engine.until_protection(
                lambda rows: [row["cover"] for row in rows] == ["protected", "protected"], "both to be protected"
            )
            assert await tables(made) == known
        await looks(made, 2)
        assert await changes(made.exchange) == before, "a restart has changed orders"
        assert await made.exchange.stops() == resting
        await everything_holds(stores, made.exchange, folder, made.engine)


@pytest.mark.slow
async def test_i96_i99_restarts_on_an_empty_host_know_the_same_and_change_nothing(
    tmp_path: Path, stores: Stores
) -> None:
    await restarted(tmp_path, stores, RESTARTS)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_i96_i99_twenty_restarts_on_an_empty_host_know_the_same_and_change_nothing(
    tmp_path: Path, stores: Stores
) -> None:
    await restarted(tmp_path, stores, MANY_RESTARTS)


def test_i107_a_database_that_the_schema_job_never_saw_ends_the_start(tmp_path: Path, mongodb_uri: str) -> None:
    """The name of the database is wrong: nothing is made there, and the text says what to do."""
    name = fresh_name()
    env = Stores(mongodb_uri, name).settings() | {"NATS_EMBEDDED": "off"}
    refused = tradeengine("run", "--data-dir", tmp_path / "data", "--port", "0", env=env)
    assert refused.returncode == EXIT_CONFIG, refused.stdout + refused.stderr
    assert name in refused.stderr
    assert "tradeengine schema apply --target mongodb" in refused.stderr
    assert "Traceback" not in refused.stderr


async def test_a_pod_that_can_never_work_takes_no_shard_from_one_that_does(tmp_path: Path, stores: Stores) -> None:
    """It is rolled out with another SHARDS: its start ends, and every shard stays where it is worked on."""
    async with engine_process(tmp_path / "data", nats_url=NO_NATS, settings=stores.settings()) as engine:
        await engine.start()
        await engine.post_prices()
        await engine.accept(signal_document(quantity="0.01"))
        env = stores.settings() | {"NATS_EMBEDDED": "off", "SHARDS": "3"}

        refused = await asyncio.to_thread(tradeengine, "run", "--data-dir", tmp_path / "other", "--port", "0", env=env)

        assert refused.returncode == EXIT_CONFIG, refused.stdout + refused.stderr
        assert "SHARDS=8" in refused.stderr
        held = (await engine.request("GET", "/health")).json()["components"]["distributed_lock_manager"]["shards_held"]
        assert held == list(range(8))
        await engine.accept(signal_document(quantity="0.01"))


async def test_i109_an_empty_database_adopts_what_the_exchange_holds(tmp_path: Path, stores: Stores) -> None:
    """The books are empty and the exchange holds a position: it is adopted under ``external``, not opened again."""
    held = [{"symbol": "BTCUSDT", "positionSide": "LONG", "qty": "0.02", "entryPrice": "49000"}]
    async with rig(tmp_path, setup={"positions": held, "options": ROOMY}, **stores.settings()) as made:
        (row,) = await made.engine.until_rows("/strategy-positions", bool, status="open")
        assert (row["strategy_id"], Decimal(row["current_quantity"])) == ("external", Decimal("0.02"))
        await looks(made, 2)
        assert [row for row in await changes(made.exchange) if row["path"] == ORDER] == []
        await opened(made)
        rows = await made.engine.until_rows("/strategy-positions", lambda rows: len(rows) == 2, status="open")
        owners = {row["strategy_id"]: Decimal(row["current_quantity"]) for row in rows}
        assert owners == {"external": Decimal("0.02"), "A": Decimal("0.01")}
