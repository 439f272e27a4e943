"""One trace from a strategy's signal to the order, its fill, its stop and every copy: by a real engine process."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from nats.aio.msg import Msg

from contracts.subjects import EXECUTION_STREAM, EXECUTION_WILDCARD, SIGNALS, signal_subject
from contracts.trace import TraceParent
from tests.process.load import connected
from tests.support.deadline import PATIENCE_S, eventually
from tests.support.nats import NatsServer
from tests.support.process import KEYS, PRICES, TRADE, EngineProcess, engine_process, signal_document
from tests.tracing.conftest import Collector
from tests.tracing.receiver import Received

pytestmark = pytest.mark.process

TRACE_ID, PUBLISHER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HEADER = f"00-{TRACE_ID}-{PUBLISHER}-01"
WHOLE = {
    "receive signal",
    "decide",
    "commit",
    "place open",
    "book fill",
    "place stop_loss",
    "publish event",
    "project read_model",
}


CARRIED_ON = ("commit", "publish event", "project read_model")
"""What follows for the signal, and again for the fill."""


def protected(**fields: Any) -> dict[str, Any]:
    """A signal whose order fills and gets a stop."""
    return signal_document("buy", "alpha", quantity="0.01", stop_loss_pct="0.02", **fields)


def chain(spans: list[Received], name: str) -> list[str]:
    """Names from a span up to the first of the engine's, and the id of what that one follows."""
    by_id = {span.span_id: span for span in spans}
    span = next(span for span in spans if span.name == name)
    names = [span.name]
    while span.parent_id in by_id:
        span = by_id[span.parent_id]
        names.append(span.name)
    return [*names, span.parent_id]


def parents_of(spans: list[Received]) -> dict[str, set[str]]:
    """Names of the spans that those of each name are part of; empty for what is somebody else's."""
    by_id = {span.span_id: span.name for span in spans}
    parents: dict[str, set[str]] = {}
    for span in spans:
        parents.setdefault(span.name, set()).add(by_id.get(span.parent_id, ""))
    return parents


async def whole_trace(collector: Collector, trace_id: str, signal_id: str) -> list[Received]:
    """Spans of a trace, once every part of a signal's way is there."""

    def found() -> list[Received]:
        return [span for span in collector.receiver.spans if span.trace_id == trace_id]

    def is_whole() -> bool:
        parents = parents_of(found())
        return parents.keys() >= WHOLE and all(parents[name] >= {"receive signal", "book fill"} for name in CARRIED_ON)

    await eventually(is_whole, f"the whole trace of {signal_id}")
    return found()


def check_order(spans: list[Received], parent: str) -> None:
    """Hold the parents of a signal's spans against the way that it took."""
    signal = ["receive signal", parent]
    placed = ["place open", *signal]
    filled = ["book fill", *placed]
    assert chain(spans, "receive signal") == signal
    assert chain(spans, "decide") == ["decide", *signal]
    assert chain(spans, "place open") == placed
    assert chain(spans, "book fill") == filled
    assert chain(spans, "place stop_loss") == ["place stop_loss", *filled]
    led_to = parents_of(spans)
    assert led_to["commit"] == {"receive signal", "book fill"}
    assert led_to["publish event"] <= {"receive signal", "book fill", "place open", "place stop_loss"}
    assert led_to["project read_model"] <= {"receive signal", "book fill", "place open", "place stop_loss"}
    assert len({span.span_id for span in spans}) == len(spans), "no two spans have one id"
    assert all(span.start_ns <= span.end_ns for span in spans)
    assert {span.resource["service.name"] for span in spans} == {"tradeengine"}


async def publish(url: str, document: dict[str, Any], headers: dict[str, str] | None, subject: str = "") -> None:
    async with connected(url) as client:
        body = json.dumps(document).encode()
        jetstream = client.jetstream(timeout=PATIENCE_S)
        await jetstream.publish(subject or signal_subject(document["symbol"]), body, headers=headers)


async def test_a_signals_header_makes_it_part_of_the_publishers_trace(
    tmp_path: Path, nats_server: NatsServer, collector: Collector
) -> None:
    heard: list[Msg] = []

    async def take(message: Msg) -> None:
        heard.append(message)

    async with engine_process(tmp_path / "data", nats_url=nats_server.url, settings=collector.settings) as engine:
        await engine.start()
        await engine.post_prices()
        await publish(nats_server.url, protected(signal_id="s-1"), {"traceparent": HEADER})
        spans = await whole_trace(collector, TRACE_ID, "s-1")
        check_order(spans, PUBLISHER)

        async with connected(nats_server.url) as client:
            jetstream = client.jetstream(timeout=PATIENCE_S)
            subscription = await jetstream.subscribe(EXECUTION_WILDCARD, stream=EXECUTION_STREAM, cb=take)
            await eventually(lambda: len(heard) >= len([s for s in spans if s.name == "publish event"]), "the events")
            await subscription.unsubscribe()
        published = {span.span_id for span in spans if span.name == "publish event"}
        parents = [TraceParent.parse((message.headers or {})["traceparent"]) for message in heard]
        assert {f"{parent.trace_id:032x}" for parent in parents if parent} == {TRACE_ID}
        assert {f"{parent.span_id:016x}" for parent in parents if parent} >= published

        row = (await engine.rows("/decisions", signal_id="s-1"))[0]
        assert row["metadata"]["_otel_trace_context"] == {"traceparent": HEADER}
        assert await engine.metric("tradeengine_signals_unknown_fields_total") == 0
        (order,) = row["orders"]
        sent = next(span for span in spans if span.name == "place open")
        assert sent.attributes["tradeengine.client_order_id"] == order

        text = b"".join(collector.receiver.raw).decode(errors="replace")
        assert not [key for key in KEYS.values() if key in text]


async def test_every_way_in_begins_or_follows_a_trace(
    tmp_path: Path, nats_server: NatsServer, collector: Collector
) -> None:
    ways: list[tuple[str, str, Callable[[EngineProcess, dict[str, Any]], Any]]] = [
        ("http", PUBLISHER, _by_http),
        ("http-batch", PUBLISHER, _by_http_batch),
        ("field", PUBLISHER, _by_field),
        ("bare", PUBLISHER, _by_bare_subject),
        ("none", "", _without),
    ]
    async with engine_process(tmp_path / "data", nats_url=nats_server.url, settings=collector.settings) as engine:
        await engine.start()
        await engine.post_prices()
        for number, (name, parent, send) in enumerate(ways):
            document = protected(signal_id=name, symbol=("BTCUSDT", "ETHUSDT")[number % 2])
            await send(engine, document | {"strategy_id": name})
            await eventually(partial(_received, collector, name), f"the trace of {name}")
            trace_id = _received(collector, name)[0].trace_id
            check_order(await whole_trace(collector, trace_id, name), parent)
            assert (trace_id == _trace_of(name)) == bool(parent)


async def test_a_trace_goes_on_in_the_next_life_of_the_engine(
    tmp_path: Path, nats_server: NatsServer, collector: Collector
) -> None:
    settings = collector.settings | {"LOG_LEVEL": "DEBUG"}
    async with engine_process(tmp_path / "data", nats_url=nats_server.url, settings=settings) as engine:
        await engine.start()
        await engine.post_prices()
        for name, headers in (("brought", {"traceparent": HEADER}), ("derived", None)):
            await publish(nats_server.url, protected(signal_id=name) | {"strategy_id": name}, headers)
            await eventually(partial(_received, collector, name), f"the trace of {name}")
            await whole_trace(collector, _received(collector, name)[0].trace_id, name)
        await engine.until_projected()
        engine.kill()

        await engine.start()
        await engine.until_logged("trace_recalled")
        stops = {span.span_id: span for span in collector.receiver.named("place stop_loss")}
        await engine.post_prices({"BTCUSDT": PRICES["BTCUSDT"] / 2})
        await eventually(lambda: _parents(collector, "book fill") >= stops.keys(), "the exits")
    exits = [span for span in collector.receiver.named("book fill") if span.parent_id in stops]
    assert {span.trace_id for span in exits} == {span.trace_id for span in stops.values()}
    assert TRACE_ID in {span.trace_id for span in exits}


def _parents(collector: Collector, name: str) -> set[str]:
    return {span.parent_id for span in collector.receiver.named(name)}


def _trace_of(name: str) -> str:
    return name.encode().hex().ljust(32, "0")


def _header(document: dict[str, Any]) -> dict[str, str]:
    return {"traceparent": f"00-{_trace_of(document['signal_id'])}-{PUBLISHER}-01"}


def _received(collector: Collector, signal_id: str) -> list[Received]:
    spans = collector.receiver.named("receive signal")
    return [span for span in spans if span.attributes["tradeengine.signal_id"] == signal_id]


async def _by_http(engine: EngineProcess, document: dict[str, Any]) -> None:
    answer = await engine.request("POST", "/trade/signal", json=document, headers=TRADE | _header(document))
    assert answer.json()["outcome"] == "accepted", answer.text


async def _by_http_batch(engine: EngineProcess, document: dict[str, Any]) -> None:
    answer = await engine.request("POST", "/trade", json=[document], headers=TRADE | _header(document))
    assert answer.status_code == 200, answer.text


async def _by_field(engine: EngineProcess, document: dict[str, Any]) -> None:
    assert engine.nats_url
    await publish(engine.nats_url, document | {"_otel_trace_context": _header(document)}, None)


async def _by_bare_subject(engine: EngineProcess, document: dict[str, Any]) -> None:
    assert engine.nats_url
    await publish(engine.nats_url, document, _header(document), SIGNALS)


async def _without(engine: EngineProcess, document: dict[str, Any]) -> None:
    await engine.accept(document)
