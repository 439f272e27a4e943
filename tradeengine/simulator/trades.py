"""Fills of the account."""

from decimal import Decimal

import msgspec


class Trade(msgspec.Struct, frozen=True):
    """One fill (Binance docs, Account Trade List).

    Parameters
    ----------
    quote
        Price × quantity, quote asset.
    realized
        Profit of what it closed, fees excluded, quote asset.
    commission
        Fee, quote asset; above 0 is a cost.
    """

    symbol: str
    trade_id: int
    order_id: int
    side: str
    position_side: str
    price: Decimal
    quantity: Decimal
    quote: Decimal
    realized: Decimal
    commission: Decimal
    time_ms: int
    maker: bool
