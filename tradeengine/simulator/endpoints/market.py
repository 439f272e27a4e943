"""Public market data: prices, book, candles, trades."""

from typing import TYPE_CHECKING, Any

from tradeengine.simulator import errors
from tradeengine.simulator.candles import aggregate
from tradeengine.simulator.contract import Contract
from tradeengine.simulator.endpoints.security import Endpoint, Security, costs, costs_more_without_symbol
from tradeengine.simulator.market import Candle
from tradeengine.simulator.market_events import book_rows
from tradeengine.simulator.numbers import fixed
from tradeengine.simulator.params import Params
from tradeengine.simulator.views.market import best, day, kline, public_trade, public_trade_aggregated

if TYPE_CHECKING:
    from tradeengine.simulator.exchange import Exchange

_KLINE_LIMITS = ((99, 1), (499, 2), (1000, 5))
_DEPTH_LIMITS = ((50, 2), (100, 5), (500, 10))


def price(exchange: "Exchange", params: Params) -> list[dict[str, Any]] | dict[str, Any]:
    """``GET /fapi/v2/ticker/price``: an object for a symbol, else a list."""
    symbol = params.optional_text("symbol")
    rows = [
        {
            "symbol": contract.symbol,
            "price": fixed(contract.market.last, contract.rules.price_places),
            "time": contract.market.time_ms,
        }
        for contract in exchange.state.chosen(symbol)
    ]
    return rows if symbol is None else rows[0]


def book_ticker(exchange: "Exchange", params: Params) -> list[dict[str, Any]] | dict[str, Any]:
    """``GET /fapi/v1/ticker/bookTicker``: an object for a symbol, else a list."""
    symbol = params.optional_text("symbol")
    rows = [best(contract, exchange.options) for contract in exchange.state.chosen(symbol)]
    return rows if symbol is None else rows[0]


def day_ticker(exchange: "Exchange", params: Params) -> list[dict[str, Any]] | dict[str, Any]:
    """``GET /fapi/v1/ticker/24hr``: an object for a symbol, else a list."""
    symbol = params.optional_text("symbol")
    rows = [day(contract, exchange.now_ms) for contract in exchange.state.chosen(symbol)]
    return rows if symbol is None else rows[0]


def depth(exchange: "Exchange", params: Params) -> dict[str, Any]:
    """``GET /fapi/v1/depth``."""
    contract = exchange.state.contract(params.text("symbol"))
    limit = params.limit(500, 1000)
    return {
        "lastUpdateId": contract.market.updates,
        "E": exchange.now_ms,
        "T": contract.market.time_ms,
        "bids": book_rows(contract, "bid", exchange.options, limit),
        "asks": book_rows(contract, "ask", exchange.options, limit),
    }


def klines(exchange: "Exchange", params: Params) -> list[list[Any]]:
    """``GET /fapi/v1/klines`` and ``/fapi/v1/markPriceKlines``: the newest, or from ``startTime`` on."""
    return _klines(exchange.state.contract(params.text("symbol")), params)


def continuous_klines(exchange: "Exchange", params: Params) -> list[list[Any]]:
    """``GET /fapi/v1/continuousKlines``: perpetual contracts only."""
    if params.text("contractType") != "PERPETUAL":
        raise errors.invalid_data("contracttype")
    return _klines(exchange.state.contract(params.text("pair")), params)


def trades(exchange: "Exchange", params: Params) -> list[dict[str, Any]]:
    """``GET /fapi/v1/trades``: the newest."""
    contract = exchange.state.contract(params.text("symbol"))
    return [public_trade(row) for row in contract.market.prints[-params.limit(500, 1000) :]]


def aggregated_trades(exchange: "Exchange", params: Params) -> list[dict[str, Any]]:
    """``GET /fapi/v1/aggTrades``: the newest, or from an id or time on."""
    contract = exchange.state.contract(params.text("symbol"))
    limit, from_id = params.limit(500, 1000), params.optional_integer("fromId")
    start_ms, end_ms = params.optional_integer("startTime"), params.optional_integer("endTime")
    if from_id is not None and not start_ms is end_ms is None:
        raise errors.invalid_combination()
    rows = [
        row
        for row in contract.market.prints
        if (from_id is None or row.print_id >= from_id)
        and (start_ms is None or row.time_ms >= start_ms)
        and (end_ms is None or row.time_ms <= end_ms)
    ]
    rows = rows[-limit:] if from_id is start_ms is None else rows[:limit]
    return [public_trade_aggregated(row) for row in rows]


def _klines(contract: Contract, params: Params) -> list[list[Any]]:
    limit = params.limit(500, 1500)
    start_ms, end_ms = params.optional_integer("startTime"), params.optional_integer("endTime")
    rows: list[Candle] = [
        candle
        for candle in aggregate(contract.market.candles, params.text("interval"))
        if (start_ms is None or candle.time_ms >= start_ms) and (end_ms is None or candle.time_ms <= end_ms)
    ]
    return [kline(contract, row) for row in (rows[-limit:] if start_ms is None else rows[:limit])]


def _kline_weight(params: Params) -> int:
    return _weight_by_limit(params, 500, _KLINE_LIMITS, 10)


def _depth_weight(params: Params) -> int:
    return _weight_by_limit(params, 500, _DEPTH_LIMITS, 20)


def _weight_by_limit(params: Params, default: int, steps: tuple[tuple[int, int], ...], most: int) -> int:
    text = params.values().get("limit", "")
    limit = int(text) if text.isdigit() else default
    return next((weight for upto, weight in steps if limit <= upto), most)


_PRICE = Endpoint(Security.NONE, costs_more_without_symbol(1, 2), price)
_BOOK = Endpoint(Security.NONE, costs_more_without_symbol(2, 5), book_ticker)
_DEPTH = Endpoint(Security.NONE, _depth_weight, depth)
_KLINES = Endpoint(Security.NONE, _kline_weight, klines)

ENDPOINTS = {
    ("GET", "/fapi/v1/ticker/price"): _PRICE,
    ("GET", "/fapi/v2/ticker/price"): _PRICE,
    ("GET", "/fapi/v1/ticker/bookTicker"): _BOOK,
    ("GET", "/fapi/v1/ticker/24hr"): Endpoint(Security.NONE, costs_more_without_symbol(1, 40), day_ticker),
    ("GET", "/fapi/v1/depth"): _DEPTH,
    ("GET", "/fapi/v1/klines"): _KLINES,
    ("GET", "/fapi/v1/markPriceKlines"): _KLINES,
    ("GET", "/fapi/v1/continuousKlines"): Endpoint(Security.NONE, _kline_weight, continuous_klines),
    ("GET", "/fapi/v1/trades"): Endpoint(Security.NONE, costs(5), trades),
    ("GET", "/fapi/v1/aggTrades"): Endpoint(Security.NONE, costs(20), aggregated_trades),
}
METHODS = {"ticker.price": _PRICE, "ticker.book": _BOOK, "depth": _DEPTH}
