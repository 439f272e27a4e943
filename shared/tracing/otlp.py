"""Exports spans by OTLP over HTTP, with OpenTelemetry's own library."""

import logging
from collections.abc import Sequence
from typing import Final

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from contracts.trace import TraceParent
from shared.tracing.span import Kind, Span

_KINDS: Final = {kind: SpanKind[kind.name] for kind in Kind}
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_MS: Final = 1_000_000
_FIRST: Final = "signal"

log = structlog.get_logger(__name__)


class OtlpExporter:
    """An :class:`.exporter.Exporter` whose collector, sampler and resource the ``OTEL_*`` variables name.

    Parameters
    ----------
    version, instance
        Of the service and this process, as ``service.version`` and ``service.instance.id`` say.
    """

    def __init__(self, version: str, instance: str) -> None:
        ours = {"service.name": "tradeengine", "service.version": version, "service.instance.id": instance}
        self._resource = Resource.create(ours | dict(OTELResourceDetector().detect().attributes))
        # Knows the sampler that the environment names; no span is ever made with it.
        self._sampler = TracerProvider(resource=self._resource, shutdown_on_exit=False).sampler
        self._scope = InstrumentationScope("tradeengine", version)
        self._inner: SpanExporter = OTLPSpanExporter()
        # It tells of each attempt that failed; the queue tells when that begins and ends.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)

    def samples(self, trace_id: int, parent: TraceParent | None) -> bool:
        """Whether a trace is recorded, as ``OTEL_TRACES_SAMPLER`` says."""
        context = Context() if parent is None else set_span_in_context(NonRecordingSpan(_context(parent)), Context())
        found = self._sampler.should_sample(context, trace_id, _FIRST, SpanKind.CONSUMER)
        return found.decision is Decision.RECORD_AND_SAMPLE

    def export(self, spans: Sequence[Span]) -> bool:
        """Hand spans over; see :meth:`Exporter.export`."""
        try:
            return self._inner.export([self._readable(span) for span in spans]) is SpanExportResult.SUCCESS
        except Exception:
            # Supervised border: whatever a collector answers, the thread goes on.
            log.exception("export_failed", spans=len(spans), action="they are dropped")
            return False

    def close(self) -> None:
        """Export no more."""
        self._inner.shutdown()

    def _readable(self, span: Span) -> ReadableSpan:
        parent = SpanContext(span.trace_id, span.parent_id, True, _SAMPLED) if span.parent_id else None
        return ReadableSpan(
            span.name,
            context=SpanContext(span.trace_id, span.span_id, False, _SAMPLED),
            parent=parent,
            resource=self._resource,
            attributes=span.attributes | ({"error.type": span.error} if span.error else {}),
            kind=_KINDS[span.kind],
            status=Status(StatusCode.ERROR) if span.error else Status(StatusCode.UNSET),
            start_time=span.start_ms * _MS,
            end_time=max(span.start_ms, span.end_ms) * _MS,
            instrumentation_scope=self._scope,
        )


def _context(parent: TraceParent) -> SpanContext:
    flags = _SAMPLED if parent.sampled else TraceFlags(TraceFlags.DEFAULT)
    return SpanContext(parent.trace_id, parent.span_id, True, flags)
