"""Execution events: what strategies hear about their signals, orders and positions."""

from pydantic import BaseModel, ConfigDict

from contracts.enums import CloseReason, EventType, PositionSide, Reason, RejectionSource, Side
from contracts.values import Number, Timestamp


class ExecutionEvent(BaseModel):
    """One execution event; a field that is absent does not apply, one that is null is not known.

    Decimals are strings. Fees are positive when paid, ``pnl`` is gross and ``pnl_net`` net of fees, both in quote
    currency.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_id: str
    event_type: EventType
    strategy_id: str
    symbol: str
    timestamp: Timestamp
    decision_id: str | None = None
    signal_id: str | None = None
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
    rejection_reason: Reason | None = None

    def to_json(self) -> bytes:
        """JSON with the fields that were given, null included, and no others."""
        return self.model_dump_json(exclude_unset=True).encode()
