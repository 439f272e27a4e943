"""Traces: spans that have ended, a bounded queue of them, and their way to an OpenTelemetry collector."""

from shared.tracing.exporter import Exporter, configured_exporter
from shared.tracing.queue import QueueLimits, SpanQueue
from shared.tracing.span import Kind, Span

__all__ = ["Exporter", "Kind", "QueueLimits", "Span", "SpanQueue", "configured_exporter"]
