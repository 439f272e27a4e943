"""The stage: one loop, one exchange and one database of each kind, on which any number of plays are played."""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, cast

import structlog
from structlog.typing import EventDict, WrappedLogger

from tests.campaigns.exchange import exchange
from tests.campaigns.warp import WarpClock, machine_time
from tests.crashes.databases import Databases
from tests.crashes.fates import Plan, Point, Undisturbed
from tests.crashes.life import LifeLoop, staged_exchange
from tests.crashes.play import Play
from tests.crashes.script import AnyStep
from tests.support import services

_LINES: Final = 80


class Stage:
    """Where scripts are played."""

    def __init__(
        self, runner: asyncio.Runner, stack: AsyncExitStack, mongodb: tuple[str, str], mysql: str, log: deque[str]
    ) -> None:
        self._runner = runner
        self._loop = cast("LifeLoop", runner.get_loop())
        self._databases = Databases(self._loop, mongodb, mysql)
        self._log = log
        self._exchange = runner.run(stack.enter_async_context(exchange(WarpClock(self._loop))))
        stack.push_async_callback(self._databases.close)
        runner.run(self._databases.open())

    def play(self, script: Sequence[AnyStep], plan: Plan) -> int:
        """Play a script from the beginning.

        Returns
        -------
        int
            How many processes it took.

        Raises
        ------
        AssertionError
            If something does not hold in the end.
        """
        self._log.clear()
        with TemporaryDirectory(prefix="crashes-") as folder:
            play = Play(self._loop, self._exchange, self._databases, plan, Path(folder), self._log)
            try:
                self._runner.run(play.run(script))
            except Exception as error:
                error.add_note(f"the plan was: {plan}")
                raise
        return play.lives

    def points(self, script: Sequence[AnyStep]) -> list[Point]:
        """Every command of an undisturbed run, in order."""
        plan = Undisturbed()
        self.play(script, plan)
        return plan.points


@contextmanager
def staged() -> Iterator[Stage]:
    """Build the stage, on the servers that all tests share."""
    mongodb, mysql = services.mongodb_uri(), services.mysql_uri()
    log: deque[str] = deque(maxlen=_LINES)
    with (
        _logging_to(log),
        staged_exchange(),
        services.fresh_mongodb_database(mongodb) as database,
        services.fresh_mysql_database(mysql) as schema,
        asyncio.Runner(loop_factory=LifeLoop) as runner,
        machine_time(cast("LifeLoop", runner.get_loop())),
    ):
        stack = AsyncExitStack()
        try:
            yield Stage(runner, stack, (mongodb, database), schema, log)
        finally:
            runner.run(stack.aclose())


@contextmanager
def _logging_to(log: deque[str]) -> Iterator[None]:
    """Keep what the engine logged last for whoever looks for a cause."""

    def keep(_: WrappedLogger, level: str, event: EventDict) -> EventDict:
        log.append(f"{level} {event}")
        raise structlog.DropEvent

    former = structlog.get_config()
    structlog.configure(processors=[keep])
    try:
        yield
    finally:
        structlog.configure(**former)
