"""The store is read-only: the engine says so and does not start; what was sent meanwhile waits for it at the broker."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.process.load import connected, publish, unacknowledged, until_all_acknowledged
from tests.process.store import check_store
from tests.support.deadline import PATIENCE_S
from tests.support.nats import NatsServer
from tests.support.process import bound_by_permissions, engine_process, signal_document, tradeengine
from tradeengine.cli.base import EXIT_CONFIG

pytestmark = pytest.mark.process


@contextmanager
def read_only(*paths: Path) -> Iterator[None]:
    """Take the permission to write away, and give it back."""
    modes = {path: path.stat().st_mode for path in paths}
    for path, mode in modes.items():
        path.chmod(mode & ~0o222)
    try:
        yield
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


@pytest.mark.parametrize("name", ["", "journal.sqlite", "readmodel.sqlite"])
async def test_it_starts_when_the_store_can_be_written(tmp_path: Path, nats_server: NatsServer, name: str) -> None:
    async with engine_process(tmp_path / "data", nats_url=nats_server.url) as engine:
        await engine.start()
        await engine.stop()
        async with connected(nats_server.url) as client:
            await publish(client.jetstream(timeout=PATIENCE_S), signal_document("hold", signal_id="waiting"))

            protected = engine.data / name
            with read_only(protected, *(protected.iterdir() if not name else ())):
                refused = tradeengine(
                    *("run", "--data-dir", engine.data, "--port", "0"),
                    env={"NATS_URL": nats_server.url},
                    through=bound_by_permissions(),
                )
            assert refused.returncode == EXIT_CONFIG, refused.stdout + refused.stderr
            assert refused.stderr.startswith("error configuration: ")
            assert str(protected) in refused.stderr
            assert "writable" in refused.stderr
            assert await unacknowledged(client) == 1

            await engine.start()
            await until_all_acknowledged(client)
        await engine.until_rows("/decisions", bool, signal_id="waiting")
        await engine.stop()
        await check_store(engine.data, tmp_path)
