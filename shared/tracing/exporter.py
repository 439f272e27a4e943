"""The exporter: where spans go, and which traces are recorded.

OpenTelemetry's library reads the ``OTEL_*`` variables itself ("OpenTelemetry Environment Variable Specification" and
"OpenTelemetry Protocol Exporter"), so that they mean here what they mean everywhere.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import structlog

from contracts.trace import TraceParent
from shared.tracing.span import Span

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_HTTP: Final = "http/protobuf"

log = structlog.get_logger(__name__)


class Exporter(Protocol):
    """Where spans go, and which traces are recorded."""

    def samples(self, trace_id: int, parent: TraceParent | None) -> bool:
        """Whether a trace is recorded; always the same answer for the same trace."""
        ...

    def export(self, spans: Sequence[Span]) -> bool:
        """Hand spans over and say whether they were taken; it may block, and never raises."""
        ...

    def close(self) -> None:
        """Export no more; an export that waits to be tried again gives up."""
        ...


def configured_exporter(version: str, instance: str, env: Mapping[str, str] | None = None) -> Exporter | None:
    """Make the exporter that the environment asks for, ``None`` if it names no collector.

    Parameters
    ----------
    version, instance
        Of the service and this process.
    env
        What says whether and how, the process's environment by default.
    """
    given = os.environ if env is None else env
    is_off = given.get("OTEL_SDK_DISABLED", "").lower() == "true" or given.get("OTEL_TRACES_EXPORTER") == "none"
    if is_off or not any(given.get(name) for name in _ENDPOINTS):
        return None
    protocol = next(filter(None, map(given.get, _PROTOCOLS)), _HTTP)
    if protocol != _HTTP:
        log.warning("traces_by_http", asked=protocol, action=f"{_HTTP} is used: name the collector's port for it")
    # Who traces nothing need not load it.
    from shared.tracing.otlp import OtlpExporter  # noqa: PLC0415

    return OtlpExporter(version, instance)
