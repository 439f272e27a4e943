"""Alert outlet: publishes alerts on NATS, kept by a stream where there is one."""

from collections.abc import Callable
from typing import Final

import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import Header
from nats.js.errors import NoStreamResponseError, NotFoundError

from contracts.subjects import ALERTS_STREAM, ALERTS_WILDCARD
from shared.errors import RetrySafe
from tradeengine.runtime.intake.connection import Link

_NO_ACKNOWLEDGEMENT: Final = (ValueError, TypeError, AttributeError)
"""What the client raises when somebody else answers in JetStream's place."""

log = structlog.get_logger(__name__)


class AlertOutlet:
    """Publishes alerts; where no stream takes them, to those who listen.

    A server without a stream for a subject says so only while nobody listens there either. A listener makes it silent:
    the listener has the message, and the acknowledgement never comes.

    Parameters
    ----------
    link
        The connection to the broker, ``None`` while there is none.
    """

    def __init__(self, link: Callable[[], Link | None]) -> None:
        self._link = link
        self._kept = True

    async def publish(self, subject: str, payload: bytes, message_id: str | None = None) -> None:
        """Send an alert, and return when a stream has it, or the server if there is no stream for it.

        Parameters
        ----------
        message_id
            By which a stream knows a copy.

        Raises
        ------
        RetrySafe
            If the broker is away, or did not take it; those who listen may get it again.
        """
        link = self._link()
        if link is None:
            raise RetrySafe("the broker is away")
        try:
            headers = None if message_id is None else {Header.MSG_ID.value: message_id}
            await self._send(link, subject, payload, headers)
        except (NatsError, OSError, TimeoutError) as error:
            raise RetrySafe(f"the broker did not take {subject}: {error}") from error

    async def _send(self, link: Link, subject: str, payload: bytes, headers: dict[str, str] | None) -> None:
        if not self._kept and not await _has_stream(link.jetstream, subject):
            await _send_unkept(link.client, subject, payload)
            return
        try:
            await link.jetstream.publish(subject, payload, headers=headers)
        except NoStreamResponseError:
            self._note_unkept(subject)
            # Who has begun to listen since gets it.
            await _send_unkept(link.client, subject, payload)
        except TimeoutError:
            if await _has_stream(link.jetstream, subject):
                raise
            # The server dealt with the alert before the question: those who listen have it.
            self._note_unkept(subject)
        except _NO_ACKNOWLEDGEMENT as error:
            # A listener answered, so the server has dealt with it.
            log.warning(
                "alert_not_acknowledged", subject=subject, reason=repr(error), action="let nobody answer alerts"
            )
            if not await _has_stream(link.jetstream, subject):
                self._note_unkept(subject)
        else:
            self._kept = True

    def _note_unkept(self, subject: str) -> None:
        if self._kept:
            log.warning(
                "alerts_not_kept",
                reason=f"no stream takes {subject}: alerts reach only those who listen at that moment",
                action=f"create {ALERTS_STREAM}, or another stream that takes {ALERTS_WILDCARD}",
            )
        self._kept = False


async def _send_unkept(client: Client, subject: str, payload: bytes) -> None:
    await client.publish(subject, payload)
    await client.flush()


async def _has_stream(jetstream: JetStreamContext, subject: str) -> bool:
    try:
        await jetstream.find_stream_name_by_subject(subject)
    except NotFoundError:
        return False
    return True
