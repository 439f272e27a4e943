"""What is told of a signal when it is decided."""

from contracts.enums import EventType, Outcome
from tradeengine.domain.events import SignalDecided
from tradeengine.domain.inputs import signal_key
from tradeengine.publication.messages import Fields
from tradeengine.publication.source import Source

_KINDS = {
    Outcome.ACCEPTED: EventType.ACCEPTED,
    Outcome.REJECTED: EventType.REJECTED,
    Outcome.DUPLICATE: EventType.DUPLICATE,
    Outcome.HELD: EventType.HELD,
}


def decided(source: Source, event: SignalDecided) -> None:
    """A signal's outcome; it ends the signal unless orders are to follow.

    A duplicate ends nothing: the signal has its end already, or will have, by its first copy.
    """
    fields: Fields = {"signal_id": event.signal_id, "decision_id": source.decision_id or event.signal_id}
    if event.detail is not None:
        fields["reason"] = event.detail
    if event.source is not None:
        fields["rejection_source"] = event.source
    if event.reason is not None:
        fields["rejection_reason"] = event.reason
    if event.orders:
        source.ledger.wait(signal_key(event.strategy_id, event.symbol, event.signal_id), event.orders)
    elif event.outcome is not Outcome.DUPLICATE:
        fields["terminal"] = True
    source.told.tell(_KINDS[event.outcome], event.strategy_id, event.symbol, event.time_ms, **fields)
