"""A real nats-server for tests, on a loopback port and with a store of its own.

``nats_server`` starts and stops a server for one test; import it into the conftest.py or module that uses it.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.devservices.nats import NatsServer

__all__ = ["NatsServer", "nats_server", "wait_for_sync"]


def wait_for_sync(condition: Callable[[], bool], *, what: str, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path / "nats")
    try:
        yield server.start()
    finally:
        server.close()
