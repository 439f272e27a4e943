"""A fresh state from its setup document."""

from decimal import Decimal

from tradeengine.simulator.brackets import Bracket
from tradeengine.simulator.contract import Contract
from tradeengine.simulator.listings import default_brackets, default_symbols
from tradeengine.simulator.market import HOUR_MS, Market
from tradeengine.simulator.numbers import ZERO, truncate
from tradeengine.simulator.schedule import Due
from tradeengine.simulator.setup import HeldPosition, Setup
from tradeengine.simulator.state import State, Terms
from tradeengine.simulator.symbols import SymbolRules
from tradeengine.simulator.wallet import Wallet

_MARKS = {"BTCUSDT": Decimal(50_000), "ETHUSDT": Decimal(3_000)}
_OTHER_MARK = Decimal(100)
_LEVERAGE = 20
_MOST_LEVERAGE = 125


def found(setup: Setup, now_ms: int, seed: int) -> State:
    """Make the state that a setup describes.

    Raises
    ------
    ValueError
        If it names a symbol that it does not list, or a leg that its mode does not have; says which.
    """
    terms = Terms(setup.dual_side_position, setup.multi_assets_margin, setup.maker_rate, setup.taker_rate)
    wallet = Wallet(setup.wallet, other=setup.options.fee_balance)
    state = State(now_ms=now_ms, seed=seed, options=setup.options, terms=terms, wallet=wallet)
    state.api_keys = dict(setup.api_keys)
    for entry in default_symbols() if setup.symbols is None else setup.symbols:
        contract = _contract(setup, SymbolRules.parse(entry), now_ms)
        state.contracts[contract.symbol] = contract
        plan_funding(state, contract)
    for name in ("marks", "leverage", "margin_type", "funding_interval_hours", "brackets"):
        for symbol in getattr(setup, name):
            _listed(state, symbol, name)
    for position in setup.positions:
        _hold(state, position)
    return state


def plan_funding(state: State, contract: Contract) -> None:
    """Let the next settlement fall due."""
    state.schedule.plan(contract.market.next_funding_ms, Due.FUNDING, contract.symbol)


def _contract(setup: Setup, rules: SymbolRules, now_ms: int) -> Contract:
    symbol = rules.symbol
    mark = setup.marks.get(symbol) or _MARKS.get(symbol, _OTHER_MARK)
    if mark <= ZERO:
        raise ValueError(f"marks: {symbol} {mark} must be above 0")
    leverage = setup.leverage.get(symbol, _LEVERAGE)
    if not 1 <= leverage <= _MOST_LEVERAGE:
        raise ValueError(f"leverage: {symbol} {leverage} must be 1 to {_MOST_LEVERAGE}")
    brackets = tuple(Bracket.parse(row) for row in setup.brackets.get(symbol) or default_brackets())
    interval_ms = setup.funding_interval_hours.get(symbol, 8) * HOUR_MS
    market = Market.start(rules, mark, now_ms, setup.options, interval_ms)
    isolated = setup.margin_type.get(symbol) == "ISOLATED"
    return Contract(rules, brackets, market, leverage=leverage, isolated=isolated)


def _hold(state: State, position: HeldPosition) -> None:
    contract = _listed(state, position.symbol, "positions")
    if position.position_side not in state.sides:
        raise ValueError(f"positions: {position.symbol} {position.position_side} does not go with the position mode")
    if position.qty <= ZERO and position.position_side != "BOTH":
        raise ValueError(f"positions: {position.symbol} {position.position_side}: qty must be above 0")
    leg = contract.leg(position.position_side)
    leg.amount = -position.qty if position.position_side == "SHORT" else position.qty
    leg.entry = position.entry_price
    leg.updated_ms = state.now_ms
    if contract.isolated:
        kept = position.isolated_wallet
        leg.isolated_wallet = truncate(abs(leg.amount) * leg.entry / contract.leverage) if kept is None else kept


def _listed(state: State, symbol: str, where: str) -> Contract:
    contract = state.contracts.get(symbol)
    if contract is None:
        raise ValueError(f"{where}: {symbol} is not listed; name one of {', '.join(state.contracts)}")
    return contract
