"""A way to a database: requests with a deadline, and errors as the real clients give them."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from shared.errors import EngineError, OutcomeUnknown, RetrySafe
from tests.simulation.road import Road, settle

TIMEOUT_S: Final = 5.0
_REFUSED_S: Final = 0.001

T = TypeVar("T")


class StoreClient:
    """What a pod's stores on one server share.

    Parameters
    ----------
    timeout_s
        How long a request may take.
    """

    def __init__(self, road: Road, timeout_s: float = TIMEOUT_S) -> None:
        self._road = road
        self._timeout_s = timeout_s

    async def read(self, name: str, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Ask for something.

        Raises
        ------
        RetrySafe
            If there is no answer in time.
        """
        return await self._ask(name, work, RetrySafe)

    async def write(self, name: str, work: Callable[[], Coroutine[Any, Any, T]], point: str = "") -> T:
        """Have something changed.

        Parameters
        ----------
        point
            What the moment is called at which the answer has come, where faults wait for it.

        Raises
        ------
        RetrySafe
            If the server cannot be reached at all.
        OutcomeUnknown
            If there is no answer in time.
        """
        return await self._ask(name, work, OutcomeUnknown, point)

    async def _ask(
        self, name: str, work: Callable[[], Coroutine[Any, Any, T]], unknown: type[EngineError], point: str = ""
    ) -> T:
        road = self._road
        if name == "append":
            road.pod.on_point("append")
        if road.server.refuses:
            await asyncio.sleep(_REFUSED_S)
            raise RetrySafe(f"{road.server.name} refuses the connection; is it running?")
        answer: asyncio.Future[T] = road.loop.create_future()
        road.send(name, lambda: at_once(work()), lambda result, error: settle(answer, result, error))
        if point:
            answer.add_done_callback(lambda _: road.pod.on_point(point))
        timer = road.loop.call_later(
            self._timeout_s, settle, answer, None, unknown(f"{road.server.name} did not answer {name} in time")
        )
        try:
            return await answer
        finally:
            timer.cancel()


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """Result of a coroutine that never waits: a server does one thing after the other.

    Raises
    ------
    RuntimeError
        If it waits.
    """
    try:
        work.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    work.close()
    raise RuntimeError("a fake server's work must not wait")
