"""A collector that is away, slow or back again costs spans, and nothing else."""

import asyncio
from pathlib import Path

import pytest

from scripts.devservices.ports import reserve
from tests.support.deadline import Deadline, eventually
from tests.support.process import LOOK_S, NO_NATS, EngineProcess, engine_process, signal_document
from tests.tracing.conftest import Collector

pytestmark = pytest.mark.process

_SIGNALS = 30
_STOP_S = 5.0
"""How soon an engine that has nothing else to do stops, whatever its collector does."""


async def _work(engine: EngineProcess, first: int) -> None:
    documents = [signal_document(signal_id=f"s-{first + n}", quantity="0.01") for n in range(_SIGNALS)]
    await asyncio.gather(*[engine.accept(document) for document in documents])


@pytest.mark.parametrize("what", ["away", "hangs"])
async def test_an_engine_works_and_stops_without_its_collector(tmp_path: Path, collector: Collector, what: str) -> None:
    port = reserve()
    collector.receiver.open.clear()
    url = collector.url if what == "hangs" else f"http://127.0.0.1:{port.number}"
    settings = {**collector.settings, "OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_MAX_QUEUE_SIZE": "50"}
    try:
        async with engine_process(tmp_path / "data", nats_url=NO_NATS, settings=settings) as engine:
            await engine.start()
            await engine.post_prices()
            await _work(engine, 0)
            if what == "hangs":
                await eventually(lambda: collector.receiver.waiting, "an export that hangs")
            await _work(engine, _SIGNALS)
            patience = Deadline()
            while not await engine.metric("tradeengine_trace_spans_dropped_total", reason="queue_full"):
                assert not patience.passed(), engine.log_tail()
                await asyncio.sleep(LOOK_S)
            assert await engine.metric("tradeengine_trace_spans_exported_total") == 0

            soon = Deadline(_STOP_S)
            engine.terminate()
            assert await engine.ended() == 0
            assert not soon.passed(), f"stopped after {soon}"
            assert "Traceback" not in engine.log()
    finally:
        port.release()
