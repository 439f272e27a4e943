"""Trace context: how a signal says which trace it is part of (W3C Trace Context, "traceparent Header")."""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Self

TRACEPARENT: Final = "traceparent"
"""Header of a NATS message or an HTTP request that carries it."""

TRACE_CONTEXT: Final = "_otel_trace_context"
"""Field of a signal that carries it where headers cannot: ``{"traceparent": "00-…"}``, or that text alone."""

_SAMPLED: Final = 0x01
_FORM: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


class TraceParent(NamedTuple):
    """A span of somebody's that others may follow.

    Parameters
    ----------
    trace_id, span_id
        Of 128 and 64 bits, neither of them 0.
    sampled
        Whether the caller records the trace.
    """

    trace_id: int
    span_id: int
    sampled: bool

    @classmethod
    def parse(cls, text: str | None) -> Self | None:
        """Read a header; ``None`` if it is none, and then a new trace begins, as the standard asks for."""
        found = _FORM.fullmatch(text.strip()) if text else None
        if found is None:
            return None
        version, trace_id, span_id, flags, rest = found.groups()
        # A later version may have more fields, which are passed over; ff is none.
        if version == "ff" or (version == "00" and rest):
            return None
        parent = cls(int(trace_id, 16), int(span_id, 16), bool(int(flags, 16) & _SAMPLED))
        return parent if parent.trace_id and parent.span_id else None

    def header(self) -> str:
        """Write the header."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{int(self.sampled):02x}"


def parent_in(carried: Mapping[str, Any]) -> TraceParent | None:
    """What a signal's fields say; ``None`` if they say nothing that can be read."""
    given = carried.get(TRACE_CONTEXT)
    if isinstance(given, Mapping):
        given = given.get(TRACEPARENT)
    return TraceParent.parse(given) if isinstance(given, str) else None
