"""Switches of the server: limits, listen keys and connections; they stand among the options of ``/sim/reset``."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

_MINUTE_MS = 60_000
_DAY_MS = 86_400_000


class ServerOptions(BaseModel):
    """What of the server's behaviour can be set; the defaults are the exchange's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate_limits: Literal["on", "off"] = Field(default="on", description="count weights and orders, refuse and ban")
    weight_1m: int = Field(default=2400, ge=1, description="weight a minute and IP")
    orders_10s: int = Field(default=300, ge=1, description="orders in ten seconds")
    orders_1m: int = Field(default=1200, ge=1, description="orders a minute")
    funding_calls_5m: int = Field(default=500, ge=1, description="calls of fundingRate in five minutes and IP")
    ban_after: int = Field(default=20, ge=1, description="refused requests of one minute that lead to a ban")
    ban_s: int = Field(default=120, ge=1, description="first ban in seconds; each further one is twice as long")
    ban_max_s: int = Field(default=259_200, ge=1, description="longest ban in seconds")
    listen_key_life_ms: int = Field(default=60 * _MINUTE_MS, ge=1)
    connection_life_ms: int = Field(default=_DAY_MS, ge=1, description="a WebSocket is closed after that long")
    ping_interval_ms: int = Field(default=3 * _MINUTE_MS, ge=1)
    pong_timeout_ms: int = Field(default=10 * _MINUTE_MS, ge=1, description="by the machine's clock")
    first_mark_at_once: bool = Field(
        default=True,
        description="who begins to listen to mark prices gets the present one, not the next second's",
    )
    stream_buffer: int = Field(
        default=10_000, ge=1, description="messages that wait for a slow reader before it is cut"
    )
    stream_messages_per_s: int = Field(default=10, ge=1, description="what a client may send to a stream a second")
    requests_kept: int = Field(default=20_000, ge=0, description="requests that GET /sim/requests remembers")
