"""What is told of orders: placed, ended, and of stops and targets whether they rest."""

from decimal import Decimal

from contracts.enums import EventType, OrderStatus, Refusal, RejectionSource
from tradeengine.domain.events import CancelPlanned, OrderAmended, OrderEnded, OrderOpened, OrderPlanned
from tradeengine.domain.inputs import signal_key
from tradeengine.domain.money import plain
from tradeengine.publication.ledger import End, Ledger, OrderNote
from tradeengine.publication.messages import Fields
from tradeengine.publication.source import Source

_ENDS = {
    # Its fills did not add up to it: then nothing else says that it is over.
    OrderStatus.FILLED: EventType.FILLED,
    OrderStatus.REJECTED: EventType.REJECTED,
    OrderStatus.CANCELLED: EventType.CANCELLED,
    OrderStatus.EXPIRED: EventType.EXPIRED,
}


def text(value: Decimal) -> str:
    """A decimal as the wire has it: digits and a dot, no zeros at its end; in the :data:`MONEY` context."""
    return format(plain(value), "f")


def planned(source: Source, event: OrderPlanned) -> None:
    """Note an order; it is told when the venue has it."""
    order, decided = event.order, source.decided
    asked = decided is not None and order.client_order_id in decided.orders
    decision_id = source.decision_id if asked else _decision_of(source, event)
    source.ledger.orders[order.client_order_id] = OrderNote(
        strategy_id=order.strategy_id,
        signal_id=order.signal_id,
        decision_id=decision_id,
        symbol=order.symbol,
        side=order.side,
        position_side=order.position_side,
        purpose=order.purpose,
        quantity=order.quantity,
        price=order.price if order.price is not None else order.trigger_price,
        position_id=order.position_id,
        asked=asked,
    )
    position = source.ledger.positions.get(order.position_id or "")
    if asked and position is not None and decision_id != order.signal_id:
        position.decisions[order.signal_id] = decision_id


def opened(source: Source, event: OrderOpened) -> None:
    """The venue took an order."""
    note = source.ledger.orders.get(event.client_order_id)
    if note is None:
        return
    note.venue_order_id = event.venue_order_id
    tell_placed(source, event.client_order_id, note, event.time_ms)


def tell_placed(source: Source, order_id: str, note: OrderNote, time_ms: int) -> None:
    """Tell that the venue has an order, once: its first fill may come before the venue's answer."""
    if note.told:
        return
    note.told = True
    kind = EventType.PROTECTION_PLACED if note.purpose.protective else EventType.PLACED
    source.told.tell(kind, note.strategy_id, note.symbol, time_ms, **fields_of(order_id, note))


def amended(source: Source, event: OrderAmended) -> None:
    """An order rests otherwise than it was planned."""
    note = source.ledger.orders.get(event.client_order_id)
    if note is None:
        return
    note.quantity = event.quantity
    if event.price is not None or event.trigger_price is not None:
        note.price = event.price if event.price is not None else event.trigger_price


def cancel_planned(source: Source, event: CancelPlanned) -> None:
    """Note why an order is to be cancelled."""
    note = source.ledger.orders.get(event.client_order_id)
    if note is not None:
        note.cancelled_for = event.why


def ended(source: Source, event: OrderEnded) -> None:
    """An order ended; told at once, or with the last fill that the venue speaks of."""
    note = source.ledger.orders.get(event.client_order_id)
    if note is None:
        return
    note.end = End(event.status, event.executed, event.reason, event.refusal)
    if note.is_complete:
        complete(source, event.client_order_id, note, event.time_ms)


def complete(source: Source, order_id: str, note: OrderNote, time_ms: int, *, told: bool = False) -> None:
    """An order is over: tell how, unless its last fill did, and forget it.

    Parameters
    ----------
    told
        Whether the fill that completed it has been told as such.
    """
    last = ends_signal(source.ledger, order_id, note)
    source.ledger.drop(order_id, time_ms)
    if told or note.end is None:
        return
    fields = fields_of(order_id, note)
    fields["fill_qty"] = text(note.filled)
    fields["reason"] = note.end.reason or note.cancelled_for
    if note.end.status is OrderStatus.REJECTED:
        # What the venue refuses, it gives a reason for; what has none never got there.
        fields["rejection_source"] = RejectionSource.VENUE if note.end.refusal else RejectionSource.ENGINE
        fields["rejection_reason"] = note.end.refusal or Refusal.OTHER
    if last:
        fields["terminal"] = True
    kind = _ENDS[note.end.status]
    if note.purpose.protective:
        gone = note.position_id not in source.ledger.positions
        if gone or note.cancelled_for is not None or note.end.status is OrderStatus.FILLED:
            return
        kind = EventType.PROTECTION_FAILED
    source.told.tell(kind, note.strategy_id, note.symbol, time_ms, **fields)


def ends_signal(ledger: Ledger, order_id: str, note: OrderNote) -> bool:
    """Note that an order is over; whether its signal is now, too."""
    return note.asked and ledger.release(signal_key(note.strategy_id, note.symbol, note.signal_id), order_id)


def fields_of(order_id: str, note: OrderNote) -> Fields:
    """Fields of every event about an order of ours."""
    fields: Fields = {"client_order_id": order_id, "order_id": note.venue_order_id}
    if note.decision_id:
        fields["decision_id"] = note.decision_id
    if note.asked:
        fields["signal_id"] = note.signal_id
    if note.position_id is not None:
        fields["position_id"] = note.position_id
    fields |= {"side": note.side, "position_side": note.position_side, "qty": text(note.quantity)}
    if note.price is not None:
        fields["price"] = text(note.price)
    return fields


def _decision_of(source: Source, event: OrderPlanned) -> str:
    """Decision behind an order that the engine plans by itself."""
    order = event.order
    return source.ledger.decision_of(order.strategy_id, order.signal_id, order.position_id)
