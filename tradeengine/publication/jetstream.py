"""Outlet to JetStream: many messages under way at once, each with its id."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import Header, PubAck
from nats.js.errors import NoStreamResponseError

from contracts.trace import TRACEPARENT
from shared.errors import RetrySafe
from tradeengine.publication.messages import Message

_WINDOW: Final = 128
"""Messages under way at once: enough to hide the way to the broker, few enough to leave the loop to others."""
_ANSWER_S: Final = 5.0
_UNREADABLE: Final = (ValueError, TypeError, AttributeError, KeyError)
"""What the client raises when somebody else answers in JetStream's place."""

log = structlog.get_logger(__name__)


class JetStreamOutlet:
    """Publishes to whichever streams take the subjects; see :class:`.outlet.Outlet`.

    Parameters
    ----------
    jetstream
        Gives the broker, ``None`` while there is no connection.
    on_stored
        Told of each window: how many messages are stored, and how many of those the broker had already.
    """

    def __init__(
        self,
        jetstream: Callable[[], JetStreamContext | None],
        on_stored: Callable[[int, int], None] = lambda stored, copies: None,
    ) -> None:
        self._jetstream = jetstream
        self._on_stored = on_stored

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish messages, and return when streams have stored all of them.

        Raises
        ------
        RetrySafe
            If the broker is away, no stream takes a subject, or not every message was confirmed.
        """
        for start in range(0, len(messages), _WINDOW):
            jetstream = self._jetstream()
            if jetstream is None:
                raise RetrySafe("the broker is away")
            window = messages[start : start + _WINDOW]
            acknowledged = await self._send(jetstream, window)
            self._on_stored(len(window), sum(bool(each.duplicate) for each in acknowledged))

    async def _send(self, jetstream: JetStreamContext, window: Sequence[Message]) -> list[PubAck]:
        under_way: list[asyncio.Future[PubAck]] = []
        try:
            async with asyncio.timeout(_ANSWER_S):
                for message in window:
                    headers = {Header.MSG_ID.value: message.id}
                    if message.traceparent:
                        headers[TRACEPARENT] = message.traceparent
                    under_way.append(await jetstream.publish_async(message.subject, message.payload, headers=headers))
                return await asyncio.gather(*under_way)
        except NoStreamResponseError:
            raise RetrySafe(f"no stream takes {window[0].subject}: create it, or let the engine do so") from None
        except TimeoutError:
            raise RetrySafe(f"the broker did not confirm within {_ANSWER_S:g} s") from None
        except (NatsError, OSError, *_UNREADABLE) as error:
            raise RetrySafe(f"the broker did not take the messages: {str(error) or type(error).__name__}") from error
        finally:
            for each in under_way:
                # What failed beside the first is told with it; what has no answer yet is asked for again.
                if not each.cancel() and not each.cancelled():
                    each.exception()
