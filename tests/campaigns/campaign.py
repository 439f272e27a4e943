"""The campaign: one exchange and one event loop, and example after example that hypothesis makes up."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Final, cast

import structlog
from hypothesis import HealthCheck, given, seed, settings
from structlog.typing import EventDict, WrappedLogger

from tests.campaigns.exchange import exchange
from tests.campaigns.play import Player
from tests.campaigns.steps import Example, examples
from tests.campaigns.warp import WarpClock, WarpLoop, machine_time

_LINES: Final = 60
Progress = Callable[[Counter[str]], None]


class Campaign:
    """Where examples are played.

    Parameters
    ----------
    done
        What was done so far, and what came of it.
    """

    def __init__(self, runner: asyncio.Runner, stack: AsyncExitStack, log: deque[str]) -> None:
        self._runner = runner
        self._loop = cast("WarpLoop", runner.get_loop())
        self._log = log
        self._exchange = runner.run(stack.enter_async_context(exchange(WarpClock(self._loop))))
        self.done: Counter[str] = Counter()

    def play(self, example: Example) -> Player:
        """Play an example from a fresh exchange and an empty journal."""
        self._log.clear()
        player = Player(self._loop, self._exchange, example, self.done, self._log)
        self._runner.run(player.play())
        return player

    def run(self, count: int, steps: int, number: int | None = None, progress: Progress = lambda done: None) -> None:
        """Play so many examples of so many steps each.

        Parameters
        ----------
        number
            Seed of hypothesis; with ``None`` each run searches anew.
        progress
            Told after each example.
        """

        # A step that is slow under load is no fault, and examples are large by intention.
        @settings(settings(), max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))
        @given(example=examples(steps))
        def equal_after_every_step(example: Example) -> None:
            self.play(example)
            progress(self.done)

        if number is not None:
            seed(number)(equal_after_every_step)
        equal_after_every_step()


@contextmanager
def campaign() -> Iterator[Campaign]:
    """Start an exchange on a loop of its own."""
    log: deque[str] = deque(maxlen=_LINES)
    with (
        _logging_to(log),
        asyncio.Runner(loop_factory=WarpLoop) as runner,
        machine_time(cast("WarpLoop", runner.get_loop())),
    ):
        stack = AsyncExitStack()
        try:
            yield Campaign(runner, stack, log)
        finally:
            runner.run(stack.aclose())


@contextmanager
def _logging_to(log: deque[str]) -> Iterator[None]:
    """Keep what the engine logs for whoever looks for a cause: printed, it would be most of the output."""

    def keep(_: WrappedLogger, level: str, event: EventDict) -> EventDict:
        log.append(f"{level} {event}")
        raise structlog.DropEvent

    former = structlog.get_config()
    structlog.configure(processors=[keep])
    try:
        yield
    finally:
        structlog.configure(**former)
