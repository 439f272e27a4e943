"""Liquidation: what happens when the margin no longer carries a position."""

from collections.abc import Iterable
from decimal import Decimal

from tradeengine.simulator import closing, lifecycle, user_events
from tradeengine.simulator.contract import Contract
from tradeengine.simulator.fills import settle
from tradeengine.simulator.legs import Leg
from tradeengine.simulator.liquidation_price import exact_maintenance
from tradeengine.simulator.margin import cross_wallet
from tradeengine.simulator.market_events import force_order
from tradeengine.simulator.numbers import ZERO, truncate
from tradeengine.simulator.orders import Order
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
    quantity, mark = abs(leg.amount), contract.market.mark
    order = _autoclose(state, contract, leg, quantity)
    contract.orders.add(order)
    trade = settle(state, contract, order, quantity, mark, rate=ZERO, maker=False)
    left = own_wallet + trade.realized if contract.isolated else cross_wallet(state)
    fee = min(truncate(trade.quote * contract.rules.liquidation_fee), left) if left > ZERO else left
    state.wallet.book(contract.symbol, "INSURANCE_CLEAR", -fee, state.now_ms, info="INSURANCE_CLEAR")
    leg.called = False
    state.emit(user_events.account_update(state, contract, [leg], "ORDER"))
    state.emit(user_events.order_update(state, contract, order, "CALCULATED", trade))
    state.emit_market(f"{contract.symbol.lower()}@forceOrder", force_order(order, state.now_ms))
    closing.tidy(state, contract, leg)


def _autoclose(state: State, contract: Contract, leg: Leg, quantity: Decimal) -> Order:
    state.ids.order += 1
    return Order(
        symbol=contract.symbol,
        order_id=state.ids.order,
        client_id=f"autoclose-{state.now_ms}{state.ids.order % 1000:03d}",
        side="SELL" if leg.is_long else "BUY",
        position_side=leg.position_side,
        type="MARKET",
        orig_type="MARKET",
        time_in_force="GTC",
        quantity=quantity,
        price=ZERO,
        created_ms=state.now_ms,
        updated_ms=state.now_ms,
        closing=True,
    )
