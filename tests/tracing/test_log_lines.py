"""Log lines that name an order or a signal say which signal and which trace that belongs to."""

import io
import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import structlog

from shared.logging import configure_logging, identified_lines
from shared.settings import LogFormat, LogLevel
from tests.support.deadline import eventually
from tests.support.process import signal_document
from tests.support.rig import rig
from tests.tracing.conftest import Collector

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
HEADERS = {"traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-01"}
ORDERS: dict[str, Any] = {"method": "POST", "path": "/fapi/v1/order"}


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    before = logging.root.handlers[:], logging.root.level
    stream = io.StringIO()
    configure_logging(LogLevel.INFO, LogFormat.JSON, secrets=["hush-hush"], stream=stream)
    yield stream
    structlog.reset_defaults()
    logging.root.handlers[:], level = before
    logging.root.setLevel(level)


def test_lines_are_completed_and_nothing_that_they_say_is_replaced(lines: io.StringIO) -> None:
    def identify(line: Mapping[str, Any]) -> dict[str, str]:
        return {"signal_id": "s-1", "trace_id": "hush-hush"} if line.get("client_order_id") == "te-1" else {}

    log = structlog.get_logger("test")
    with identified_lines(identify):
        log.warning("one", client_order_id="te-1")
        log.warning("two", client_order_id="te-1", signal_id="its own")
        log.warning("three", client_order_id="te-2")
    log.warning("four", client_order_id="te-1")

    one, two, three, four = map(json.loads, lines.getvalue().splitlines())
    assert (one["signal_id"], one["trace_id"]) == ("s-1", "***"), "secrets are masked here too"
    assert two["signal_id"] == "its own"
    assert not {"signal_id", "trace_id"} & (three.keys() | four.keys())


@pytest.mark.process
async def test_what_is_logged_of_an_order_names_its_signal_and_its_trace(tmp_path: Path, collector: Collector) -> None:
    async with rig(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_BSP_SCHEDULE_DELAY="100") as made:
        await made.exchange.fault({"status": 503, "code": -1000, "msg": "Unknown error"}, **ORDERS)
        document = signal_document(signal_id="s-1", quantity="0.01", _otel_trace_context=HEADERS)
        await made.engine.accept(document)
        await made.engine.until_logged("place_unknown")
        await eventually(lambda: collector.receiver.named("place open"), "the order's span")

    said = [json.loads(line) for line in made.engine.log().splitlines() if line.startswith("{")]
    (line,) = [each for each in said if each["event"] == "place_unknown"][:1]
    assert (line["signal_id"], line["trace_id"]) == ("s-1", TRACE_ID)
    sent = collector.receiver.named("place open")[0]
    assert (sent.trace_id, sent.failed, sent.attributes["error.type"]) == (TRACE_ID, True, "OutcomeUnknown")
    asked = collector.receiver.named("query open")[0]
    assert (asked.trace_id, asked.parent_id) == (TRACE_ID, sent.span_id)
