"""The decision: what became of a signal, as HTTP and NATS answer it."""

from pydantic import BaseModel, ConfigDict, Field

from contracts.enums import Action, Outcome, Reason, RejectionSource
from contracts.values import Timestamp


class FirstDecision(BaseModel):
    """What became of the first copy of a signal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: Outcome
    reason: Reason | None = Field(default=None, description="why it was refused")
    source: RejectionSource | None = Field(default=None, description="stage that refused it")
    detail: str | None = Field(default=None, description="for people: the figures behind the reason")
    orders: tuple[str, ...] = Field(default=(), description="client order ids that the signal called for")
    decided_at: Timestamp


class Decision(BaseModel):
    """The one outcome of one signal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    signal_id: str
    strategy_id: str
    symbol: str
    action: Action
    outcome: Outcome
    reason: Reason | None = Field(default=None, description="why it was refused")
    source: RejectionSource | None = Field(default=None, description="stage that refused it")
    detail: str | None = Field(default=None, description="for people: the figures behind the reason")
    orders: tuple[str, ...] = Field(default=(), description="client order ids that the signal calls for")
    decided_at: Timestamp
    first: FirstDecision | None = Field(
        default=None, description="of a duplicate: what became of the first copy; null where that is not known"
    )
