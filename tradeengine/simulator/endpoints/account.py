"""Positions, balances and the account."""

from typing import TYPE_CHECKING, Any

from tradeengine.simulator.endpoints.security import Endpoint, Security, costs
from tradeengine.simulator.params import Params
from tradeengine.simulator.views import account as views
from tradeengine.simulator.wallet import ASSET

if TYPE_CHECKING:
    from tradeengine.simulator.exchange import Exchange


def positions_v2(exchange: "Exchange", params: Params) -> list[dict[str, Any]]:
    """``GET /fapi/v2/positionRisk``: every leg, flat ones too."""
    state = exchange.state
    return [
        views.position_risk(state, contract, contract.leg(side))
        for contract in state.chosen(params.optional_text("symbol"))
        for side in state.sides
    ]


def positions_v3(exchange: "Exchange", params: Params) -> list[dict[str, Any]]:
    """``GET /fapi/v3/positionRisk``: legs with a position or open orders."""
    state = exchange.state
    return [
        views.position_risk_v3(state, contract, leg)
        for contract in state.chosen(params.optional_text("symbol"))
        for leg in views.legs_held(state, contract)
    ]


def account_v2(exchange: "Exchange", params: Params) -> dict[str, Any]:
    """``GET /fapi/v2/account``."""
    state = exchange.state
    return {
        "feeTier": 0,
        "feeBurn": state.options.fee_asset != ASSET,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "updateTime": 0,
        "multiAssetsMargin": state.terms.multi_assets,
        "tradeGroupId": -1,
        **views.totals(state),
        "assets": [row | {"marginAvailable": True} for row in views.asset_rows(state)],
        "positions": [
            views.account_position(contract, contract.leg(side))
            for contract in state.contracts.values()
            for side in state.sides
        ],
    }


def account_v3(exchange: "Exchange", params: Params) -> dict[str, Any]:
    """``GET /fapi/v3/account``."""
    state = exchange.state
    return {
        **views.totals(state),
        "assets": views.asset_rows(state),
        "positions": [
            views.account_position_v3(contract, leg)
            for contract in state.contracts.values()
            for leg in views.legs_held(state, contract)
        ],
    }


def balance(exchange: "Exchange", params: Params) -> list[dict[str, Any]]:
    """``GET /fapi/v2/balance`` and ``/fapi/v3/balance``."""
    return views.balance_rows(exchange.state)


def adl_quantile(exchange: "Exchange", params: Params) -> list[dict[str, Any]] | dict[str, Any]:
    """``GET /fapi/v1/adlQuantile``: an object for a symbol, else a list of those that are held."""
    state = exchange.state
    symbol = params.optional_text("symbol")
    rows = []
    for contract in state.chosen(symbol):
        quantiles = {side: int(bool(contract.leg(side).amount)) for side in state.sides}
        if state.terms.hedge:
            quantiles["HEDGE"] = 0
        if symbol is not None or contract.is_held:
            rows.append({"symbol": contract.symbol, "adlQuantile": quantiles})
    return rows if symbol is None else rows[0]


_POSITIONS_V2 = Endpoint(Security.USER_DATA, costs(5), positions_v2)
_POSITIONS_V3 = Endpoint(Security.USER_DATA, costs(5), positions_v3)
_ACCOUNT_V2 = Endpoint(Security.USER_DATA, costs(5), account_v2)
_ACCOUNT_V3 = Endpoint(Security.USER_DATA, costs(5), account_v3)
_BALANCE = Endpoint(Security.USER_DATA, costs(5), balance)

ENDPOINTS = {
    ("GET", "/fapi/v2/positionRisk"): _POSITIONS_V2,
    ("GET", "/fapi/v3/positionRisk"): _POSITIONS_V3,
    ("GET", "/fapi/v2/account"): _ACCOUNT_V2,
    ("GET", "/fapi/v3/account"): _ACCOUNT_V3,
    ("GET", "/fapi/v2/balance"): _BALANCE,
    ("GET", "/fapi/v3/balance"): _BALANCE,
    ("GET", "/fapi/v1/adlQuantile"): Endpoint(Security.USER_DATA, costs(5), adl_quantile),
}
METHODS = {
    "account.position": _POSITIONS_V2,
    "v2/account.position": _POSITIONS_V3,
    "account.status": _ACCOUNT_V2,
    "v2/account.status": _ACCOUNT_V3,
    "account.balance": _BALANCE,
    "v2/account.balance": _BALANCE,
}
