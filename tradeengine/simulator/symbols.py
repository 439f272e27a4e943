"""Trading rules of a symbol, read from its entry of exchangeInfo."""

from decimal import Decimal
from typing import Any

import msgspec

from tradeengine.simulator.brackets import Bracket
from tradeengine.simulator.numbers import ZERO


class Lot(msgspec.Struct, frozen=True):
    """LOT_SIZE or MARKET_LOT_SIZE: smallest, largest and step of a quantity, base asset; 0 switches a part off."""

    least: Decimal = ZERO
    most: Decimal = ZERO
    step: Decimal = ZERO


class SymbolRules(msgspec.Struct, frozen=True):
    """What orders of a symbol must obey (Binance docs, Common Definition, Symbol filters).

    Parameters
    ----------
    entry
        The entry of exchangeInfo as it is served.
    price_places, quantity_places
        Decimals that the exchange reads.
    min_price, max_price, tick
        PRICE_FILTER, quote asset; 0 switches a part off.
    lot, market_lot
        For orders with a limit price, and at market.
    max_orders
        Open orders of the account on the symbol.
    min_notional
        Quote asset.
    multiplier_up, multiplier_down
        PERCENT_PRICE; 0 switches it off.
    trigger_protect, market_take_bound, liquidation_fee
        Fractions of the price, of the mark price and of the notional.
    """

    entry: dict[str, Any]
    symbol: str
    pair: str
    asset: str
    base_asset: str
    price_places: int
    quantity_places: int
    min_price: Decimal
    max_price: Decimal
    tick: Decimal
    lot: Lot
    market_lot: Lot
    max_orders: int
    min_notional: Decimal
    multiplier_up: Decimal
    multiplier_down: Decimal
    trigger_protect: Decimal
    market_take_bound: Decimal
    liquidation_fee: Decimal
    is_trading: bool

    @classmethod
    def parse(cls, entry: dict[str, Any]) -> "SymbolRules":
        """Read an entry of exchangeInfo.

        Raises
        ------
        ValueError
            If it lacks what every entry has.
        """
        try:
            filters = {row["filterType"]: row for row in entry["filters"]}
            price = filters.get("PRICE_FILTER", {})
            percent = filters.get("PERCENT_PRICE", {})
            lot = _lot(filters.get("LOT_SIZE", {}))
            return cls(
                entry=entry,
                symbol=entry["symbol"],
                pair=entry.get("pair", entry["symbol"]),
                asset=entry.get("marginAsset", "USDT"),
                base_asset=entry.get("baseAsset", ""),
                price_places=int(entry["pricePrecision"]),
                quantity_places=int(entry["quantityPrecision"]),
                min_price=_amount(price, "minPrice"),
                max_price=_amount(price, "maxPrice"),
                tick=_amount(price, "tickSize"),
                lot=lot,
                market_lot=_lot(filters["MARKET_LOT_SIZE"]) if "MARKET_LOT_SIZE" in filters else lot,
                max_orders=int(filters.get("MAX_NUM_ORDERS", {}).get("limit", 0)),
                min_notional=_amount(filters.get("MIN_NOTIONAL", {}), "notional"),
                multiplier_up=_amount(percent, "multiplierUp"),
                multiplier_down=_amount(percent, "multiplierDown"),
                trigger_protect=_amount(entry, "triggerProtect"),
                market_take_bound=_amount(entry, "marketTakeBound"),
                liquidation_fee=_amount(entry, "liquidationFee"),
                is_trading=entry.get("status", "TRADING") == "TRADING",
            )
        except KeyError as error:
            raise ValueError(f"symbols: an entry of exchangeInfo lacks {error.args[0]!r}; take a whole one") from error


class Listing(msgspec.Struct, frozen=True):
    """A symbol as it is listed: its rules and its leverage brackets."""

    rules: SymbolRules
    brackets: tuple[Bracket, ...]


def _amount(row: dict[str, Any], name: str) -> Decimal:
    return Decimal(str(row.get(name, "0")))


def _lot(row: dict[str, Any]) -> Lot:
    return Lot(_amount(row, "minQty"), _amount(row, "maxQty"), _amount(row, "stepSize"))
