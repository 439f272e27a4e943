"""What is told of fills: each strategy's share, and the positions that they open and close."""

from contracts.enums import CloseReason, EventType, OrderPurpose
from contracts.values import iso_millis
from tradeengine.domain.books import Books
from tradeengine.domain.events import FillShare, OrderFilled
from tradeengine.domain.money import average
from tradeengine.publication.ledger import OrderNote, PositionNote
from tradeengine.publication.messages import Fields
from tradeengine.publication.orders import complete, ends_signal, fields_of, tell_placed, text
from tradeengine.publication.source import Source

NO_STOP = "no stop could rest for it"
RECONCILED = "no trade stands behind it: the exchange holds otherwise than the books did"


def filled(source: Source, event: OrderFilled) -> None:
    """A fill, to each strategy that has a share of it, then what it opens and closes."""
    order_id = event.client_order_id
    live = source.ledger.orders.get(order_id)
    note = source.ledger.order(order_id)
    if note is not None:
        note.filled += event.quantity
        if not note.purpose.protective:
            tell_placed(source, order_id, note, event.time_ms)
    whole = note is None or event.order_remaining <= 0
    ends = live is not None and live.is_complete
    # An order that ended with less than it asked for is told as what it ended as, after its last fill.
    terminal = live is not None and ends and whole and ends_signal(source.ledger, order_id, live)
    for share in event.shares:
        position = _position(source, event, share, note)
        fields = _fill_fields(event, share, note, position)
        if terminal:
            fields["terminal"] = True
        kind = EventType.FILLED if whole else EventType.PARTIAL_FILL
        source.told.tell(kind, share.strategy_id, event.symbol, event.time_ms, **fields)
    if live is not None and ends:
        complete(source, order_id, live, event.time_ms, told=whole)
    for share in event.shares:
        _tell_position(source, event, share, note)


def _position(source: Source, event: OrderFilled, share: FillShare, note: OrderNote | None) -> PositionNote:
    """The position of a share, noted if the fill opens it."""
    positions = source.ledger.positions
    if share.position_id not in positions:
        positions[share.position_id] = PositionNote(
            strategy_id=share.strategy_id,
            signal_id=share.signal_id,
            decision_id=share.signal_id if note is None else note.decision_id,
        )
    return positions[share.position_id]


def _fill_fields(event: OrderFilled, share: FillShare, note: OrderNote | None, position: PositionNote) -> Fields:
    fields: Fields
    if note is not None:
        fields = fields_of(event.client_order_id, note)
    else:
        fields = {"client_order_id": event.client_order_id, "side": event.side, "position_side": event.position_side}
        if position.decision_id:
            fields["decision_id"] = position.decision_id
    fee = event.quote_fee(share.fee)
    fields |= {
        "position_id": share.position_id,
        "fill_qty": text(share.quantity),
        "fill_price": text(event.price),
        "fill_time": iso_millis(event.time_ms),
        "fee": text(share.fee),
        "fee_asset": event.fee_asset,
        "pnl": text(share.realized),
        # A fee in another asset has no price here.
        "pnl_net": text(share.realized - fee) if fee == share.fee else None,
    }
    if share.close_reason is not None:
        fields["close_reason"] = share.close_reason
    if event.reconciled:
        fields["reason"] = RECONCILED
    return fields


def _tell_position(source: Source, event: OrderFilled, share: FillShare, note: OrderNote | None) -> None:
    position, books = source.ledger.positions[share.position_id], share.after
    fields: Fields = {"position_id": share.position_id, "position_side": event.position_side}
    if position.decision_id:
        fields["decision_id"] = position.decision_id
    if position.signal_id:
        fields["signal_id"] = position.signal_id
    if event.opening and books.entry_quantity + books.exit_quantity == share.quantity:
        fields |= {"side": event.side, "qty": text(books.quantity), "price": text(books.entry_price)}
        source.told.tell(EventType.POSITION_OPENED, share.strategy_id, event.symbol, event.time_ms, **fields)
    if books.quantity:
        return
    del source.ledger.positions[share.position_id]
    flattened = note is not None and note.purpose is OrderPurpose.FLATTEN
    if flattened and share.close_reason is CloseReason.EMERGENCY:
        # Beside the other, not in its place: who counts closed positions finds each of them once.
        forced: Fields = {**fields, "close_reason": CloseReason.EMERGENCY, "reason": NO_STOP}
        source.told.tell(
            EventType.POSITION_FORCE_CLOSED_NO_STOPS, share.strategy_id, event.symbol, event.time_ms, **forced
        )
    fields |= _closed_fields(event, share, books)
    source.told.tell(EventType.POSITION_CLOSED, share.strategy_id, event.symbol, event.time_ms, **fields)


def _closed_fields(event: OrderFilled, share: FillShare, books: Books) -> Fields:
    """Result of a position over its whole life: quantity and average price of what closed it, its P&L and its fees."""
    fields: Fields = {
        "side": event.position_side.closing,
        "qty": text(books.exit_quantity),
        "price": text(average(books.exit_value, books.exit_quantity)),
        "fee": text(books.fees),
        "fee_asset": event.settle_asset,
        "pnl": text(books.realized),
        "pnl_net": None if any(books.other_fees.values()) else text(books.realized - books.fees),
    }
    if share.close_reason is not None:
        fields["close_reason"] = share.close_reason
    return fields
