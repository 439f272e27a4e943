"""The campaign: one exchange and one event loop, and example after example that hypothesis makes up."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import cast

import structlog
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.campaigns.exchange import exchange
from tests.campaigns.play import Player
from tests.campaigns.steps import Example, examples
from tests.campaigns.warp import WarpClock, WarpLoop, machine_time

Progress = Callable[[Counter[str]], None]


class Campaign:
    """Where examples are played.

    Parameters
    ----------
    done
        What was done so far, and what came of it.
    """

    def __init__(self, runner: asyncio.Runner, loop: WarpLoop, stack: AsyncExitStack) -> None:
        self._runner = runner
        self._loop = loop
        self._exchange = runner.run(stack.enter_async_context(exchange(WarpClock(loop))))
        self.done: Counter[str] = Counter()

    def play(self, example: Example) -> None:
        """Play an example from a fresh exchange and an empty journal."""
        self._runner.run(Player(self._loop, self._exchange, example, self.done).play())

    def run(self, count: int, steps: int, number: int | None, progress: Progress = lambda done: None) -> None:
        """Play so many examples of so many steps each.

        Parameters
        ----------
        number
            Seed of hypothesis; with ``None`` each run searches anew.
        progress
            Told after each example.
        """

        @settings(
            max_examples=count,
            deadline=None,
            database=None,
            print_blob=True,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink),
        )
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
    with asyncio.Runner(loop_factory=WarpLoop) as runner, structlog.testing.capture_logs():
        loop = cast("WarpLoop", runner.get_loop())
        with machine_time(loop):
            stack = AsyncExitStack()
            try:
                yield Campaign(runner, loop, stack)
            finally:
                runner.run(stack.aclose())
