"""WebSocket sides of the exchange, read with deadlines instead of pauses."""

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

from websockets.sync.client import connect

from tests.support.deadline import PATIENCE_S

DEADLINE_S = PATIENCE_S


class Stream:
    """A connection that is read message by message."""

    def __init__(self, url: str) -> None:
        self._open = ExitStack()
        connecting = connect(url, open_timeout=DEADLINE_S, close_timeout=1, ping_interval=None, proxy=None)
        self.socket = self._open.enter_context(connecting)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def send(self, document: object) -> None:
        self.socket.send(json.dumps(document))

    def next(self, within_s: float = DEADLINE_S) -> Any:
        return json.loads(self.socket.recv(timeout=within_s), parse_float=Decimal)

    def until(self, wanted: Callable[[Any], bool]) -> list[Any]:
        """Read up to and including the first wanted message; all that was read."""
        deadline = time.monotonic() + DEADLINE_S
        read: list[Any] = []
        while not (read and wanted(read[-1])):
            left = deadline - time.monotonic()
            assert left > 0, f"not among {read}"
            try:
                read.append(self.next(left))
            except TimeoutError as error:
                raise AssertionError(f"not among {read}") from error
        return read


class UserStream(Stream):
    """The account's own events.

    Parameters
    ----------
    url
        Address with the listen key.
    announce_leverage
        Changes the leverage of a symbol and returns it: the event of this marks how far the stream has come.
    """

    def __init__(self, url: str, announce_leverage: Callable[[], int]) -> None:
        super().__init__(url)
        self._announce_leverage = announce_leverage

    def events(self) -> list[Any]:
        """All events since the last call, in order."""
        leverage = self._announce_leverage()

        def is_mark(event: Any) -> bool:
            return bool(event["e"] == "ACCOUNT_CONFIG_UPDATE" and event.get("ac", {}).get("l") == leverage)

        return self.until(is_mark)[:-1]

    def of(self, *kinds: str) -> list[Any]:
        """Events of these kinds since the last call, in order."""
        return [event for event in self.events() if event["e"] in kinds]
