"""Funding: what longs pay shorts, or shorts longs."""

from decimal import Decimal

from tradeengine.simulator import user_events
from tradeengine.simulator.contract import Contract
from tradeengine.simulator.market import FundingRate
from tradeengine.simulator.numbers import truncate
from tradeengine.simulator.state import State


def settle_funding(state: State, contract: Contract, rate: Decimal) -> None:
    """Settle each held leg at the mark price: -(amount × mark × rate), cut to eight decimals.

    A positive rate takes from longs and gives to shorts; both legs of a hedge are settled. The message of a cross
    position names the balance alone (Binance docs, Event Balance and Position Update).

    Parameters
    ----------
    rate
        Fraction of the notional.
    """
    market = contract.market
    market.funding_rate = rate
    market.funding.append(FundingRate(state.now_ms, rate, market.mark))
    for leg in contract.legs():
        amount = truncate(-leg.amount * market.mark * rate)
        if not amount:
            continue
        state.wallet.book(contract.symbol, "FUNDING_FEE", amount, state.now_ms, info="FUNDING_FEE")
        if contract.isolated:
            leg.isolated_wallet += amount
            leg.updated_ms = state.now_ms
        legs = [leg] if contract.isolated else []
        message = user_events.account_update(
            state, contract, legs, "FUNDING_FEE", change=amount, symbol=contract.symbol
        )
        state.emit(message)
