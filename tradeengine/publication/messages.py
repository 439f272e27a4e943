"""Messages: what leaves for the broker, with the id by which it knows a copy."""

from typing import Final, Literal, NamedTuple, TypedDict, Unpack

import msgspec

from contracts.alert import Alert
from contracts.enums import EventType
from contracts.subjects import alert_subject, execution_subject
from contracts.values import from_millis, iso_millis
from tradeengine.domain.truth_events import AlertRaised

MAX_REASON: Final = 2_000
"""Most characters of a text for people in an event."""

_encode: Final = msgspec.json.Encoder().encode


class Message(NamedTuple):
    """One message for the broker.

    Parameters
    ----------
    id
        The same whenever the record is translated again, so that the broker drops a copy.
    traceparent
        Header that says which trace it is part of, empty without one.
    """

    subject: str
    id: str
    payload: bytes
    traceparent: str = ""


class MessagePlace(NamedTuple):
    """Where the event stands that a message was made from: shard, record, and number in the record, from 0."""

    shard: int
    sequence: int
    event: int


class Fields(TypedDict, total=False):
    """Fields of :class:`~contracts.execution_event.ExecutionEvent`, as JSON has them; ``None`` is not known."""

    terminal: Literal[True]
    decision_id: str
    signal_id: str
    order_id: str | None
    client_order_id: str
    position_id: str
    side: str
    position_side: str
    qty: str
    price: str
    fill_qty: str
    fill_price: str
    fill_time: str
    fee: str
    fee_asset: str
    pnl: str
    pnl_net: str | None
    close_reason: str
    reason: str | None
    rejection_source: str
    rejection_reason: str


class RecordMessages:
    """Collects what one record calls for.

    An id names the journal, the record, the event in it, and the message of that event. A version that tells more of
    one event leaves the ids of all others as they were.

    Parameters
    ----------
    journal_id
        Name of the journal: another one's records have the same numbers.
    """

    def __init__(self, journal_id: str, shard: int, sequence: int) -> None:
        self._place = f"{journal_id}-{shard}-{sequence}"
        self._event = -1
        self._told = 0
        self.messages: list[Message] = []

    def begin_event(self) -> None:
        """Go on to the record's next event."""
        self._event += 1
        self._told = 0

    def tell(self, kind: EventType, strategy_id: str, symbol: str, time_ms: int, **fields: Unpack[Fields]) -> None:
        """Add an execution event; ``time_ms`` is in milliseconds since 1970 UTC."""
        event_id = self._next_id()
        if (reason := fields.get("reason")) is not None:
            fields["reason"] = reason[:MAX_REASON]
        document = {
            "event_id": event_id,
            "event_type": kind,
            "strategy_id": strategy_id,
            "symbol": symbol,
            "timestamp": iso_millis(time_ms),
            **fields,
        }
        # Not by way of the contract's model, which takes ten times as long; a test holds the two against each other.
        self.messages.append(Message(execution_subject(strategy_id), event_id, _encode(document)))

    def alert(self, event: AlertRaised) -> None:
        """Add an alert."""
        payload = alert_of(event).to_json()
        self.messages.append(Message(alert_subject(event.name, event.symbol), self._next_id(), payload))

    def _next_id(self) -> str:
        self._told += 1
        return f"{self._place}-{self._event}.{self._told}"


def shard_in_id(message_id: str) -> int:
    """Shard whose record a message was made from; the journal's name, before it, may have any form."""
    return int(message_id.rsplit("-", 3)[1])


def place_in_id(message_id: str) -> MessagePlace:
    """Event that a message was made from."""
    _, shard, sequence, event = message_id.rsplit("-", 3)
    return MessagePlace(int(shard), int(sequence), int(event.partition(".")[0]))


def alert_of(event: AlertRaised) -> Alert:
    """Make the alert of an event."""
    about = {"position_side": event.position_side, "strategy_id": event.strategy_id}
    if event.missing is not None:
        about["missing_from"], about["missing_to"] = map(str, event.missing)
    return Alert(
        alert_name=event.name,
        severity=event.severity,
        timestamp=from_millis(event.time_ms),
        symbol=event.symbol,
        message=event.text,
        **{key: str(value) for key, value in about.items() if value is not None},
    )
