"""Processes of their own for what is measured, so that no measurement inherits another's heap, threads or imports."""

import asyncio
import multiprocessing
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Final, Self

_STOP_SECONDS: Final = 10.0
_CONTEXT = multiprocessing.get_context("spawn")

Line = Connection
"""The child's end of a pipe to the benchmark."""


class Child:
    """A process that runs one function; what the function returns is its last word.

    Parameters
    ----------
    name
        For the error if it fails.
    function
        Importable; gets its :data:`Line` first.
    """

    def __init__(self, name: str, function: Callable[..., Any], *args: Any) -> None:
        self._name = name
        self._line, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=_run, args=(theirs, function, args), name=name, daemon=True)
        self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._process.terminate()
        self._process.join(_STOP_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._line.close()

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process.pid is not None, "it was started with the object"
        return self._process.pid

    def tell(self, word: str) -> None:
        """Say something to the child."""
        self._line.send(word)

    def hear(self, timeout: float) -> Any:
        """Wait for the child's next word, or its result.

        Parameters
        ----------
        timeout
            Seconds.

        Raises
        ------
        RuntimeError
            If the child failed, ended or said nothing in time.
        """
        if not self._line.poll(timeout):
            raise RuntimeError(f"{self._name} said nothing for {timeout:.0f} s")
        try:
            good, word = self._line.recv()
        except EOFError:
            raise RuntimeError(f"{self._name} ended without a word") from None
        if not good:
            raise RuntimeError(f"{self._name} failed:\n{word}")
        return word


def say(line: Line, word: Any) -> None:
    """Say something to the benchmark, as the child."""
    line.send((True, word))


def result_of(name: str, function: Callable[..., Any], *args: Any, timeout: float = 600) -> Any:
    """Run a function in a process of its own and return what it returns; it gets no line."""
    with Child(name, _without_line, function, *args) as child:
        return child.hear(timeout)


def _without_line(line: Line, function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)


def _run(line: Line, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    # A reference that the runner imports sets the policy of another event loop, which the engine does not run on.
    asyncio.set_event_loop_policy(None)
    # The benchmark may have given up meanwhile.
    with suppress(BrokenPipeError):
        try:
            result = function(line, *args)
        except Exception:  # noqa: BLE001 - reported to the benchmark, which fails with it
            line.send((False, traceback.format_exc()))
        else:
            line.send((True, result))
    line.close()
