"""Reading: filters, sorting and paging that work, and errors that say what would be right."""

import pytest

from shared.errors import RetrySafe
from tests.api.parts import KEYS, Served, bearer
from tradeengine.api.routes.tables import TABLES
from tradeengine.projection.tables import TABLES as STORED

READER = bearer(KEYS["READER_API_KEY"])


@pytest.fixture
def orders(served: Served) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = [
        {"order_id": f"o{n:03}", "strategy_id": "ab"[n % 2], "symbol": "BTCUSDT", "price": "1.50"} for n in range(25)
    ]
    served.tables.rows["orders"] = rows
    return rows


def test_every_route_reads_a_table_and_documents_columns_that_it_has() -> None:
    for table in TABLES:
        assert set(table.filters) <= STORED[table.name].columns.keys(), table.path


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.path)
async def test_a_table_is_read_with_source_and_age(served: Served, table: object) -> None:
    row = {"symbol": "BTCUSDT", "quantity": "0.001"}
    served.tables.rows[table.name] = [row]  # type: ignore[attr-defined]

    answer = await served.client.get(table.path, headers=READER)  # type: ignore[attr-defined]

    assert answer.json() == {"data": [row], "next_cursor": None, "source": "memory", "age_seconds": 0.25}


async def test_paging_shows_each_row_once(served: Served, orders: list[dict[str, object]]) -> None:
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(10):
        page = {"limit": "10", "sort": "-order_id"} | ({"cursor": cursor} if cursor else {})
        answer = (await served.client.get("/orders", params=page, headers=READER)).json()
        seen += [row["order_id"] for row in answer["data"]]
        cursor = answer["next_cursor"]
        if cursor is None:
            break

    assert seen == sorted((str(row["order_id"]) for row in orders), reverse=True)


async def test_filters_are_handed_on(served: Served, orders: list[dict[str, object]]) -> None:
    answer = await served.client.get("/orders?strategy_id=a&order_id=o002", headers=READER)

    assert [row["order_id"] for row in answer.json()["data"]] == ["o002"]


async def test_positions_of_one_symbol(served: Served) -> None:
    served.tables.rows["exchange_positions"] = [
        {"exchange_position_key": f"{symbol}_{side}", "symbol": symbol, "side": side}
        for symbol in ("BTCUSDT", "ETHUSDT")
        for side in ("LONG", "SHORT")
    ]

    both = await served.client.get("/positions/BTCUSDT", headers=READER)
    one = await served.client.get("/positions/BTCUSDT?side=SHORT", headers=READER)

    assert [row["exchange_position_key"] for row in both.json()["data"]] == ["BTCUSDT_LONG", "BTCUSDT_SHORT"]
    assert [row["exchange_position_key"] for row in one.json()["data"]] == ["BTCUSDT_SHORT"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=0", "invalid_request"),
        ("limit=1001", "invalid_request"),
        ("limit=x", "invalid_request"),
        ("colour=red", "unknown_filter"),
        ("sort=colour", "unknown_sort"),
        ("cursor=!", "bad_cursor"),
        ("limit=1&limit=2", "invalid_request"),
    ],
)
async def test_a_wrong_question_is_refused(served: Served, query: str, code: str) -> None:
    answer = await served.client.get(f"/orders?{query}", headers=READER)

    assert (answer.status_code, answer.json()["code"]) == (422, code)


@pytest.mark.parametrize("path", ["/live", "/health", "/account", "/orders/o1", "/api/metrics"])
async def test_routes_without_parameters_take_none(served: Served, path: str) -> None:
    answer = await served.client.get(f"{path}?verbose=1", headers=READER)

    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_parameter")


async def test_one_order(served: Served, orders: list[dict[str, object]]) -> None:
    assert (await served.client.get("/orders/o007", headers=READER)).json()["data"] == orders[7]
    missing = await served.client.get("/orders/none", headers=READER)
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


async def test_one_decision_and_the_question_whose(served: Served) -> None:
    served.tables.rows["decisions"] = [
        {"signal_id": signal_id, "strategy_id": strategy_id, "outcome": "accepted"}
        for signal_id, strategy_id in (("1", "a"), ("1", "b"), ("2", "a"))
    ]

    assert (await served.client.get("/decisions/2", headers=READER)).json()["data"]["strategy_id"] == "a"
    both = await served.client.get("/decisions/1", headers=READER)
    assert (both.status_code, both.json()["code"]) == (409, "ambiguous_signal_id")
    assert (await served.client.get("/decisions/1?strategy_id=b", headers=READER)).json()["data"]["strategy_id"] == "b"
    assert (await served.client.get("/decisions/3", headers=READER)).status_code == 404


async def test_the_account_has_decimals_as_strings(served: Served) -> None:
    answer = await served.client.get("/account", headers=READER)

    assert answer.json() == {"data": {"equity": "10000", "fees": "0.10"}, "source": "engine", "age_seconds": 0.0}


async def test_a_store_that_does_not_answer_is_a_problem_to_try_again(served: Served) -> None:
    served.tables.error = RetrySafe("the read model is locked")

    answer = await served.client.get("/orders", headers=READER)

    assert (answer.status_code, answer.json()["code"]) == (503, "try_again")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/orders/", 404, "not_found"),
        ("PUT", "/orders", 405, "method_not_allowed"),
        ("GET", "/positions/btcusdt", 404, "not_found"),
        ("GET", "/positions/B", 404, "not_found"),
        ("GET", f"/positions/{'B' * 31}", 404, "not_found"),
        ("GET", "/positions/BTCUSDT/", 404, "not_found"),
        ("POST", "/positions/close", 404, "not_found"),
        ("GET", "/performance", 404, "not_found"),
    ],
)
async def test_wrong_routes_are_problems(served: Served, method: str, path: str, status: int, code: str) -> None:
    answer = await served.client.request(method, path, headers=READER)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json().keys() == {"type", "title", "status", "code", "detail", "errors"}
    assert status != 405 or answer.headers["allow"] == "GET"
