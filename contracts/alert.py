"""Alerts: what operators are told without asking."""

from pydantic import BaseModel, ConfigDict, Field

from contracts.enums import Severity
from contracts.values import Timestamp


class Alert(BaseModel):
    """One alert; further fields say what it is about."""

    model_config = ConfigDict(frozen=True, extra="allow")

    alert_name: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")
    severity: Severity
    timestamp: Timestamp
    symbol: str | None = Field(default=None, pattern=r"^[A-Z0-9]{2,30}$")
    message: str | None = Field(default=None, description="what was wrong, where, and what to do")

    def to_json(self) -> bytes:
        """JSON with the fields that were given."""
        return self.model_dump_json(exclude_unset=True).encode()
