"""Probes tell the truth at once; dashboards and people get the details."""

import threading
import time

import httpx
import pytest

import tradeengine
from shared.health import ComponentHealth
from tests.api.parts import Served, signal
from tests.support.deadline import PATIENCE_S, slowness


async def timed(client: httpx.AsyncClient, path: str) -> tuple[httpx.Response, float]:
    started = time.perf_counter()
    answer = await client.get(path)
    return answer, time.perf_counter() - started


async def test_alive_ready_and_healthy(served: Served) -> None:
    assert (await served.client.get("/live")).json() == {"status": "alive"}
    assert (await served.client.get("/ready")).json() == {"ready": True, "reasons": []}
    health = (await served.client.get("/health")).json()

    assert health["status"] == "healthy"
    assert health["version"] == tradeengine.__version__
    assert health["uptime_seconds"] >= 0
    assert health["components"] == {"dispatcher": {"status": "healthy", "shards": 8}}
    assert (await served.client.get("/api/health")).json().keys() == health.keys()


async def test_not_ready_says_why_and_stays_alive(served: Served) -> None:
    served.state["dispatcher"] = ComponentHealth.unhealthy("the journal takes nothing: disk full")

    ready = await served.client.get("/ready")

    assert ready.status_code == 503
    assert ready.json() == {"ready": False, "reasons": ["dispatcher: the journal takes nothing: disk full"]}
    assert (await served.client.get("/health")).status_code == 503
    assert (await served.client.get("/live")).status_code == 200


async def test_what_is_not_required_only_degrades(served: Served) -> None:
    served.health.register("mysql", lambda: ComponentHealth.unhealthy("no route to host"), required=False)

    detailed = await served.client.get("/health/detailed")

    assert detailed.status_code == 200
    assert detailed.json()["status"] == "degraded"
    assert detailed.json()["ready"] is True
    assert detailed.json()["trading_mode"] == "paper"
    assert detailed.json()["components"]["mysql"] == {"status": "unhealthy", "reason": "no route to host"}


async def test_probes_answer_in_100_ms_while_a_part_hangs(served: Served) -> None:
    released = threading.Event()

    def hangs() -> ComponentHealth:
        released.wait(PATIENCE_S)
        return ComponentHealth()

    served.health.register("binance_exchange", hangs)
    try:
        await served.client.get("/live")
        for path in ("/live", "/ready", "/health"):
            taken = [(await timed(served.client, path))[1] for _ in range(5)]
            # The machine may stall once; a hanging part would delay every one of them.
            assert min(taken) < 0.1 * slowness(), (path, taken)
        answer = await served.client.get("/ready")
        assert answer.json()["reasons"] == ["binance_exchange: its first check is still under way"]
    finally:
        released.set()


async def test_metrics_as_text_and_as_json_agree(served: Served) -> None:
    await served.client.post("/trade/signal", json={"no": "signal"}, headers=served.key("TRADER_API_KEY"))

    text = await served.client.get("/metrics")
    twin = await served.client.get("/api/metrics", headers=served.key("READER_API_KEY"))

    assert text.headers["content-type"].startswith("text/plain")
    assert 'tradeengine_signals_rejected_total{reason="invalid_signal"} 1.0' in text.text
    assert twin.json()["metrics"]["tradeengine_signals_rejected_total"] == [
        {"labels": {"reason": "invalid_signal"}, "value": 1.0}
    ]


async def test_requests_are_measured_by_route_not_by_path(served: Served) -> None:
    for path in ("/orders/a", "/orders/b", "/nowhere/1", "/nowhere/2"):
        await served.client.get(path, headers=served.key("READER_API_KEY"))
    await served.client.request("BREW", "/orders")

    counted = {
        (labels["route"], labels["method"], labels["status"]): value
        for labels, value in served.metrics.samples()["tradeengine_http_request_seconds_count"]
    }
    assert counted[("/orders/{id}", "GET", "404")] == 2
    assert counted[("unmatched", "GET", "404")] == 2
    assert counted[("/orders", "other", "405")] == 1


async def test_the_version(served: Served) -> None:
    assert (await served.client.get("/version")).json()["version"] == tradeengine.__version__


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
async def test_the_documentation_is_open(served: Served, path: str) -> None:
    assert (await served.client.get(path)).status_code == 200


async def test_the_document_describes_signals_and_problems(served: Served) -> None:
    document = (await served.client.get("/openapi.json")).json()

    assert document["components"]["schemas"]["Signal"]["properties"].keys() >= signal().keys()
    assert "code" in document["components"]["schemas"]["Problem"]["properties"]
