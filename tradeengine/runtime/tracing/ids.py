"""Ids of traces and spans: functions of what they are about, so that whoever knows the record knows them too."""

import hashlib
from typing import NamedTuple

from contracts.trace import TraceParent


class Trace(NamedTuple):
    """What all spans of one signal share.

    Parameters
    ----------
    parent_id
        Span of the publisher that the signal follows, 0 where the engine begins the trace.
    sampled
        Whether it is recorded.
    """

    trace_id: int
    parent_id: int
    sampled: bool


class Place(NamedTuple):
    """A span of a trace, as those that it led to know it."""

    trace: Trace
    span_id: int

    def header(self) -> str:
        """What says it to others (``traceparent``)."""
        return TraceParent(self.trace.trace_id, self.span_id, self.trace.sampled).header()


def derived_trace_id(venue: str, signal_key: str) -> int:
    """Trace of a signal that came without one.

    Parameters
    ----------
    venue
        Strategies may send one signal to several engines, on paper and not.
    """
    return _digest(16, "trace", venue, signal_key)


def derived_span_id(trace_id: int, *parts: str | int) -> int:
    """Span of a trace; its kind and what it is about are the parts."""
    return _digest(8, f"{trace_id:032x}", *parts)


def _digest(size: int, *parts: str | int) -> int:
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=size).digest()
    # 0 is no id.
    return int.from_bytes(digest) or 1
