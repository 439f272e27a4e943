"""A real nats-server for tests, on a loopback port and with a store of its own.

``nats_server`` starts and stops a server for one test; import it into the conftest.py or module that uses it.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.devservices.nats import NatsServer
from tests.support.deadline import PATIENCE_S, Deadline

__all__ = ["NatsServer", "nats_server", "wait_for_sync"]

_LOOK_S = 0.02


def wait_for_sync(condition: Callable[[], bool], *, what: str, seconds: float = PATIENCE_S) -> None:
    deadline = Deadline(seconds, look_s=_LOOK_S)
    while not condition():
        assert not deadline.passed(), f"not within {deadline}: {what}"
        time.sleep(_LOOK_S)


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path / "nats")
    try:
        yield server.start()
    finally:
        server.close()
