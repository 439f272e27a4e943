"""Outlet: where messages leave for the broker."""

from collections.abc import Sequence
from typing import Protocol

from tradeengine.publication.messages import Message


class Outlet(Protocol):
    """Publishes messages, and waits until they are stored."""

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish messages in order, and return when the broker has stored all of them.

        Raises
        ------
        RetrySafe
            If it did not confirm each of them: all may be published again, for their ids tell a copy.
        """
        ...
