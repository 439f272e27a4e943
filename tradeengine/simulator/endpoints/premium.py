"""Mark price and funding."""

from typing import TYPE_CHECKING, Any

from tradeengine.simulator.contract import Contract
from tradeengine.simulator.endpoints.security import Endpoint, Security, costs, costs_more_without_symbol
from tradeengine.simulator.market import FUNDING_INTERVAL_MS, HOUR_MS
from tradeengine.simulator.numbers import money
from tradeengine.simulator.params import Params

if TYPE_CHECKING:
    from tradeengine.simulator.exchange import Exchange


def premium_index(exchange: "Exchange", params: Params) -> list[dict[str, Any]] | dict[str, Any]:
    """``GET /fapi/v1/premiumIndex``: an object for a symbol, else a list."""
    symbol = params.optional_text("symbol")
    rows = [_premium(contract, exchange.now_ms) for contract in exchange.state.chosen(symbol)]
    return rows if symbol is None else rows[0]


def funding_rates(exchange: "Exchange", params: Params) -> list[dict[str, Any]]:
    """``GET /fapi/v1/fundingRate``: settlements, oldest first; the newest of them, or from ``startTime`` on."""
    limit = params.limit(100, 1000)
    start_ms, end_ms = params.optional_integer("startTime"), params.optional_integer("endTime")
    rows: list[dict[str, Any]] = [
        {
            "symbol": contract.symbol,
            "fundingRate": money(settled.rate),
            "fundingTime": settled.time_ms,
            "markPrice": money(settled.mark),
        }
        for contract in exchange.state.chosen(params.optional_text("symbol"))
        for settled in contract.market.funding
        if (start_ms is None or settled.time_ms >= start_ms) and (end_ms is None or settled.time_ms <= end_ms)
    ]
    rows.sort(key=lambda row: row["fundingTime"])
    return rows[-limit:] if start_ms is None else rows[:limit]


def funding_info(exchange: "Exchange", params: Params) -> list[dict[str, Any]]:
    """``GET /fapi/v1/fundingInfo``: only symbols whose interval is not the usual one; caps are told, not applied."""
    return [
        {
            "symbol": contract.symbol,
            "adjustedFundingRateCap": "0.02000000",
            "adjustedFundingRateFloor": "-0.02000000",
            "fundingIntervalHours": contract.market.funding_interval_ms // HOUR_MS,
            "disclaimer": False,
        }
        for contract in exchange.state.contracts.values()
        if contract.market.funding_interval_ms != FUNDING_INTERVAL_MS
    ]


def _premium(contract: Contract, now_ms: int) -> dict[str, Any]:
    market = contract.market
    return {
        "symbol": contract.symbol,
        "markPrice": money(market.mark),
        "indexPrice": money(market.mark),
        "estimatedSettlePrice": money(market.mark),
        "lastFundingRate": money(market.funding_rate),
        "interestRate": "0.00010000",
        "nextFundingTime": market.next_funding_ms,
        "time": now_ms,
    }


ENDPOINTS = {
    ("GET", "/fapi/v1/premiumIndex"): Endpoint(Security.NONE, costs_more_without_symbol(1, 10), premium_index),
    ("GET", "/fapi/v1/fundingRate"): Endpoint(Security.NONE, costs(0), funding_rates, funding_pool=True),
    ("GET", "/fapi/v1/fundingInfo"): Endpoint(Security.NONE, costs(0), funding_info, funding_pool=True),
}
