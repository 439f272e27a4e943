"""Shapes of the HTTP API beside signals and decisions."""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from contracts.decision import Decision
from contracts.enums import TakeoverCause
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


class ClusterMember(BaseModel):
    """A process that works on the shards, or may."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="of this start of the pod; unique for ever")
    lives: bool = Field(description="its beat was seen to change within the lease time")
    beats: int = Field(ge=0, description="rises for as long as it lives")
    silent_seconds: float = Field(ge=0, description="since its beat was seen to change")
    version: str | None = Field(description="of the engine, as it says itself")
    since: str | None = Field(description="when it began, by its own clock")
    drained: bool = Field(description="an operator wants it to hold no shard")
    shards: int = Field(ge=0, description="shards whose lease names it")


class Takeover(BaseModel):
    """A change of a shard's owner, as the journal records it."""

    model_config = ConfigDict(extra="forbid")

    at: str = Field(description="when it was recorded, by the new owner's clock")
    epoch: int
    sequence: int = Field(description="the record that says so")
    owner: str = Field(description="who took it")
    former: str | None = Field(description="who had taken it before; null for the first")
    cause: TakeoverCause | None = Field(
        description="why it was free: nobody had held it (first), it was given back (released), its owner was silent "
        "for the lease time (silent), it was the taker's own (again), its owner is dead for certain (left); null if "
        "the record does not say"
    )


class ClusterShard(BaseModel):
    """A shard: who holds it, and since when."""

    model_config = ConfigDict(extra="forbid")

    shard: int = Field(ge=0)
    owner: str | None = Field(description="whom its lease names; null while nobody holds it")
    owner_lives: bool
    epoch: int | None = Field(description="fencing token of the newest lease; null if there never was one")
    lease_unchanged_seconds: float | None = Field(description="since its lease was seen to change, be it a renewal")
    lease_seconds: float | None = Field(description="time that its owner counts with")
    position: int | None = Field(description="its newest record, as far as known here; null where it is not")
    last_takeover: Takeover | None = Field(description="null while it is not known here, or if it was archived")
    behind: dict[str, int | None] = Field(
        default={}, description="records that each copy has not applied, of shards that are asked about; null: unknown"
    )


class CopyLag(BaseModel):
    """How far a copy, or what is published, is behind the shards that this process works on."""

    model_config = ConfigDict(extra="forbid")

    name: str
    lag_records: int = Field(ge=0)
    lag_events: int = Field(ge=0)
    lag_seconds: float = Field(ge=0)
    trouble: str | None


class Cluster(Sourced):
    """All processes and all shards, as one process sees them; no clocks are compared."""

    pod: str | None = Field(description="the process that answers; null for the command line, which is none of them")
    draining: bool = Field(description="it hands its shards over, because an operator wants it to hold none")
    trouble: str | None = Field(description="why it cannot see more now")
    members: list[ClusterMember]
    shards: list[ClusterShard]
    copies: list[CopyLag] = Field(description="of the shards that are worked on here")
