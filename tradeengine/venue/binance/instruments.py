"""What ``exchangeInfo`` says, as the engine uses it: trading rules and rate limits."""

from collections.abc import Mapping
from typing import Any

import structlog

from shared.errors import ConfigError
from tradeengine.domain.instrument import Instrument
from tradeengine.venue.binance.budget import Limits
from tradeengine.venue.binance.rows import Unreadable
from tradeengine.venue.exchange_info import read_instrument

log = structlog.get_logger(__name__)


def instruments_of(answer: Any) -> dict[str, Instrument]:
    """Rules of every perpetual contract, by symbol; those that do not trade are marked so.

    What can be read of the answer counts: one odd listing among hundreds must not stop the others.

    Raises
    ------
    Unreadable
        If nothing can be read.
    """
    entries = answer.get("symbols") if isinstance(answer, dict) else None
    if not isinstance(entries, list):
        raise Unreadable("exchangeInfo has no list of symbols")
    found: dict[str, Instrument] = {}
    for entry in entries:
        if not isinstance(entry, dict) or "PERPETUAL" not in str(entry.get("contractType", "PERPETUAL")):
            continue
        symbol = str(entry.get("symbol"))
        try:
            found[symbol] = read_instrument(entry, symbol, f"exchangeInfo of {symbol}")
        except ConfigError as error:
            log.warning("symbol_left_out", symbol=symbol, reason=str(error))
    if not found:
        raise Unreadable(f"exchangeInfo lists {len(entries)} symbols, and none can be read")
    return found


def limits_of(answer: Mapping[str, Any]) -> Limits:
    """Rate limits; what is not stated keeps its documented value."""
    stated: dict[str, int] = {}
    listed = answer.get("rateLimits")
    for row in listed if isinstance(listed, list) else ():
        if not isinstance(row, dict) or not isinstance(row.get("limit"), int) or row["limit"] <= 0:
            continue
        match row.get("rateLimitType"), row.get("interval"), row.get("intervalNum"):
            case "REQUEST_WEIGHT", "MINUTE", 1:
                stated["weight_1m"] = row["limit"]
            case "ORDERS", "SECOND", 10:
                stated["orders_10s"] = row["limit"]
            case "ORDERS", "MINUTE", 1:
                stated["orders_1m"] = row["limit"]
    return Limits(**stated)
