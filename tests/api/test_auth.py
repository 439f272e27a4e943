"""Every route asks for its role, and nothing is open by accident."""

import pytest

from tests.api.parts import KEYS, Served, bearer, serving, signal

ROUTES = {
    ("GET", "/api/metrics"): "READER_API_KEY",
    ("GET", "/api/v1/config/settings"): "READER_API_KEY",
    ("GET", "/positions"): "READER_API_KEY",
    ("GET", "/positions/BTCUSDT"): "READER_API_KEY",
    ("GET", "/strategy-positions"): "READER_API_KEY",
    ("GET", "/contributions"): "READER_API_KEY",
    ("GET", "/orders"): "READER_API_KEY",
    ("GET", "/orders/x"): "READER_API_KEY",
    ("GET", "/fills"): "READER_API_KEY",
    ("GET", "/funding-payments"): "READER_API_KEY",
    ("GET", "/decisions"): "READER_API_KEY",
    ("GET", "/decisions/x"): "READER_API_KEY",
    ("GET", "/alerts"): "READER_API_KEY",
    ("GET", "/differences"): "READER_API_KEY",
    ("GET", "/symbol-halts"): "READER_API_KEY",
    ("GET", "/account"): "READER_API_KEY",
    ("GET", "/cluster"): "READER_API_KEY",
    ("GET", "/positions/protection"): "READER_API_KEY",
    ("GET", "/reconciliation"): "READER_API_KEY",
    ("POST", "/reconciliation"): "RISK_OVERRIDE_KEY",
    ("POST", "/trade/signal"): "TRADER_API_KEY",
    ("POST", "/trade"): "TRADER_API_KEY",
}
OPEN = {"/live", "/ready", "/health", "/health/detailed", "/metrics", "/version", "/api/health"}
RANK = list(KEYS)


async def test_the_matrix_names_every_route(served: Served) -> None:
    paths = (await served.client.get("/openapi.json")).json()["paths"]
    documented = {(method.upper(), path) for path, item in paths.items() for method in item}
    named = {(m, p.replace("/BTCUSDT", "/{symbol}").replace("orders/x", "orders/{id}")) for m, p in ROUTES}
    named = {(m, p.replace("decisions/x", "decisions/{signal_id}")) for m, p in named}

    assert documented == named | {("GET", path) for path in OPEN}


@pytest.mark.parametrize("holder", RANK)
async def test_a_key_opens_the_routes_of_its_role_and_of_lower_ones(served: Served, holder: str) -> None:
    for (method, path), needed in ROUTES.items():
        content = b"[]" if method == "POST" else None
        answer = await served.client.request(method, path, headers=served.key(holder), content=content)

        if RANK.index(holder) < RANK.index(needed):
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), path
        else:
            assert answer.status_code in (200, 404, 422), path


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer("unknown"),
        {"Authorization": KEYS["ADMIN_API_KEY"]},
        {"Authorization": "Basic YTpi"},
        bearer("é\udcff"),
    ],
)
async def test_without_a_known_key_nothing_is_told(served: Served, headers: dict[str, str]) -> None:
    raw = [(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in headers.items()]
    for method, path in ROUTES:
        answer = await served.client.request(method, f"{path}?nonsense=1", headers=raw)

        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), path
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_role_without_a_key_is_closed_to_everybody_and_the_probes_stay_open() -> None:
    for missing in ("READER_API_KEY", "TRADER_API_KEY", "RISK_OVERRIDE_KEY"):
        async with serving({name: key for name, key in KEYS.items() if name != missing}) as served:
            for (method, path), needed in ROUTES.items():
                for key in KEYS.values():
                    answer = await served.client.request(method, path, headers=bearer(key), content=b"[]")

                    closed = answer.status_code == 503 and answer.json()["code"] == "no_key_configured"
                    assert closed is (needed == missing), (path, key)
            for path in OPEN:
                assert (await served.client.get(path)).status_code == 200


async def test_a_get_with_a_traders_key_reads_and_changes_nothing(served: Served) -> None:
    for method, path in ROUTES:
        if method == "GET":
            await served.client.get(path, headers=served.key("TRADER_API_KEY"))

    assert served.desk.decided == {}
    answer = await served.client.post("/trade/signal", json=signal(), headers=served.key("TRADER_API_KEY"))
    assert answer.json()["outcome"] == "accepted"
