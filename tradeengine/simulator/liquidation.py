"""Liquidation: what happens when the margin no longer carries a position."""

from collections.abc import Iterable
from decimal import Decimal

from tradeengine.simulator import lifecycle, user_events
from tradeengine.simulator.contract import Contract
from tradeengine.simulator.forced_close import LIQUIDATION, ForcedClose
from tradeengine.simulator.legs import Leg
from tradeengine.simulator.liquidation_price import exact_maintenance
from tradeengine.simulator.margin import cross_wallet
from tradeengine.simulator.market_events import force_order
from tradeengine.simulator.numbers import ZERO, truncate
from tradeengine.simulator.state import State

Held = tuple[Contract, Leg]


def liquidate_due(state: State) -> None:
    """Call margin where it runs short, close what it no longer carries: isolated legs one by one, cross together."""
    if state.options.liquidation == "off":
        return
    held = [(contract, leg) for contract in state.contracts.values() for leg in contract.legs() if leg.amount]
    if not held:
        return
    for contract, leg in held:
        if contract.isolated:
            _judge(state, [(contract, leg)], leg.isolated_wallet, cross=False)
    cross = [(contract, leg) for contract, leg in held if not contract.isolated]
    if cross:
        _judge(state, cross, cross_wallet(state), cross=True)


def _judge(state: State, held: list[Held], wallet: Decimal, *, cross: bool) -> None:
    equity = wallet + sum(((contract.market.mark - leg.entry) * leg.amount for contract, leg in held), ZERO)
    maintenance = sum((exact_maintenance(contract, leg) for contract, leg in held), ZERO)
    if equity <= maintenance:
        _liquidate(state, held, cross=cross)
        return
    is_short = maintenance >= equity * state.options.margin_call_ratio
    if is_short and not all(leg.called for _, leg in held):
        state.emit(user_events.margin_call(state, held, cross=cross))
    for _, leg in held:
        leg.called = is_short


def _liquidate(state: State, held: Iterable[Held], *, cross: bool) -> None:
    contracts = {contract.symbol: contract for contract, _ in held}
    for contract in state.contracts.values() if cross else contracts.values():
        for order in list(contract.orders):
            lifecycle.expire(state, contract, order, lifecycle.LIQUIDATION)
    for contract, leg in held:
        _close_leg(state, contract, leg)


def _close_leg(state: State, contract: Contract, leg: Leg) -> None:
    """Close a leg at mark price for the exchange; the liquidation fee takes at most what margin is left."""
    own_wallet = leg.isolated_wallet
    forced = ForcedClose(state, contract, leg, LIQUIDATION, abs(leg.amount), contract.market.mark)
    trade = forced.book()
    left = own_wallet + trade.realized if contract.isolated else cross_wallet(state)
    fee = min(truncate(trade.quote * contract.rules.liquidation_fee), left) if left > ZERO else left
    state.wallet.book(contract.symbol, "INSURANCE_CLEAR", -fee, state.now_ms, info="INSURANCE_CLEAR")
    forced.tell()
    state.emit_market(f"{contract.symbol.lower()}@forceOrder", force_order(forced.order, state.now_ms))
