"""The timeline of a history: what happened, when, and to whom; the same in every run of a seed."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from tests.simulation.process import HERE

_ADDRESS = re.compile(r"0x[0-9a-f]+")


class Timeline:
    """Lines of a history.

    Parameters
    ----------
    keeps_log
        Whether what the engine logs is kept too.
    """

    def __init__(self, *, keeps_log: bool = True) -> None:
        self.lines: list[str] = []
        self._keeps_log = keeps_log
        self._time: Callable[[], float] = lambda: 0.0

    def begin(self, time: Callable[[], float]) -> None:
        """Take the time from a history's loop."""
        self._time = time

    def end(self) -> None:
        """Let go of the history."""
        self._keeps_log = False
        self._time = lambda: 0.0

    def add(self, who: str, what: str) -> None:
        """Add a line."""
        self.lines.append(f"{self._time():10.4f} {who:9} {what}")

    def text(self) -> str:
        """All lines."""
        return "\n".join(self.lines) + "\n"

    def _take(self, _: WrappedLogger, level: str, given: EventDict) -> EventDict:
        if self._keeps_log:
            error = given.pop("exc_info", None)
            if isinstance(error, BaseException):
                given["error"] = f"{type(error).__name__}: {error}"
            named = " ".join(f"{name}={given[name]}" for name in sorted(given) if name != "event")
            process = HERE.get(None)
            self.add(
                process.name if process else "?", _ADDRESS.sub("0x", f"{level:8} {given['event']} {named}".rstrip())
            )
        raise structlog.DropEvent

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear what is logged."""
        former: dict[str, Any] = structlog.get_config()
        structlog.configure(processors=[self._take], cache_logger_on_first_use=False)
        try:
            yield
        finally:
            structlog.configure(**former)
