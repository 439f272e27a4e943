"""Execution events: what strategies hear about their signals, orders and positions."""

from pydantic import BaseModel, ConfigDict, Field

from contracts.enums import CloseReason, EventType, PositionSide, Reason, Refusal, RejectionSource, Side
from contracts.values import Number, Timestamp


class ExecutionEvent(BaseModel):
    """One execution event; a field that is absent does not apply, one that is null is not known.

    Decimals are strings. Fees are positive when paid, ``pnl`` is gross and ``pnl_net`` net of fees, both in quote
    currency. ``docs/events.md`` says which events become of a signal, and which fields each kind has.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_id: str = Field(description="the same however often the event is published, and the broker's message id")
    event_type: EventType
    strategy_id: str
    symbol: str
    timestamp: Timestamp
    terminal: bool | None = Field(default=None, description="true on the one event that ends its signal, else absent")
    decision_id: str | None = Field(
        default=None, description="the signal's own decision_id, or its signal_id where it names none"
    )
    signal_id: str | None = Field(
        default=None, description="the signal that asked for it; absent on what the engine does by itself"
    )
    order_id: str | None = None
    client_order_id: str | None = None
    position_id: str | None = None
    side: Side | None = None
    position_side: PositionSide | None = None
    qty: Number | None = None
    price: Number | None = None
    fill_qty: Number | None = None
    fill_price: Number | None = None
    fill_time: Timestamp | None = None
    fee: Number | None = None
    fee_asset: str | None = None
    pnl: Number | None = None
    pnl_net: Number | None = None
    close_reason: CloseReason | None = None
    reason: str | None = None
    rejection_source: RejectionSource | None = None
    rejection_reason: Reason | Refusal | None = Field(
        default=None, description="why the signal was refused; why an order was, where the source is venue or engine"
    )

    def to_json(self) -> bytes:
        """JSON with the fields that were given, null included, and no others."""
        return self.model_dump_json(exclude_unset=True).encode()
