"""Faults as they are asked for: what goes wrong between a client and the exchange, and when."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tradeengine.simulator.call import Call

_AFTER = frozenset({"truncate"})
_EVENTS = frozenset({"duplicate_event", "reorder_events", "delay_event_ms", "swallow_event"})
_AT_ONCE = frozenset({"expire_listen_key", "ban", "drop_streams"})
_NAMES = ("status", "delay_ms", "drop_connection", "html_503", "truncate", *sorted(_EVENTS), *sorted(_AT_ONCE))
_DEFAULTS: Mapping[str, Any] = {"ban": 120}


class Match(BaseModel):
    """Which requests or events a fault is for; what is not given matches all.

    Parameters
    ----------
    method
        ``POST``, or ``order.place`` of the WebSocket API.
    path
        As sent, or a pattern with ``*``; ``/ws-fapi/v1`` for the WebSocket API.
    params
        Parameters that the request must hold, by name in any case.
    event
        Name of a user data event; further fields of the match are then compared with the fields of the event (or of
        its order ``o``), for example ``"x": "TRADE"``.
    """

    model_config = ConfigDict(frozen=True, extra="allow", coerce_numbers_to_str=True)

    method: str | None = None
    path: str | None = None
    params: dict[str, str] = {}
    event: str | None = None

    @model_validator(mode="after")
    def _fields_belong_to_an_event(self) -> Self:
        if self.model_extra and self.event is None:
            raise ValueError(f"{', '.join(self.model_extra)}: fields of an event need `event` beside them")
        return self

    @property
    def is_empty(self) -> bool:
        """Whether everything matches."""
        return self == Match()

    def takes_call(self, call: Call) -> bool:
        """Whether the request is meant."""
        if self.method is not None and self.method != call.method:
            return False
        if self.path is not None and not fnmatchcase(call.path, self.path):
            return False
        return all(call.values.get(name.lower()) == value for name, value in self.params.items())

    def takes_event(self, payload: Mapping[str, Any]) -> bool:
        """Whether the event is meant."""
        if self.event is not None and payload.get("e") != self.event:
            return False
        inner = payload.get("o")
        fields = {**payload, **inner} if isinstance(inner, dict) else payload
        return all(str(fields.get(name)) == str(value) for name, value in (self.model_extra or {}).items())


class Effect(BaseModel):
    """What goes wrong: exactly one of the fields, or ``status`` with ``code`` and ``msg``.

    Parameters
    ----------
    delay_ms
        Hold the request (before) or the answer (after), by the machine's clock.
    drop_connection
        Cut the connection; with an event, the sockets of the user stream.
    status, code, msg, retry_after
        Answer this instead; ``retry_after`` in seconds becomes a header.
    html_503
        Answer 503 with a page of HTML, as a gateway does.
    truncate
        Execute, send half of the answer and cut the connection.
    duplicate_event, swallow_event
        Send the event twice, or never.
    reorder_events
        Send the events of one cause in reverse order.
    delay_event_ms
        Send the event so much later, by the simulator's clock; others overtake it.
    expire_listen_key
        End the listen key with ``listenKeyExpired``; at once when the match is empty.
    ban
        Answer 418 for so many seconds to the address that sent the request; to all, at once, when the match is empty.
    drop_streams
        Cut all stream sockets; at once when the match is empty.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    delay_ms: int | None = Field(default=None, ge=0)
    drop_connection: bool = False
    status: int | None = Field(default=None, ge=200, le=599)
    code: int | None = None
    msg: str | None = None
    retry_after: int | None = Field(default=None, ge=0)
    html_503: bool = False
    truncate: bool = False
    duplicate_event: bool = False
    reorder_events: bool = False
    delay_event_ms: int | None = Field(default=None, ge=0)
    swallow_event: bool = False
    expire_listen_key: bool = False
    ban: int | None = Field(default=None, ge=1)
    drop_streams: bool = False

    @model_validator(mode="before")
    @classmethod
    def _from_a_name(cls, value: Any) -> Any:
        if isinstance(value, str):
            if value not in _NAMES:
                raise ValueError(f"{value!r} is no effect; known are {', '.join(_NAMES)}")
            return {value: _DEFAULTS.get(value, True)}
        return value

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        given = self._given()
        if len(given) != 1:
            named = ", ".join(given) or "nothing"
            raise ValueError(
                f"names {named}; name exactly one of {', '.join(_NAMES)}, and others by faults of their own"
            )
        if self.status is None and (self.code is not None or self.msg is not None or self.retry_after is not None):
            raise ValueError("code, msg and retry_after go with status; add status")
        return self

    @property
    def kind(self) -> str:
        """Name of the field that is given."""
        return self._given()[0]

    def _given(self) -> list[str]:
        return [name for name in _NAMES if getattr(self, name) not in (None, False)]


class Fault(BaseModel):
    """One fault as it is posted.

    Parameters
    ----------
    match
        What it is for.
    times
        How often it happens; ``null`` until faults are deleted.
    when
        Before the request is executed (and instead of it, where the effect is an answer), or after.
    effect
        What happens: a name, or an object with the name and what belongs to it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    match: Match = Match()
    times: int | None = Field(default=1, ge=1)
    when: Literal["before", "after"] | None = None
    effect: Effect

    @model_validator(mode="after")
    def _fits(self) -> Self:
        kind = self.effect.kind
        if kind in _AFTER and self.when == "before":
            raise ValueError(f"{kind} needs an answer; leave `when` out or say after")
        on_events = kind in _EVENTS or kind == "drop_connection"
        if self.match.event is not None and not on_events:
            raise ValueError(f"{kind} is an effect on requests; match method and path instead of event")
        return self

    @property
    def is_after(self) -> bool:
        """Whether it happens after the execution."""
        return self.when == "after" or self.effect.kind in _AFTER

    @property
    def is_for_events(self) -> bool:
        """Whether it is about events rather than the answer."""
        return self.effect.kind in _EVENTS or self.match.event is not None

    @property
    def is_at_once(self) -> bool:
        """Whether it happens when it is posted."""
        return self.effect.kind in _AT_ONCE and self.match.is_empty
