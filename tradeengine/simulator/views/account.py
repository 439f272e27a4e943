"""Positions, balances and account figures as the REST interface shows them."""

from collections.abc import Iterator
from typing import Any

from tradeengine.simulator.brackets import max_notional
from tradeengine.simulator.contract import Contract
from tradeengine.simulator.legs import Leg
from tradeengine.simulator.liquidation_price import liquidation_price
from tradeengine.simulator.margin import (
    Figures,
    cross_wallet,
    figures,
    maintenance_margin,
    open_notional,
    order_margin,
    position_margin,
)
from tradeengine.simulator.numbers import ZERO, average, fixed, money, trimmed
from tradeengine.simulator.state import State
from tradeengine.simulator.wallet import ASSET


def legs_held(state: State, contract: Contract) -> Iterator[Leg]:
    """Legs that version 3 lists: those with a position or open orders, and the flat sibling if the option says so."""
    legs = [contract.leg(side) for side in state.sides]
    shown = [leg for leg in legs if leg.amount or any(_is_for(order, leg) for order in contract.orders)]
    if shown and state.options.v3_lists_flat_leg:
        shown = legs
    yield from shown


def position_risk(state: State, contract: Contract, leg: Leg) -> dict[str, Any]:
    """Row of positionRisk, version 2 (Binance docs, Position Information V2)."""
    mark = contract.market.mark
    return {
        "symbol": contract.symbol,
        "positionAmt": fixed(leg.amount, contract.rules.quantity_places),
        "entryPrice": average(leg.entry),
        "breakEvenPrice": average(leg.break_even()),
        "markPrice": money(mark),
        "unRealizedProfit": money(leg.unrealized(mark)),
        "liquidationPrice": _liquidation(state, contract, leg),
        "leverage": str(contract.leverage),
        "maxNotionalValue": trimmed(max_notional(contract.brackets, contract.leverage)),
        "marginType": "isolated" if contract.isolated else "cross",
        "isolatedMargin": _isolated_margin(contract, leg),
        "isAutoAddMargin": "false",
        "positionSide": leg.position_side,
        "notional": money(leg.notional(mark)) if leg.amount else "0",
        "isolatedWallet": money(leg.isolated_wallet) if leg.isolated_wallet else "0",
        "updateTime": leg.updated_ms if leg.amount else 0,
        "isolated": contract.isolated,
        "adlQuantile": _quantile(leg),
    }


def position_risk_v3(state: State, contract: Contract, leg: Leg) -> dict[str, Any]:
    """Row of positionRisk, version 3 (Binance docs, Position Information V3)."""
    mark = contract.market.mark
    bound, ordered = position_margin(contract, leg), order_margin(contract, leg.position_side)
    return {
        "symbol": contract.symbol,
        "positionSide": leg.position_side,
        "positionAmt": fixed(leg.amount, contract.rules.quantity_places),
        "entryPrice": average(leg.entry),
        "breakEvenPrice": average(leg.break_even()),
        "markPrice": money(mark),
        "unRealizedProfit": money(leg.unrealized(mark)),
        "liquidationPrice": _liquidation(state, contract, leg),
        "isolatedMargin": _isolated_margin(contract, leg) if contract.isolated else "0",
        "notional": money(leg.notional(mark)) if leg.amount else "0",
        "marginAsset": contract.rules.asset,
        "isolatedWallet": money(leg.isolated_wallet) if leg.isolated_wallet else "0",
        "initialMargin": money(bound + ordered),
        "maintMargin": money(maintenance_margin(contract, leg)),
        "positionInitialMargin": money(bound),
        "openOrderInitialMargin": money(ordered) if ordered else "0",
        "adl": _quantile(leg),
        "bidNotional": trimmed(open_notional(contract, "BUY", leg.position_side)),
        "askNotional": trimmed(open_notional(contract, "SELL", leg.position_side)),
        "updateTime": leg.updated_ms,
    }


def account_position(contract: Contract, leg: Leg) -> dict[str, Any]:
    """Position in the account, version 2 (Binance docs, Account Information V2)."""
    ordered = order_margin(contract, leg.position_side)
    bound = position_margin(contract, leg)
    return {
        "symbol": contract.symbol,
        "initialMargin": money(bound + ordered),
        "maintMargin": money(maintenance_margin(contract, leg)),
        "unrealizedProfit": money(leg.unrealized(contract.market.mark)),
        "positionInitialMargin": money(bound),
        "openOrderInitialMargin": money(ordered),
        "leverage": str(contract.leverage),
        "isolated": contract.isolated,
        "entryPrice": average(leg.entry),
        "breakEvenPrice": average(leg.break_even()),
        "maxNotional": trimmed(max_notional(contract.brackets, contract.leverage)),
        "bidNotional": trimmed(open_notional(contract, "BUY", leg.position_side)),
        "askNotional": trimmed(open_notional(contract, "SELL", leg.position_side)),
        "positionSide": leg.position_side,
        "positionAmt": fixed(leg.amount, contract.rules.quantity_places),
        "notional": money(leg.notional(contract.market.mark)) if leg.amount else "0",
        "isolatedWallet": money(leg.isolated_wallet) if leg.isolated_wallet else "0",
        "updateTime": leg.updated_ms if leg.amount else 0,
    }


def account_position_v3(contract: Contract, leg: Leg) -> dict[str, Any]:
    """Position in the account, version 3 (Binance docs, Account Information V3)."""
    bound, ordered = position_margin(contract, leg), order_margin(contract, leg.position_side)
    return {
        "symbol": contract.symbol,
        "positionSide": leg.position_side,
        "positionAmt": fixed(leg.amount, contract.rules.quantity_places),
        "unrealizedProfit": money(leg.unrealized(contract.market.mark)),
        "isolatedMargin": _isolated_margin(contract, leg) if contract.isolated else "0",
        "notional": money(leg.notional(contract.market.mark)) if leg.amount else "0",
        "isolatedWallet": money(leg.isolated_wallet) if leg.isolated_wallet else "0",
        "initialMargin": money(bound + ordered),
        "maintMargin": money(maintenance_margin(contract, leg)),
        "updateTime": leg.updated_ms,
    }


def totals(state: State) -> dict[str, Any]:
    """Sums of the account (Binance docs, Account Information)."""
    found = figures(state)
    balance = state.wallet.balance
    available = money(found.available)
    return {
        "totalInitialMargin": money(found.position_margin + found.order_margin),
        "totalMaintMargin": money(found.maintenance),
        "totalWalletBalance": money(balance),
        "totalUnrealizedProfit": money(found.unrealized),
        "totalMarginBalance": money(balance + found.unrealized),
        "totalPositionInitialMargin": money(found.position_margin),
        "totalOpenOrderInitialMargin": money(found.order_margin),
        "totalCrossWalletBalance": money(found.cross_wallet),
        "totalCrossUnPnl": money(found.cross_unrealized),
        "availableBalance": available,
        "maxWithdrawAmount": _withdrawable(found),
    }


def asset_row(state: State) -> dict[str, Any]:
    """Balance in the account (Binance docs, Account Information)."""
    found = figures(state)
    balance = state.wallet.balance
    return {
        "asset": ASSET,
        "walletBalance": money(balance),
        "unrealizedProfit": money(found.unrealized),
        "marginBalance": money(balance + found.unrealized),
        "maintMargin": money(found.maintenance),
        "initialMargin": money(found.position_margin + found.order_margin),
        "positionInitialMargin": money(found.position_margin),
        "openOrderInitialMargin": money(found.order_margin),
        "crossWalletBalance": money(found.cross_wallet),
        "crossUnPnl": money(found.cross_unrealized),
        "availableBalance": money(found.available),
        "maxWithdrawAmount": _withdrawable(found),
        "updateTime": state.wallet.updated_ms,
    }


def asset_rows(state: State) -> list[dict[str, Any]]:
    """Balances in the account: the quote asset, and the one that fees are paid in.

    The other one carries no position: it is margin of none in single-asset mode.
    """
    quote = asset_row(state)
    if state.options.fee_asset == ASSET:
        return [quote]
    other = money(state.wallet.other)
    held = ("walletBalance", "marginBalance", "crossWalletBalance", "availableBalance", "maxWithdrawAmount")
    rest = {name: other if name in held else money(ZERO) for name in quote if name not in ("asset", "updateTime")}
    return [quote, {"asset": state.options.fee_asset, **rest, "updateTime": state.wallet.updated_ms}]


def balance_rows(state: State) -> list[dict[str, Any]]:
    """Rows of balance: the quote asset, and the one that fees are paid in."""
    quote = balance_row(state)
    if state.options.fee_asset == ASSET:
        return [quote]
    other = money(state.wallet.other)
    held = ("balance", "crossWalletBalance", "availableBalance", "maxWithdrawAmount")
    return [quote, quote | {"asset": state.options.fee_asset, "crossUnPnl": money(ZERO), **dict.fromkeys(held, other)}]


def balance_row(state: State) -> dict[str, Any]:
    """Row of balance (Binance docs, Futures Account Balance)."""
    found = figures(state)
    return {
        "accountAlias": "SgsR",
        "asset": ASSET,
        "balance": money(state.wallet.balance),
        "crossWalletBalance": money(cross_wallet(state)),
        "crossUnPnl": money(found.cross_unrealized),
        "availableBalance": money(found.available),
        "maxWithdrawAmount": _withdrawable(found),
        "marginAvailable": True,
        "updateTime": state.wallet.updated_ms,
    }


def _is_for(order: Any, leg: Leg) -> bool:
    return bool(order.position_side == leg.position_side)


def _withdrawable(found: Figures) -> str:
    """Profit that is not realised cannot be withdrawn."""
    return money(max(found.available - max(found.cross_unrealized, ZERO), ZERO))


def _liquidation(state: State, contract: Contract, leg: Leg) -> str:
    price = liquidation_price(state, contract, leg)
    return money(price) if price else "0"


def _isolated_margin(contract: Contract, leg: Leg) -> str:
    if not contract.isolated:
        return "0.00000000"
    return money(leg.isolated_wallet + leg.unrealized(contract.market.mark))


def _quantile(leg: Leg) -> int:
    return 1 if leg.amount else 0
