"""Reading trading rules from the exchange's ``exchangeInfo`` answer."""

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from shared.errors import ConfigError
from tradeengine.domain.instrument import Instrument
from tradeengine.domain.money import ZERO

_TRADING = "TRADING"
_REQUIRED_FILTERS = ("PRICE_FILTER", "LOT_SIZE")


def read_instruments(document: str | bytes, source: str = "exchangeInfo") -> dict[str, Instrument]:
    """Read the symbols that trade, with their filters.

    Precision fields are not used: the filters alone hold. A market order's step, where it is stated apart, must be met
    by every order, so the coarser of the two steps is taken.

    Parameters
    ----------
    document
        The answer's JSON text.
    source
        What to call the document in errors, such as its path.

    Returns
    -------
    dict
        Rules by symbol, in the document's order; symbols whose ``status`` is stated and not ``TRADING`` are left out.

    Raises
    ------
    ConfigError
        If the document is no such answer, or a trading symbol lacks a filter or states an impossible one.
    """
    try:
        parsed = json.loads(document, parse_float=Decimal, parse_int=Decimal)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{source}: not JSON ({error}); save the exchange's exchangeInfo answer as it is") from error
    symbols = parsed.get("symbols") if isinstance(parsed, dict) else None
    if not isinstance(symbols, list) or not symbols:
        raise ConfigError(f"{source}: no list of symbols in it; save the exchange's exchangeInfo answer as it is")
    instruments: dict[str, Instrument] = {}
    for index, entry in enumerate(symbols):
        where = f"{source}: symbols[{index}]"
        name = entry.get("symbol") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not name:
            raise ConfigError(f"{where} has no symbol name")
        if name in instruments:
            raise ConfigError(f"{where}: {name} is listed twice; remove one")
        if entry.get("status", _TRADING) == _TRADING:
            instruments[name] = read_instrument(entry, name, f"{where} ({name})")
    if not instruments:
        raise ConfigError(f"{source}: none of its {len(symbols)} symbols has the status {_TRADING}")
    return instruments


def read_instrument(entry: Mapping[str, Any], symbol: str, where: str) -> Instrument:
    """Read one symbol's entry, whatever its status.

    Parameters
    ----------
    where
        What to call the entry in errors.

    Raises
    ------
    ConfigError
        If it lacks a filter or states an impossible one.
    """
    filters = _filters(entry, where)
    price, lot = filters["PRICE_FILTER"], filters["LOT_SIZE"]
    market = filters.get("MARKET_LOT_SIZE", {})
    step = _figure(lot, "stepSize", f"{where} LOT_SIZE")
    return Instrument(
        symbol=symbol,
        tick_size=_above_zero(_figure(price, "tickSize", f"{where} PRICE_FILTER"), f"{where} PRICE_FILTER.tickSize"),
        step_size=_above_zero(
            max(step, _figure(market, "stepSize", f"{where} MARKET_LOT_SIZE", ZERO)), f"{where} LOT_SIZE.stepSize"
        ),
        min_quantity=_figure(lot, "minQty", f"{where} LOT_SIZE", ZERO),
        max_quantity=_figure(lot, "maxQty", f"{where} LOT_SIZE", ZERO),
        market_min_quantity=_figure(market, "minQty", f"{where} MARKET_LOT_SIZE", ZERO),
        market_max_quantity=_figure(market, "maxQty", f"{where} MARKET_LOT_SIZE", ZERO),
        min_notional=_figure(filters.get("MIN_NOTIONAL", {}), "notional", f"{where} MIN_NOTIONAL", ZERO),
        min_price=_figure(price, "minPrice", f"{where} PRICE_FILTER", ZERO),
        max_price=_figure(price, "maxPrice", f"{where} PRICE_FILTER", ZERO),
        settle_asset=str(entry.get("marginAsset") or "USDT"),
        percent_up=_figure(filters.get("PERCENT_PRICE", {}), "multiplierUp", f"{where} PERCENT_PRICE", ZERO),
        percent_down=_figure(filters.get("PERCENT_PRICE", {}), "multiplierDown", f"{where} PERCENT_PRICE", ZERO),
        trading=entry.get("status", _TRADING) == _TRADING,
    )


def _filters(entry: Mapping[str, Any], where: str) -> dict[str, Mapping[str, Any]]:
    listed = entry.get("filters")
    if not isinstance(listed, list):
        raise ConfigError(f"{where} has no list of filters")
    filters: dict[str, Mapping[str, Any]] = {
        str(item.get("filterType")): item for item in listed if isinstance(item, dict)
    }
    for name in _REQUIRED_FILTERS:
        if name not in filters:
            raise ConfigError(f"{where} has no filter {name}, orders cannot be rounded without it")
    return filters


def _figure(item: Mapping[str, Any], field: str, where: str, default: Decimal | None = None) -> Decimal:
    stated = item.get(field, default)
    if stated is None:
        raise ConfigError(f"{where}.{field} is missing")
    try:
        value = Decimal(stated)
    except (InvalidOperation, TypeError, ValueError):
        value = Decimal("NaN")
    if isinstance(stated, bool) or not value.is_finite() or value < 0:
        raise ConfigError(f"{where}.{field} is {stated!r}, expected a decimal number of at least 0")
    return value


def _above_zero(value: Decimal, where: str) -> Decimal:
    if not value:
        raise ConfigError(f"{where} is 0, orders cannot be rounded with it")
    return value
