"""A callback on its way: asyncio's handles without what only a real loop needs."""

from collections.abc import Callable
from contextvars import Context
from typing import Any


class Handle:
    """A callback that is to be run, now or at its time: what asyncio asks of handles, and nothing else."""

    __slots__ = ("args", "callback", "context", "is_cancelled", "when_s")

    def __init__(self, callback: Callable[..., Any], args: tuple[Any, ...], context: Context, when_s: float) -> None:
        self.callback: Callable[..., Any] | None = callback
        self.args = args
        self.context = context
        self.when_s = when_s
        self.is_cancelled = False

    def __repr__(self) -> str:
        return f"<callback {self.callback!r}>"

    def cancel(self) -> None:
        """Let it not be run; what it would have been called with is let go."""
        self.is_cancelled = True
        self.callback, self.args = None, ()

    def cancelled(self) -> bool:
        return self.is_cancelled

    def when(self) -> float:
        return self.when_s
