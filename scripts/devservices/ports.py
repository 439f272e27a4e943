"""Ports on 127.0.0.1 that no other server of ours takes, now or after a restart."""

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from scripts.devservices.waiting import wait_until
from shared.errors import ConfigError

_FIRST, _LAST = 20_000, 31_999
"""Below the range from which systems deal out ports to clients: a restarted server finds its port free."""


class Port(NamedTuple):
    """A port that is reserved for as long as somebody holds the handle, be it a child that inherited it."""

    number: int
    handle: int

    def release(self) -> None:
        """Close this process's handle."""
        os.close(self.handle)


def reserve(wanted: int | None = None, *, seconds: float = 5.0) -> Port:
    """Reserve a port.

    Parameters
    ----------
    wanted
        The port; by default any free one.
    seconds
        How long a wanted one may stay in use: a process that was killed is seen to have ended a moment before all its
        threads have let go of its files.

    Raises
    ------
    ConfigError
        If the wanted one is in use, or none is free.
    """
    if wanted is not None:
        return _reserve_when_free(wanted, seconds)
    for number in _candidates():
        if port := _try(number):
            return port
    raise ConfigError(f"every port from {_FIRST} to {_LAST} on 127.0.0.1 is in use: stop what listens there")


def _reserve_when_free(number: int, seconds: float) -> Port:
    try:
        port = wait_until(lambda: _try(number), what=f"port {number} is free", seconds=seconds)
    except TimeoutError:
        port = None
    if port is None:
        raise ConfigError(f"port {number} on 127.0.0.1 is in use: stop what listens there")
    return port


def _try(number: int) -> Port | None:
    handle = _lock(number)
    if handle is None:
        return None
    if _is_free(number):
        return Port(number, handle)
    os.close(handle)
    return None


def _candidates() -> Iterator[int]:
    # Processes begin at different places, so that they rarely ask for the same port at once.
    count = _LAST - _FIRST + 1
    start = os.getpid() * 97 % count
    return (_FIRST + (start + step) % count for step in range(count))


def _lock(number: int) -> int | None:
    folder = Path(tempfile.gettempdir()) / f"tradeengine-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    handle = os.open(folder / str(number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def _is_free(number: int) -> bool:
    with socket.socket() as probe:
        # As servers do, so that connections which are still closing do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError:
            return False
    return True
