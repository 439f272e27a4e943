"""A process watched from outside: the memory that it holds and the processor time that it takes, twice a second."""

import multiprocessing
import os
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic_ns
from types import TracebackType
from typing import Final, NamedTuple, Self

_EVERY_S: Final = 0.5
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_TICK_NS: Final = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


class Sample(NamedTuple):
    """One look at a process.

    Parameters
    ----------
    at_ns
        When, on the machine's monotonic clock.
    resident
        Bytes of memory that it holds.
    cpu_ns
        Processor time that all its threads have taken since it began; whole hundredths of a second on most machines.
    """

    at_ns: int
    resident: int
    cpu_ns: int


def look(pid: int) -> Sample:
    """Look at a process now.

    Raises
    ------
    OSError
        If it is gone.
    """
    process = Path("/proc") / str(pid)
    resident = int((process / "statm").read_text(encoding="ascii").split()[1])
    # The name may hold spaces and brackets; behind its last bracket, user and system time are the 12th and 13th field.
    fields = (process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return Sample(monotonic_ns(), _PAGE * resident, _TICK_NS * (int(fields[11]) + int(fields[12])))


class Watch:
    """Looks at a child of this process twice a second from :meth:`begin` to :meth:`end`.

    Parameters
    ----------
    name
        Name of the child, as ``multiprocessing`` knows it.
    tell
        Called in the watch's thread with each sample.
    """

    def __init__(self, name: str, tell: Callable[[Sample], None]) -> None:
        self._name = name
        self._tell = tell
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch of {name}")
        self._pid = 0
        self.samples: list[Sample] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def begin(self) -> None:
        """Begin to look.

        Raises
        ------
        RuntimeError
            If there is not exactly one child of that name.
        """
        pids = [child.pid for child in multiprocessing.active_children() if child.name == self._name]
        if len(pids) != 1 or pids[0] is None:
            raise RuntimeError(f"{len(pids)} processes are named {self._name!r}: one is needed to be watched")
        self._pid = pids[0]
        self._thread.start()

    def end(self) -> None:
        """Look no more; again is once."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(_EVERY_S):
            try:
                sample = look(self._pid)
            except OSError:
                # It has ended; whoever waits for its result says why.
                return
            self.samples.append(sample)
            self._tell(sample)
