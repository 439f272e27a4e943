"""Settlement: the end of a symbol's trading."""

from decimal import Decimal
from typing import Literal

from tradeengine.simulator import lifecycle, liquidation
from tradeengine.simulator.contract import Contract
from tradeengine.simulator.forced_close import SETTLEMENT, ForcedClose
from tradeengine.simulator.state import State
from tradeengine.simulator.symbols import SymbolRules

SettledStatus = Literal["SETTLING", "CLOSE"]


def settle_symbol(state: State, contract: Contract, price: Decimal, status: SettledStatus) -> None:
    """End the trading of a symbol: its orders expire, its legs are closed, its status says so in exchangeInfo.

    Parameters
    ----------
    price
        Settlement price, quote asset, above 0.
    status
        What exchangeInfo says from now on.
    """
    contract.rules = SymbolRules.parse(contract.rules.entry | {"status": status})
    for order in list(contract.orders):
        lifecycle.expire(state, contract, order, lifecycle.DELISTED)
    for algo in list(contract.algos):
        lifecycle.end_algo(state, contract, algo, "EXPIRED")
    for leg in contract.legs():
        if leg.amount:
            forced = ForcedClose(state, contract, leg, SETTLEMENT, abs(leg.amount), price)
            forced.book()
            forced.tell()
    liquidation.liquidate_due(state)
