"""Fills of the account."""

from decimal import Decimal

import msgspec

from tradeengine.simulator.wallet import ASSET


class Trade(msgspec.Struct, frozen=True):
    """One fill (Binance docs, Account Trade List).

    Parameters
    ----------
    quote
        Price × quantity, quote asset.
    realized
        Profit of what it closed, fees excluded, quote asset.
    commission
        Fee; above 0 is a cost.
    commission_asset
        What it was paid in.
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
    commission_asset: str = ASSET
