"""Roads: the network between a pod and a server, and what goes wrong on it."""

import asyncio
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any, Final, Generic, TypeVar

from tests.simulation.process import Process

QUICK_S: Final = (0.0002, 0.002)
"""Least and longest time of one way, seconds, while nothing is wrong."""
_RESEND_S: Final = 0.2
"""After how long a connection tries again to bring what a road that is cut did not let through."""

T = TypeVar("T")


class Weather:
    """What the way between a pod and a server is like; it outlives the pod's restarts.

    Parameters
    ----------
    random
        Decides how long each way takes.
    """

    def __init__(self, random: Random) -> None:
        self.latency_s = QUICK_S
        self.is_cut_there = False
        self.is_cut_back = False
        self.lost: list[tuple[str, str]] = []
        """What happens to the next requests of a name: (name or ``*``, ``before`` or ``after``) their execution."""
        self.random = random

    def clear(self) -> None:
        """Let everything be well."""
        self.latency_s = QUICK_S
        self.is_cut_there = self.is_cut_back = False
        self.lost.clear()


class Road:
    """The way from a pod to a server and back, for one life of the pod."""

    def __init__(self, loop: asyncio.AbstractEventLoop, pod: Process, server: "Server", weather: Weather) -> None:
        self.loop = loop
        self.pod = pod
        self.server = server
        self.weather = weather
        self.connections = 0
        """How many were made over it, for their names."""
        self.ends: dict[Callable[[], None], None] = {}
        """What the server does about each connection when it ends."""

    @property
    def is_cut_there(self) -> bool:
        """Whether nothing reaches the server."""
        return self.weather.is_cut_there

    @property
    def is_cut_back(self) -> bool:
        """Whether nothing comes back from it."""
        return self.weather.is_cut_back

    def hang_up(self) -> None:
        """The pod is dead: its machine ends its connections."""
        for end in tuple(self.ends):
            self.loop.call_later(self.delay(), end, context=self.server.process.context)
        self.ends.clear()

    def delay(self) -> float:
        """How long something takes one way, seconds."""
        least, most = self.weather.latency_s
        return least + (most - least) * self.weather.random.random()

    def loses(self, name: str) -> str | None:
        """Whether the answer to a request is lost, and when: ``before`` or ``after`` it is executed."""
        for index, (meant, when) in enumerate(self.weather.lost):
            if meant in ("*", name):
                del self.weather.lost[index]
                return when
        return None

    def send(
        self, name: str, execute: Callable[[], object], answered: Callable[[Any, BaseException | None], None]
    ) -> None:
        """Let a server do something, and hear what came of it; where either way fails, nothing is ever heard.

        Parameters
        ----------
        execute
            Called in the server's process; it returns at once.
        answered
            Called in the pod's process with the result or the error.
        """
        fate = self.loses(name)
        if self.is_cut_there or fate == "before":
            return

        def back(result: Any, error: BaseException | None) -> None:
            if not self.is_cut_back:
                self.loop.call_later(self.delay(), answered, result, error, context=self.pod.context)

        def arrive() -> None:
            result, failed = outcome(execute)
            if fate is None:
                back(result, failed)

        self.loop.call_later(self.delay(), arrive, context=self.server.process.context)


class Server:
    """A server as its clients meet it.

    Parameters
    ----------
    name
        For people.
    """

    def __init__(self, name: str) -> None:
        self.process = Process(name)
        self.refuses = False
        """Whether nobody listens at its port."""

    @property
    def name(self) -> str:
        return self.process.name


class Pipe(Generic[T]):
    """One direction of a connection: what is sent arrives in order, late if the road is cut, never if it is closed.

    Parameters
    ----------
    receiver
        In whose process ``deliver`` is called.
    is_cut
        Whether nothing gets through now.
    """

    def __init__(
        self, road: Road, receiver: Process, is_cut: Callable[[], bool], deliver: Callable[[T], object]
    ) -> None:
        self._road = road
        self._receiver = receiver
        self._is_cut = is_cut
        self._deliver = deliver
        self._queue: deque[T] = deque()
        self._latest_s = 0.0
        self.is_closed = False

    def send(self, item: T) -> None:
        """Put something on its way."""
        if self.is_closed:
            return
        self._queue.append(item)
        loop = self._road.loop
        self._latest_s = max(self._latest_s, loop.time() + self._road.delay())
        loop.call_at(self._latest_s, self._arrive, context=self._receiver.context)

    def close(self) -> None:
        """Let nothing more arrive."""
        self.is_closed = True
        self._queue.clear()

    def _arrive(self) -> None:
        if self.is_closed or not self._queue:
            return
        if self._is_cut():
            self._road.loop.call_later(_RESEND_S, self._arrive, context=self._receiver.context)
            return
        self._deliver(self._queue.popleft())


def outcome(work: Callable[[], object]) -> tuple[Any, Exception | None]:
    """What a server's work gives: a result, or the error that is carried to whoever asked."""
    try:
        return work(), None
    except Exception as error:  # noqa: BLE001 - carried to whoever asked
        return None, error


def settle(answer: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    """Tell who waits, if somebody still does."""
    if answer.done():
        return
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)
