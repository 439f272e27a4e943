"""Shapes of the HTTP API beside signals and decisions."""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from contracts.decision import Decision
from contracts.values import Positive

MAX_BATCH_SIGNALS = 1000
"""Most signals of one batch request."""

PROBLEM_TYPE = "application/problem+json"


class Code(StrEnum):
    """Every ``code`` of a problem document; a client may rely on them."""

    BAD_CURSOR = "bad_cursor"
    BATCH_TOO_LARGE = "batch_too_large"
    AMBIGUOUS_SIGNAL_ID = "ambiguous_signal_id"
    BODY_TOO_LARGE = "body_too_large"
    FORBIDDEN = "forbidden"
    HALTED = "halted"
    INTERNAL_ERROR = "internal_error"
    INVALID_REQUEST = "invalid_request"
    INVALID_SIGNAL = "invalid_signal"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NO_KEY_CONFIGURED = "no_key_configured"
    NOT_FOUND = "not_found"
    NOT_JSON = "not_json"
    NOT_OWNER = "not_owner"
    OUTCOME_PENDING = "outcome_pending"
    REFUSED = "refused"
    TRY_AGAIN = "try_again"
    UNAUTHORIZED = "unauthorized"
    UNKNOWN_FILTER = "unknown_filter"
    UNKNOWN_PARAMETER = "unknown_parameter"
    UNKNOWN_SORT = "unknown_sort"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"


class Problem(BaseModel):
    """An error as RFC 9457 describes it; ``code`` is stable, ``detail`` is for people."""

    model_config = ConfigDict(extra="forbid")

    type: str = "about:blank"
    title: str
    status: int = Field(ge=400, le=599)
    code: Code
    detail: str = Field(description="what was wrong, where, and what to do")
    errors: list[str] = Field(default=[], description="one text for each part of the request that is wrong")


class BatchItem(BaseModel):
    """What became of one signal of a batch: a decision, or the problem that prevented one."""

    model_config = ConfigDict(extra="forbid")

    index: int = Field(ge=0, description="place in the request")
    decision: Decision | None = None
    problem: Problem | None = None


class BatchAnswer(BaseModel):
    """Results of a batch, in the order of the request."""

    model_config = ConfigDict(extra="forbid")

    results: list[BatchItem]


class Sourced(BaseModel):
    """Where the data of an answer comes from, and how old it may be."""

    model_config = ConfigDict(extra="forbid")

    source: str = Field(description="store or part that answered")
    age_seconds: float = Field(ge=0, description="how far the answer may lie behind the newest commit")


class Rows(Sourced):
    """One page of a table; decimals are strings, times ISO 8601 UTC."""

    data: list[dict[str, JsonValue]]
    next_cursor: str | None = Field(default=None, description="give it as cursor for the next page; null on the last")


class Row(Sourced):
    """One row of a table, or one record."""

    data: dict[str, JsonValue]


class PaperPrice(BaseModel):
    """A price that the paper venue trades at from now on."""

    model_config = ConfigDict(extra="forbid")

    price: Positive


class Live(BaseModel):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Ready(BaseModel):
    """Whether the process should get work, and if not, why."""

    ready: bool
    reasons: list[str]


class HealthStatus(StrEnum):
    """State of a part, or of the whole."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class HealthReport(BaseModel):
    """State of the engine and its parts; every component has a ``status`` and may have a ``reason`` and figures."""

    status: HealthStatus
    version: str
    uptime_seconds: float
    components: dict[str, dict[str, JsonValue]]


class DetailedHealth(HealthReport):
    """The report with what makes it up."""

    ready: bool
    reasons: list[str]
    trading_mode: str


class Version(BaseModel):
    """What runs here."""

    name: str
    version: str
    python: str


class EffectiveSetting(BaseModel):
    """One setting as it is in force; secrets are masked."""

    name: str
    value: str
    source: str = Field(description="default, env or file")


class EffectiveSettings(BaseModel):
    """Every setting in force."""

    data: list[EffectiveSetting]


class Sample(BaseModel):
    """One value of a metric; what JSON cannot say (NaN, infinity) is null."""

    labels: dict[str, str]
    value: float | None


class MetricsAnswer(BaseModel):
    """The metrics as JSON: samples by name."""

    metrics: dict[str, list[Sample]]
