"""Shapes about protection and truth: which stop is live, and what differs between books and exchange."""

from pydantic import BaseModel, ConfigDict, Field

from contracts.api import Sourced
from contracts.enums import DifferenceAction, DifferenceKind, OrderKind, PositionSide


class ProtectingOrder(BaseModel):
    """A stop or target as it rests at the exchange."""

    model_config = ConfigDict(extra="forbid")

    client_order_id: str
    venue_order_id: str
    kind: OrderKind
    quantity: str = Field(description="that can still fill, base asset")
    trigger_price: str | None


class ProtectedPosition(BaseModel):
    """One strategy position with what protects it at the exchange."""

    model_config = ConfigDict(extra="forbid")

    position_id: str
    strategy_id: str
    symbol: str
    position_side: PositionSide
    quantity: str
    entry_price: str
    cover: str = Field(description="protected, naked, unstopped, ghost or unknown")
    stop: ProtectingOrder | None
    target: ProtectingOrder | None
    naked_since: str | None = Field(description="when it was first seen without its stop")
    observed_at: str | None = Field(description="when the exchange was looked at")


class Protection(Sourced):
    """Every strategy position, judged by live orders at the exchange."""

    data: list[ProtectedPosition]


class Difference(BaseModel):
    """One difference between books and exchange, and what is done about it."""

    model_config = ConfigDict(extra="forbid")

    symbol: str
    position_side: PositionSide | None
    kind: DifferenceKind
    action: DifferenceAction
    books: str
    exchange: str
    client_order_id: str | None
    text: str


class Reconciliation(Sourced):
    """What differs, by the newest look at the exchange."""

    data: list[Difference]
    trouble: str | None = Field(description="why the newest look failed: then what the exchange holds is unknown")


class ReconcileCommand(BaseModel):
    """Look at the exchange now."""

    model_config = ConfigDict(extra="forbid")

    repair: bool = Field(default=False, description="also repair what differs, whatever the policy says")
