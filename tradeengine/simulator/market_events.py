"""Messages of the market streams (Binance docs, WebSocket Market Streams)."""

from typing import Any

from tradeengine.simulator.contract import Contract
from tradeengine.simulator.market import SHOWN_DEPTH, Candle, Print
from tradeengine.simulator.numbers import ONE, ZERO, fixed, money, plain, trimmed
from tradeengine.simulator.options import Options
from tradeengine.simulator.orders import Order
from tradeengine.simulator.state import State


def mark_price(contract: Contract, now_ms: int) -> dict[str, Any]:
    """``markPriceUpdate`` of ``<symbol>@markPrice``."""
    market = contract.market
    return {
        "e": "markPriceUpdate",
        "E": now_ms,
        "s": contract.symbol,
        "p": money(market.mark),
        "ap": money(market.mark),
        "P": money(market.mark),
        "i": money(market.mark),
        "r": money(market.funding_rate),
        "T": market.next_funding_ms,
        "st": 1,
    }


def book_ticker(contract: Contract, now_ms: int, options: Options) -> dict[str, Any]:
    """``bookTicker`` of ``<symbol>@bookTicker``."""
    market, rules = contract.market, contract.rules
    quantity = plain(options.depth or SHOWN_DEPTH)
    return {
        "e": "bookTicker",
        "u": market.updates,
        "s": contract.symbol,
        "b": fixed(market.bid, rules.price_places),
        "B": quantity if market.bid else "0",
        "a": fixed(market.ask, rules.price_places),
        "A": quantity if market.ask else "0",
        "T": market.time_ms,
        "E": now_ms,
        "st": 1,
        "ps": rules.pair,
    }


def agg_trade(symbol: str, public: Print, now_ms: int) -> dict[str, Any]:
    """``aggTrade`` of ``<symbol>@aggTrade``."""
    quantity = plain(public.quantity)
    return {
        "e": "aggTrade",
        "E": now_ms,
        "s": symbol,
        "a": public.print_id,
        "p": plain(public.price),
        "q": quantity,
        "nq": quantity,
        "f": public.print_id,
        "l": public.print_id,
        "T": public.time_ms,
        "m": public.buyer_is_maker,
        "st": 1,
    }


def kline(contract: Contract, candle: Candle, interval: str, now_ms: int) -> dict[str, Any]:
    """``kline`` of ``<symbol>@kline_<interval>``."""
    body = _kline_body(candle, interval, now_ms)
    return {"e": "kline", "E": now_ms, "s": contract.symbol, "k": {"s": contract.symbol, **body}, "st": 1}


def continuous_kline(contract: Contract, candle: Candle, interval: str, now_ms: int) -> dict[str, Any]:
    """``continuous_kline`` of ``<pair>_perpetual@continuousKline_<interval>``."""
    body = _kline_body(candle, interval, now_ms)
    return {
        "e": "continuous_kline",
        "E": now_ms,
        "ps": contract.rules.pair,
        "ct": "PERPETUAL",
        "k": body,
        "st": 1,
    }


def depth(contract: Contract, now_ms: int, options: Options, levels: int = 20) -> dict[str, Any]:
    """``depthUpdate`` of ``<symbol>@depth<levels>``."""
    market = contract.market
    return {
        "e": "depthUpdate",
        "E": now_ms,
        "T": market.time_ms,
        "s": contract.symbol,
        "U": market.updates,
        "u": market.updates,
        "pu": market.updates - 1,
        "b": book_rows(contract, "bid", options, levels),
        "a": book_rows(contract, "ask", options, levels),
        "st": 1,
        "ps": contract.rules.pair,
    }


def book_rows(contract: Contract, side: str, options: Options, levels: int) -> list[list[str]]:
    """Price and quantity of the levels of one side, ``bid`` or ``ask``, best first."""
    market, rules = contract.market, contract.rules
    price, step = (market.bid, -rules.tick) if side == "bid" else (market.ask, rules.tick)
    shown = min(levels, options.levels) if options.depth is not None else levels
    quantity = plain(options.depth or SHOWN_DEPTH)
    rows: list[list[str]] = []
    while price > ZERO and len(rows) < shown:
        rows.append([fixed(price, rules.price_places), quantity])
        price += step or ONE
    return rows


def force_order(order: Order, now_ms: int) -> dict[str, Any]:
    """``forceOrder`` of ``<symbol>@forceOrder``: a liquidation."""
    quantity = plain(order.quantity)
    body = {
        "s": order.symbol,
        "S": order.side,
        "o": "LIMIT",
        "f": "IOC",
        "q": quantity,
        "p": trimmed(order.average),
        "ap": trimmed(order.average),
        "X": "FILLED",
        "l": quantity,
        "z": quantity,
        "T": now_ms,
    }
    return {"e": "forceOrder", "E": now_ms, "o": body, "st": 1}


def emit_prices(state: State, contract: Contract) -> None:
    """Tell every stream of the symbol what has changed."""
    name, now_ms, options = contract.symbol.lower(), state.now_ms, state.options
    candle = contract.market.candles[-1]
    state.emit_market(f"{name}@markPrice", mark_price(contract, now_ms))
    state.emit_market(f"{name}@bookTicker", book_ticker(contract, now_ms, options))
    state.emit_market(f"{name}@kline_1m", kline(contract, candle, "1m", now_ms))
    pair = contract.rules.pair.lower()
    state.emit_market(f"{pair}_perpetual@continuousKline_1m", continuous_kline(contract, candle, "1m", now_ms))
    state.emit_market(f"{name}@depth20", depth(contract, now_ms, options))


def _kline_body(candle: Candle, interval: str, now_ms: int) -> dict[str, Any]:
    end_ms = candle.time_ms + candle.length_ms - 1
    return {
        "t": candle.time_ms,
        "T": end_ms,
        "i": interval,
        "f": candle.first_id or -1,
        "L": candle.last_id or -1,
        "o": plain(candle.open),
        "c": plain(candle.close),
        "h": plain(candle.high),
        "l": plain(candle.low),
        "v": plain(candle.volume),
        "n": candle.count,
        "x": now_ms > end_ms,
        "q": plain(candle.quote),
        "V": plain(candle.volume),
        "Q": plain(candle.quote),
        "B": "0",
    }
