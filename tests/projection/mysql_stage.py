"""A stage on which each command to a real MySQL may be lost on its way, or its answer on the way back."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, Final

import pymysql
from pymysql.connections import Connection

from shared.errors import OutcomeUnknown, RetrySafe
from tests.projection.targets import Model
from tradeengine.journal.record import Record
from tradeengine.projection.base import DoesNotFollow

ATTEMPTS: Final = 20


class Fate(StrEnum):
    """What becomes of a command; the connection is gone with it."""

    LOST = "lost"
    """The server never sees it."""
    UNANSWERED = "unanswered"
    """The server does it, and the caller hears nothing."""


class Stage:
    """Counts the commands that this process sends, and lets one of them meet its fate."""

    def __init__(self) -> None:
        self.commands: list[str] = []
        self._struck: tuple[int, Fate] | None = None

    def strike(self, number: int, fate: Fate) -> None:
        """Decide the fate of the command that is sent after ``number`` others."""
        self.commands.clear()
        self._struck = (number, fate)

    def calm(self) -> bool:
        """Let all further commands go; tell whether the command that was to be struck was ever sent."""
        struck, self._struck = self._struck, None
        return struck is None

    def sent(self, sql: str) -> Fate | None:
        """Note a command, and tell its fate."""
        self.commands.append(sql)
        if self._struck is None or len(self.commands) <= self._struck[0]:
            return None
        fate, self._struck = self._struck[1], None
        return fate


@contextmanager
def staged() -> Iterator[Stage]:
    """Put every connection of this process on a stage."""
    stage = Stage()
    driver: Any = Connection
    send = driver._execute_command
    doomed: set[int] = set()

    def execute(self: Any, command: int, sql: Any) -> None:
        fate = stage.sent(sql.decode(errors="replace") if isinstance(sql, bytes | bytearray) else str(sql))
        if fate is Fate.LOST:
            self._force_close()
            raise pymysql.OperationalError(2013, "Lost connection: the command was never sent")
        send(self, command, sql)
        if fate is Fate.UNANSWERED:
            doomed.add(id(self))

    def heard(read: Any) -> Any:
        def reading(self: Any, *arguments: Any, **options: Any) -> Any:
            result = read(self, *arguments, **options)
            if id(self) in doomed:
                doomed.discard(id(self))
                self._force_close()
                raise pymysql.OperationalError(2013, "Lost connection: the answer was lost")
            return result

        return reading

    patched = {
        "_execute_command": execute,
        "_read_ok_packet": heard(driver._read_ok_packet),
        "_read_query_result": heard(driver._read_query_result),
    }
    former = {name: getattr(Connection, name) for name in patched}
    try:
        for name, function in patched.items():
            setattr(Connection, name, function)
        yield stage
    finally:
        for name, function in former.items():
            setattr(Connection, name, function)


async def advance(model: Model, records: Sequence[Record]) -> None:
    """Bring a model up to the last of a shard's records, as a projector does."""
    for _ in range(ATTEMPTS):
        try:
            applied = await model.checkpoint(records[-1].shard)
            following = [record for record in records if record.sequence > applied]
            if not following:
                return
            await model.apply(following)
        except (RetrySafe, OutcomeUnknown, DoesNotFollow):
            continue
    raise AssertionError(f"the records were not applied in {ATTEMPTS} attempts")
