"""At which mark price a leg is liquidated."""

from decimal import Decimal

from tradeengine.simulator.brackets import bracket_of
from tradeengine.simulator.contract import Contract
from tradeengine.simulator.legs import Leg
from tradeengine.simulator.margin import cross_wallet
from tradeengine.simulator.numbers import ZERO, round_price
from tradeengine.simulator.state import State


def liquidation_price(state: State, contract: Contract, leg: Leg) -> Decimal:
    """Mark price at which margin balance and maintenance margin meet; 0 if there is none.

    LP = (WB - TMM1 + UPNL1 + Σ cum - Σ amount × entry) / (Σ |amount| × MMR - Σ amount), over the leg alone in isolated
    mode, over the legs of the symbol in cross mode, where TMM1 and UPNL1 are those of the other cross contracts
    (Binance support, How to Calculate Liquidation Price of USDⓈ-M Futures Contracts).
    """
    if not leg.amount:
        return ZERO
    if contract.isolated:
        balance, legs = leg.isolated_wallet, [leg]
    else:
        balance, legs = cross_wallet(state), [held for held in contract.legs() if held.amount]
        for other in state.contracts.values():
            if other is contract or other.isolated:
                continue
            for held in other.legs():
                if held.amount:
                    balance += held.unrealized(other.market.mark) - exact_maintenance(other, held)
    above, below = balance, ZERO
    for held in legs:
        bracket = bracket_of(contract.brackets, abs(contract.market.mark * held.amount))
        above += bracket.deduction - held.amount * held.entry
        below += abs(held.amount) * bracket.ratio - held.amount
    price = above / below if below else ZERO
    return round_price(price) if price > ZERO else ZERO


def exact_maintenance(contract: Contract, leg: Leg) -> Decimal:
    """Maintenance margin before it is cut to eight decimals, quote asset."""
    notional = abs(contract.market.mark * leg.amount)
    bracket = bracket_of(contract.brackets, notional)
    return notional * bracket.ratio - bracket.deduction
