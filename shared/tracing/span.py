"""A span as the engine tells it: over already, and small, for most of the work is left to another thread."""

from enum import Enum, auto
from typing import NamedTuple


class Kind(Enum):
    """What a span is, as OpenTelemetry tells kinds apart."""

    INTERNAL = auto()
    CONSUMER = auto()
    PRODUCER = auto()
    CLIENT = auto()


Attributes = dict[str, str | int]


class Span(NamedTuple):
    """Something that was done, from when to when.

    Parameters
    ----------
    name
        What was done; one of few.
    trace_id, span_id
        Of 128 and 64 bits.
    parent_id
        Span that it is part of, 0 for the first of a trace.
    start_ms, end_ms
        Milliseconds since 1970 UTC.
    error
        Class of the error that it ended with, empty without one. Never its text, which may hold anything.
    """

    name: str
    kind: Kind
    trace_id: int
    span_id: int
    parent_id: int
    start_ms: int
    end_ms: int
    attributes: Attributes
    error: str = ""
