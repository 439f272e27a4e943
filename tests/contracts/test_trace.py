"""A signal says which trace it is part of, as the W3C's Trace Context has it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.signal import Signal
from contracts.trace import TraceParent, parent_in
from tests.support.process import signal_document

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HEADER = f"00-{TRACE}-{SPAN}-01"
PARENT = TraceParent(int(TRACE, 16), int(SPAN, 16), sampled=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HEADER, PARENT),
        (f" {HEADER} ", PARENT),
        (f"00-{TRACE}-{SPAN}-00", PARENT._replace(sampled=False)),
        (f"00-{TRACE}-{SPAN}-03", PARENT),
        (f"01-{TRACE}-{SPAN}-01-what-a-later-version-adds", PARENT),
        (f"00-{TRACE}-{SPAN}-01-more", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{TRACE.upper()}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE}-{SPAN}", None),
        ("", None),
        (None, None),
    ],
)
def test_a_header_is_read_as_the_standard_says(text: str | None, expected: TraceParent | None) -> None:
    assert TraceParent.parse(text) == expected


@given(st.builds(TraceParent, st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans()))
def test_what_is_written_is_read_back(parent: TraceParent) -> None:
    assert TraceParent.parse(parent.header()) == parent


@pytest.mark.parametrize("field", [{"traceparent": HEADER, "tracestate": "a=b"}, HEADER])
def test_the_field_of_a_signal_says_it_too(field: object) -> None:
    signal = Signal.from_document(signal_document(_otel_trace_context=field))
    assert parent_in(signal.carried()) == PARENT


@pytest.mark.parametrize("field", [7, [HEADER], {"traceparent": 7}, {"traceparent": "x"}, {}, "x", "x" * 100_000])
def test_a_field_that_says_nothing_harms_nothing(field: object) -> None:
    signal = Signal.from_document(signal_document(_otel_trace_context=field))
    assert parent_in(signal.carried()) is None


def test_the_header_wins_over_the_field_and_changes_nothing_else() -> None:
    other = f"00-{TRACE[::-1]}-{SPAN}-01"
    signal = Signal.from_document(signal_document(_otel_trace_context=other, metadata={"a": 1}, colour="red"))

    traced = signal.traced(HEADER)

    assert parent_in(traced.carried()) == PARENT
    assert parent_in(signal.carried()) == TraceParent.parse(other)
    assert traced.signal_id == signal.signal_id
    assert {**traced.carried(), "_otel_trace_context": other} == signal.carried()
    assert signal.traced("nonsense") is signal
