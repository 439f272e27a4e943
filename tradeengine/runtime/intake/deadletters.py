"""Where messages go that are no valid signals."""

import re
from typing import Final

from nats.aio.msg import Msg
from nats.js import api

from contracts.subjects import SIGNALS
from tradeengine.runtime.intake.connection import Link

UNPARSABLE: Final = "unparsable"

REASON_HEADER: Final = "Reason"
SUBJECT_HEADER: Final = "Original-Subject"
STREAM_HEADER: Final = "Original-Stream"
SEQUENCE_HEADER: Final = "Original-Sequence"
MESSAGE_ID_HEADER: Final = "Original-Msg-Id"
CUT_HEADER: Final = "Original-Bytes"
"""Only on a message that was too large to be parked whole: its length."""

_SYMBOL = re.compile(r"[A-Z0-9]{2,30}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
_REASON_CHARACTERS: Final = 1000
_HEADER_ROOM: Final = 8192


def symbol_token(message: Msg) -> str:
    """Last token of the subject that a message was published to, or "" for the bare subject."""
    return "" if message.subject == SIGNALS else message.subject.rpartition(".")[2]


async def park(link: Link, message: Msg, reason: str) -> None:
    """Store a message in ``SIGNALS_DEAD``, once however often this is repeated, and return when it is stored.

    Parameters
    ----------
    link
        The connection to use.
    message
        As JetStream delivered it. Its bytes become the payload.
    reason
        What is wrong with it, for people.

    Raises
    ------
    nats.errors.Error
        If it was not confirmed; the message must not be acknowledged then.
    """
    token = symbol_token(message)
    metadata = message.metadata
    headers = {
        REASON_HEADER: _UNPRINTABLE.sub(" ", reason)[:_REASON_CHARACTERS],
        SUBJECT_HEADER: f"{SIGNALS}.{token}" if token else SIGNALS,
        STREAM_HEADER: metadata.stream,
        SEQUENCE_HEADER: str(metadata.sequence.stream),
        # The time tells the message from one of an earlier stream that had the same sequence.
        api.Header.MSG_ID.value: f"{metadata.stream}-{metadata.sequence.stream}-{metadata.timestamp.timestamp():.6f}",
    }
    if original_id := (message.headers or {}).get(api.Header.MSG_ID.value):
        headers[MESSAGE_ID_HEADER] = original_id[:256]
    payload = message.data
    # The server counts headers in, and closes the connection of whoever sends more than it takes.
    if len(payload) > (room := link.client.max_payload - _HEADER_ROOM):
        headers[CUT_HEADER] = str(len(payload))
        payload = payload[: max(room, 0)]
    subject = f"signals.dead.{token if _SYMBOL.fullmatch(token) else UNPARSABLE}"
    await link.jetstream.publish(subject, payload, headers=headers)
