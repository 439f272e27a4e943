"""Workshop: a thread that makes rows, courteously, so that the event loop stays free."""

from collections.abc import Callable
from typing import TypeVar

from shared.worker import WorkerThread
from tradeengine.projection.courtesy import Courtesy
from tradeengine.projection.freshness import Freshness
from tradeengine.projection.prefetch import Rest, no_rest

T = TypeVar("T")


class Workshop:
    """One thread in which rows are made, one piece of work after the other.

    Parameters
    ----------
    name
        Of the thread.
    freshness
        How far the copy is behind: the later it is, the less it rests.
    """

    def __init__(self, name: str, freshness: Freshness) -> None:
        self._thread = WorkerThread(name)
        self._freshness = freshness
        self._courtesy: Courtesy | None = None

    async def close(self) -> None:
        """Finish the work that was asked for, without rests, and end; nothing if none ever was."""
        courtesy, self._courtesy = self._courtesy, None
        if courtesy is not None:
            courtesy.end()
            await self._thread.close(courtesy.rest)

    async def do(self, work: Callable[[Rest], T], *, hurried: bool = False) -> T:
        """Do work in the thread and return what it returns.

        Who is cancelled stops waiting; the work is done all the same.

        Parameters
        ----------
        work
            Calls what it is given every few microseconds of its work.
        hurried
            Whether it goes on without rests.
        """
        if self._courtesy is None:
            self._courtesy = Courtesy()
            self._thread.start()
        courtesy, age_s = self._courtesy, self._freshness.age_seconds

        def courteous() -> T:
            courtesy.begin(age_s)
            return work(no_rest if hurried else courtesy.rest)

        return await self._thread.call(courteous)
