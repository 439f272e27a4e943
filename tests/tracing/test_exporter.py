"""Spans reach a collector as the standard's variables say, over a real connection."""

import subprocess
import sys
from typing import NamedTuple

import pytest

from contracts.trace import TraceParent
from shared.tracing import Exporter, Kind, QueueLimits, Span, SpanQueue, configured_exporter
from tests.support.deadline import eventually
from tests.tracing.conftest import Collector

FOLLOWED, PASSED_OVER = (TraceParent(2**64 - 1, 1, sampled) for sampled in (True, False))


def exporter_at(collector: Collector, monkeypatch: pytest.MonkeyPatch, **env: str) -> Exporter:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{collector.url}/v1/traces")
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    exporter = configured_exporter("1.2", "pod-1")
    assert exporter is not None
    return exporter


async def test_spans_that_are_refused_are_counted_and_later_ones_are_taken(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = exporter_at(
        collector,
        monkeypatch,
        OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20of-the-collector",
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test",
    )
    queue = SpanQueue(exporter, QueueLimits(pause_ms=10))
    queue.start()
    try:
        collector.receiver.answers_with = 400
        queue.put(Span("decide", Kind.INTERNAL, 1, 1, 0, 1_000, 1_001, {}))
        await eventually(lambda: queue.dropped["not_taken"] == 1, "the refusal")
        collector.receiver.answers_with = 200
        queue.put(Span("commit", Kind.CLIENT, 2**127, 7, 5, 1_000, 999, {}, "Fenced"))
        await eventually(lambda: queue.exported == 1, "the next one")
    finally:
        await queue.stop()

    (taken,) = collector.receiver.spans
    assert (taken.trace_id, taken.span_id, taken.parent_id) == (f"{2**127:032x}", f"{7:016x}", f"{5:016x}")
    assert (taken.start_ns, taken.end_ns) == (10**9, 10**9), "a clock that was set back makes no span of less than 0"
    assert (taken.failed, taken.attributes) == (True, {"error.type": "Fenced"})
    said = {"service.name": "tradeengine", "service.version": "1.2", "service.instance.id": "pod-1"}
    assert taken.resource.items() >= (said | {"deployment.environment.name": "test"}).items()
    assert {name.lower(): value for name, value in collector.receiver.headers[0].items()}["authorization"] == (
        "Bearer of-the-collector"
    )


class Sampled(NamedTuple):
    """Which traces are recorded: one that begins here, one of a publisher that records it, one that does not."""

    begun: bool
    followed: bool
    passed_over: bool


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, Sampled(begun=True, followed=True, passed_over=False)),
        ({"OTEL_TRACES_SAMPLER": "always_on"}, Sampled(begun=True, followed=True, passed_over=True)),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, Sampled(begun=False, followed=False, passed_over=False)),
        (
            {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"},
            Sampled(begun=False, followed=True, passed_over=False),
        ),
    ],
)
def test_the_standards_sampler_says_which_traces_are_recorded(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, env: dict[str, str], expected: Sampled
) -> None:
    exporter = exporter_at(collector, monkeypatch, **env)
    found = [exporter.samples(2**64 - 1, parent) for parent in (None, FOLLOWED, PASSED_OVER)]
    exporter.close()
    assert Sampled(*found) == expected


@pytest.mark.parametrize(
    "env",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_nothing_is_exported_unless_the_environment_names_a_collector(env: dict[str, str]) -> None:
    assert configured_exporter("1", "pod", env) is None


def test_who_traces_nothing_loads_nothing() -> None:
    code = (
        "import sys, tradeengine.runtime.service; from shared.tracing import configured_exporter;"
        "assert configured_exporter('1', 'pod', {}) is None;"
        "sys.exit(sum(name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter')) for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
