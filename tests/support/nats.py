"""A real nats-server for tests, on a free loopback port, with a store of its own.

``nats_server`` starts and stops a server for one test; import it into the conftest.py or module that uses it.
"""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tradeengine.runtime.nats_server import find_binary, render_config


class NatsServer:
    """A nats-server that a test may stop, freeze, kill and start again on the same port and store.

    Parameters
    ----------
    more
        More lines of its configuration.
    """

    def __init__(self, folder: Path, *, sync_always: bool = False, more: str = "") -> None:
        self.folder = folder
        self._more = more
        self._sync_always = sync_always
        self._process: subprocess.Popen[bytes] | None = None
        self.port = -1

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        assert self._process is None, "the server runs"
        for stale in self.folder.glob("*.ports"):
            stale.unlink()
        config = self.folder / "nats-server.conf"
        config.write_text(render_config(self.folder, self.port, sync_always=self._sync_always) + self._more)
        with (self.folder / "nats-server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [find_binary(), "-c", config], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_for_sync(self._answers, what=f"nats-server in {self.folder} answers")

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        if self._process:
            self.thaw()
            self.kill()

    def _end(self, how: signal.Signals) -> None:
        assert self._process
        self._process.send_signal(how)
        self._process.wait(timeout=10)
        self._process = None

    def _answers(self) -> bool:
        assert self._process
        assert self._process.poll() is None, (self.folder / "nats-server.log").read_text()[-2000:]
        if self.port < 0:
            for file in self.folder.glob("*.ports"):
                try:
                    self.port = int(json.loads(file.read_text())["nats"][0].rpartition(":")[2])
                except (OSError, ValueError, LookupError):
                    return False
            if self.port < 0:
                return False
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                return connection.recv(4096).startswith(b"INFO ")
        except OSError:
            return False


def wait_for_sync(condition: Callable[[], bool], *, what: str, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NatsServer]:
    folder = tmp_path / "nats"
    folder.mkdir()
    server = NatsServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.close()
