"""Reads what is published back, as a strategy would."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

from contracts.enums import EventType
from contracts.execution_event import ExecutionEvent
from contracts.subjects import strategy_of_token
from tests.support.records import RecordedWorld
from tradeengine.journal.record import Record
from tradeengine.publication.ledger import Ledger
from tradeengine.publication.messages import Message
from tradeengine.publication.translate import messages_of

EVENTS = "execution.events."
_SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "execution_event.json"


@cache
def _validator() -> Any:
    return jsonschema_rs.validator_for(json.loads(_SCHEMA.read_text(encoding="utf-8")))


def event_of(message: Message) -> dict[str, Any]:
    """Read an execution event, and hold it against the contract, its schema and its subject."""
    document: dict[str, Any] = json.loads(message.payload)
    _validator().validate(document)
    model = ExecutionEvent.model_validate_json(message.payload)
    assert json.loads(model.to_json()).keys() == document.keys()
    assert document["event_id"] == message.id
    assert message.subject.startswith(EVENTS)
    assert strategy_of_token(message.subject.removeprefix(EVENTS)) == document["strategy_id"]
    return document


def events_of(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """Read the execution events among messages, in order."""
    return [event_of(message) for message in messages if message.subject.startswith(EVENTS)]


def translated(records: Sequence[Record], shard: int = 0) -> list[Message]:
    """Translate records from the first one on."""
    ledger = Ledger(shard=shard)
    return [message for record in records for message in messages_of(ledger, record)]


def told(world: RecordedWorld) -> list[dict[str, Any]]:
    """Read what a world's history is told as."""
    if world.entries:
        world.cut()
    return events_of(translated(world.records))


def kinds(events: Iterable[dict[str, Any]]) -> list[str]:
    """Name the kinds of events, in order."""
    return [event["event_type"] for event in events]


def only(events: Iterable[dict[str, Any]], kind: EventType, **fields: Any) -> dict[str, Any]:
    """Pick the one event of a kind, with these fields."""
    (found,) = [event for event in events if event["event_type"] == kind and fields.items() <= event.items()]
    return found


def terminals(events: Iterable[dict[str, Any]]) -> Counter[tuple[str, str, str]]:
    """Count the events that end a signal, by strategy, symbol and signal."""
    return Counter(
        (event["strategy_id"], event["symbol"], event["signal_id"]) for event in events if event.get("terminal")
    )
