"""A collector of traces: a real OTLP server over HTTP, which decodes what it is sent."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Status

_PATH = "/v1/traces"


class Received(NamedTuple):
    """A span as it came over the wire; ids as headers write them, the parent's empty for the first of a trace."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    start_ns: int
    end_ns: int
    failed: bool
    attributes: dict[str, Any]
    resource: dict[str, Any]


class Receiver:
    """Takes spans; a test may let it refuse them, or keep who sends them waiting."""

    def __init__(self) -> None:
        self.headers: list[dict[str, str]] = []
        self.raw: list[bytes] = []
        self.answers_with = 200
        self.open = threading.Event()
        """Clear it, and requests wait until it is set."""
        self.open.set()
        self.waiting = 0
        self._spans: list[Received] = []
        self._lock = threading.Lock()

    @property
    def spans(self) -> list[Received]:
        """All that it has taken, by their start."""
        with self._lock:
            return sorted(self._spans, key=lambda span: (span.start_ns, span.name))

    def named(self, name: str) -> list[Received]:
        """Spans of a name."""
        return [span for span in self.spans if span.name == name]

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """Take one request, and say with which status it is answered."""
        self.waiting += 1
        self.open.wait()
        self.waiting -= 1
        if self.answers_with == 200:
            found = list(_read(body))
            with self._lock:
                self.headers.append(headers)
                self.raw.append(body)
                self._spans += found
        return self.answers_with


@contextmanager
def receiving() -> Iterator[tuple[Receiver, str]]:
    """A receiver that listens on loopback, and its address."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = receiver.take(dict(self.headers), body) if self.path == _PATH else 404
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(status)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            """The tests say what went wrong."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield receiver, f"http://127.0.0.1:{server.server_port}"
        finally:
            receiver.open.set()
            server.shutdown()
            thread.join()


def _read(body: bytes) -> Iterator[Received]:
    request = ExportTraceServiceRequest.FromString(body)
    for group in request.resource_spans:
        resource = {each.key: _value(each.value) for each in group.resource.attributes}
        for scope in group.scope_spans:
            for span in scope.spans:
                yield Received(
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.kind,
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    span.status.code == Status.STATUS_CODE_ERROR,
                    {each.key: _value(each.value) for each in span.attributes},
                    resource,
                )


def _value(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))
