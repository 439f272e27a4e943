"""The border behind which tracing may fail: what it watches goes on."""

from types import TracebackType

import structlog

log = structlog.get_logger(__name__)

_told: set[str] = set()


class Harmless:
    """A block that lets no failure out: an order, a commit or a copy must not suffer for its trace.

    Parameters
    ----------
    what
        What is traced here, for the log: its first failure is told, since it may fail every time.
    """

    __slots__ = ("_what",)

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        """Swallow an error of tracing's own; a cancellation is none."""
        if not isinstance(error, Exception):
            return False
        if self._what not in _told:
            _told.add(self._what)
            log.error("tracing_failed", during=self._what, action="its spans are missing", exc_info=error)
        return True
