"""Exchange Information (Binance docs, market-data/rest-api/Exchange-Information)."""

from typing import Any

from tests.simulator.conformance.documents import (
    either,
    is_decimal,
    is_flag,
    is_integer,
    is_null,
    is_text,
    listed,
    one_of,
    shape,
)
from tests.simulator.conformance.sim import Sim
from tests.simulator.conformance.symbols import RECORDED, symbol
from tests.simulator.conformance.wire import ok

FILTERS: dict[str, dict[str, Any]] = {
    "PRICE_FILTER": {"minPrice": is_decimal, "maxPrice": is_decimal, "tickSize": is_decimal},
    "LOT_SIZE": {"minQty": is_decimal, "maxQty": is_decimal, "stepSize": is_decimal},
    "MARKET_LOT_SIZE": {"minQty": is_decimal, "maxQty": is_decimal, "stepSize": is_decimal},
    "MAX_NUM_ORDERS": {"limit": is_integer},
    "MIN_NOTIONAL": {"notional": is_decimal},
    "PERCENT_PRICE": {"multiplierDown": is_decimal, "multiplierUp": is_decimal, "multiplierDecimal": is_decimal},
}


def info(sim: Sim) -> Any:
    return ok(sim.wire.public("/fapi/v1/exchangeInfo"))


def test_top_level(sim: Sim) -> None:
    body = info(sim)
    shape(
        body,
        {
            "timezone": one_of("UTC"),
            "serverTime": is_integer,
            "futuresType": one_of("U_MARGINED"),
            "rateLimits": listed(lambda one: isinstance(one, dict)),
            "exchangeFilters": one_of([]),
            "assets": listed(lambda one: isinstance(one, dict)),
            "symbols": listed(lambda one: isinstance(one, dict)),
        },
    )
    for asset in body["assets"]:
        shape(
            asset,
            {"asset": is_text, "marginAvailable": is_flag, "autoAssetExchange": either(is_decimal, is_null)},
        )
    assert "USDT" in {asset["asset"] for asset in body["assets"]}


def test_rate_limits(sim: Sim) -> None:
    assert {
        (row["rateLimitType"], row["interval"], row["intervalNum"]): row["limit"] for row in info(sim)["rateLimits"]
    } == {("REQUEST_WEIGHT", "MINUTE", 1): 2400, ("ORDERS", "MINUTE", 1): 1200, ("ORDERS", "SECOND", 10): 300}


def test_symbols_have_the_recorded_keys_and_types(sim: Sim) -> None:
    rows = {row["symbol"]: row for row in info(sim)["symbols"]}
    assert {"BTCUSDT", "ETHUSDT"} <= rows.keys()
    for row in rows.values():
        shape(row, {name: _same_type(value) for name, value in RECORDED.items()})
        kinds = [one["filterType"] for one in row["filters"]]
        assert sorted(kinds) == sorted(FILTERS), "MAX_NUM_ALGO_ORDERS is gone since 2025-12-29"
        for one in row["filters"]:
            shape(one, {"filterType": is_text, **FILTERS[one["filterType"]]})


def _same_type(value: object) -> Any:
    return lambda other: type(other) is type(value)


def test_bitcoin_has_the_recorded_tick_step_and_precision(sim: Sim) -> None:
    row = next(row for row in info(sim)["symbols"] if row["symbol"] == "BTCUSDT")
    rules = {one["filterType"]: one for one in row["filters"]}
    assert float(rules["PRICE_FILTER"]["tickSize"]) == 0.1
    assert float(rules["LOT_SIZE"]["stepSize"]) == 0.001
    assert (row["pricePrecision"], row["quantityPrecision"]) == (2, 3)
    assert row["orderTypes"] == RECORDED["orderTypes"]


def test_entries_given_at_reset_are_served_as_given(sim: Sim) -> None:
    given = [symbol("BTCUSDT"), symbol("XRPUSDT", filters={"MIN_NOTIONAL": {"notional": "5"}}, pricePrecision=4)]
    sim.reset(symbols=given, marks={"BTCUSDT": "50000", "XRPUSDT": "600"})
    rows = {row["symbol"]: row for row in info(sim)["symbols"]}
    for entry in given:
        assert rows[entry["symbol"]] == entry
