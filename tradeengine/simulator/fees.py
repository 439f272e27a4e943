"""Fees: in which asset a fill is charged, and how much of it."""

from decimal import Decimal

from tradeengine.simulator.numbers import ONE, ZERO, truncate
from tradeengine.simulator.state import State
from tradeengine.simulator.wallet import ASSET


def charge(state: State, fee: Decimal) -> tuple[Decimal, str]:
    """What a fill is charged.

    An account that pays its fees in another asset pays less, while it has enough of that asset; what it has not, and
    what it is paid for making a market, goes through the quote asset (Binance docs, Toggle BNB Burn On Futures Trade).

    Parameters
    ----------
    fee
        Notional times rate, quote asset; below 0 is a rebate.

    Returns
    -------
    Decimal, str
        Commission, cut to eight decimals, and its asset.
    """
    options = state.options
    if options.fee_asset != ASSET and fee > ZERO:
        commission = truncate(fee * (ONE - options.fee_discount) / options.fee_asset_price)
        if commission <= state.wallet.other:
            return commission, options.fee_asset
    return truncate(fee), ASSET
