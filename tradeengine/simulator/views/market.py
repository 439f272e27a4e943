"""Public market data as the REST interface shows it."""

from decimal import Decimal
from typing import Any

from tradeengine.simulator.contract import Contract
from tradeengine.simulator.market import SHOWN_DEPTH, Candle, Print
from tradeengine.simulator.numbers import ZERO, fixed, plain, trimmed
from tradeengine.simulator.options import Options

_DAY_MS = 86_400_000


def best(contract: Contract, options: Options) -> dict[str, Any]:
    """Best prices (Binance docs, Symbol Order Book Ticker)."""
    market, places = contract.market, contract.rules.price_places
    quantity = plain(options.depth or SHOWN_DEPTH)
    return {
        "symbol": contract.symbol,
        "bidPrice": fixed(market.bid, places),
        "bidQty": quantity if market.bid else "0",
        "askPrice": fixed(market.ask, places),
        "askQty": quantity if market.ask else "0",
        "time": market.time_ms,
        "lastUpdateId": market.updates,
    }


def day(contract: Contract, now_ms: int) -> dict[str, Any]:
    """The last 24 hours (Binance docs, 24hr Ticker Price Change Statistics)."""
    market, places = contract.market, contract.rules.price_places
    recent = [candle for candle in market.candles if candle.time_ms > now_ms - _DAY_MS] or market.candles[-1:]
    opened = recent[0].open
    volume = sum((candle.volume for candle in recent), ZERO)
    quote = sum((candle.quote for candle in recent), ZERO)
    change = market.last - opened
    last = market.prints[-1] if market.prints else None
    return {
        "symbol": contract.symbol,
        "priceChange": fixed(change, places),
        "priceChangePercent": format(change / opened * 100, ".3f"),
        "weightedAvgPrice": fixed(quote / volume if volume else market.last, places),
        "lastPrice": fixed(market.last, places),
        "lastQty": plain(last.quantity) if last else "0",
        "openPrice": fixed(opened, places),
        "highPrice": fixed(max(candle.high for candle in recent), places),
        "lowPrice": fixed(min(candle.low for candle in recent), places),
        "volume": trimmed(volume),
        "quoteVolume": trimmed(quote),
        "openTime": recent[0].time_ms,
        "closeTime": now_ms,
        "firstId": next((candle.first_id for candle in recent if candle.first_id), -1),
        "lastId": last.print_id if last else -1,
        "count": sum(candle.count for candle in recent),
    }


def kline(contract: Contract, candle: Candle) -> list[Any]:
    """Row of candles (Binance docs, Kline Candlestick Data)."""
    places = contract.rules.price_places
    return [
        candle.time_ms,
        _price(candle.open, places),
        _price(candle.high, places),
        _price(candle.low, places),
        _price(candle.close, places),
        plain(candle.volume),
        candle.time_ms + candle.length_ms - 1,
        plain(candle.quote),
        candle.count,
        plain(candle.volume),
        plain(candle.quote),
        "0",
    ]


def public_trade(row: Print) -> dict[str, Any]:
    """Row of recent trades (Binance docs, Recent Trades List)."""
    return {
        "id": row.print_id,
        "price": plain(row.price),
        "qty": plain(row.quantity),
        "quoteQty": trimmed(row.price * row.quantity),
        "time": row.time_ms,
        "isBuyerMaker": row.buyer_is_maker,
    }


def public_trade_aggregated(row: Print) -> dict[str, Any]:
    """Row of aggregate trades (Binance docs, Compressed Aggregate Trades List)."""
    return {
        "a": row.print_id,
        "p": plain(row.price),
        "q": plain(row.quantity),
        "nq": plain(row.quantity),
        "f": row.print_id,
        "l": row.print_id,
        "T": row.time_ms,
        "m": row.buyer_is_maker,
    }


def _price(value: Decimal, places: int) -> str:
    """Padded to the symbol's decimals; recorded prices with more keep theirs."""
    padded = fixed(value, places)
    return padded if Decimal(padded) == value else plain(value)
