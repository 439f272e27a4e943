"""Processes by number: whether one still is the one that was started, and how it is ended."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from scripts.devservices.waiting import wait_until

_PR_SET_PDEATHSIG: Final = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_STOP_SECONDS: Final = 15.0


def started_at(pid: int) -> str | None:
    """When a process was started, in whatever unit the system counts; ``None`` if there is none.

    Numbers of processes are dealt out again: only number and start together name a process.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    state, start = fields[0], fields[19]
    return None if state in "ZX" else start


def end(pid: int, started: str) -> bool:
    """End a process: ask it to, and kill it if it does not.

    Returns
    -------
    bool
        Whether it ran.
    """
    if started_at(pid) != started:
        return False
    for how in (signal.SIGCONT, signal.SIGTERM):
        with suppress(ProcessLookupError):
            os.kill(pid, how)
    with suppress(TimeoutError):
        wait_until(lambda: started_at(pid) != started, what=f"process {pid} ends", seconds=_STOP_SECONDS)
        return True
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: started_at(pid) != started, what=f"process {pid} ends when killed", seconds=_STOP_SECONDS)
    return True


def die_with_parent() -> Callable[[], None]:
    """Make what a child runs before its program, so that the kernel kills it when this process dies (Linux)."""
    parent = os.getpid()

    def prepare() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        # The parent may have died before the line above took effect.
        if os.getppid() != parent:
            os._exit(1)

    return prepare
