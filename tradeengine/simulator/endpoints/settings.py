"""Settings of the account and of its symbols."""

from typing import TYPE_CHECKING, Any

from tradeengine.simulator import errors, settings
from tradeengine.simulator.brackets import max_notional
from tradeengine.simulator.contract import Contract
from tradeengine.simulator.endpoints.security import Endpoint, Security, costs
from tradeengine.simulator.numbers import ZERO, trimmed
from tradeengine.simulator.params import Params

if TYPE_CHECKING:
    from tradeengine.simulator.exchange import Exchange

_MARGIN_TYPES = frozenset({"ISOLATED", "CROSSED"})
_SUCCESS = {"code": 200, "msg": "success"}
_ADD, _REDUCE = 1, 2


def position_mode(exchange: "Exchange", params: Params) -> dict[str, Any]:
    """``GET /fapi/v1/positionSide/dual``."""
    return {"dualSidePosition": exchange.state.terms.hedge}


def change_position_mode(exchange: "Exchange", params: Params) -> dict[str, Any]:
    """``POST /fapi/v1/positionSide/dual``."""
    params.text("dualSidePosition")
    settings.set_position_mode(exchange.state, hedge=params.flag("dualSidePosition"))
    return dict(_SUCCESS)


def multi_assets(exchange: "Exchange", params: Params) -> dict[str, Any]:
    """``GET /fapi/v1/multiAssetsMargin``."""
    return {"multiAssetsMargin": exchange.state.terms.multi_assets}


def leverage(exchange: "Exchange", params: Params) -> dict[str, Any]:
    """``POST /fapi/v1/leverage``."""
    contract = exchange.state.contract(params.text("symbol"))
    settings.set_leverage(exchange.state, contract, params.integer("leverage"))
    return {"leverage": contract.leverage, "maxNotionalValue": _max_notional(contract), "symbol": contract.symbol}


def margin_type(exchange: "Exchange", params: Params) -> dict[str, Any]:
    """``POST /fapi/v1/marginType``."""
    contract = exchange.state.contract(params.text("symbol"))
    wanted = params.member("marginType", _MARGIN_TYPES, lambda: errors.invalid_data("margintype"))
    settings.set_margin_type(exchange.state, contract, isolated=wanted == "ISOLATED")
    return dict(_SUCCESS)


def position_margin(exchange: "Exchange", params: Params) -> dict[str, Any]:
    """``POST /fapi/v1/positionMargin``: type 1 adds, 2 takes away; its ``amount`` is a number."""
    state = exchange.state
    contract = state.contract(params.text("symbol"))
    amount, direction = params.decimal("amount"), params.integer("type")
    if amount <= ZERO:
        raise errors.amount_not_positive()
    if direction not in {_ADD, _REDUCE}:
        raise errors.invalid_data("type")
    side = params.optional_text("positionSide") or "BOTH"
    if side not in state.sides:
        raise errors.position_side_mismatch()
    settings.move_margin(state, contract, contract.leg(side), amount if direction == _ADD else -amount)
    return {"amount": float(amount), "code": 200, "msg": "Successfully modify position margin.", "type": direction}


def leverage_brackets(exchange: "Exchange", params: Params) -> list[dict[str, Any]]:
    """``GET /fapi/v1/leverageBracket``: a list, with a symbol too."""
    return [
        {
            "symbol": contract.symbol,
            "notionalCoef": 1.0,
            "brackets": [bracket.document() for bracket in contract.brackets],
        }
        for contract in exchange.state.chosen(params.optional_text("symbol"))
    ]


def commission_rate(exchange: "Exchange", params: Params) -> dict[str, Any]:
    """``GET /fapi/v1/commissionRate``."""
    contract = exchange.state.contract(params.text("symbol"))
    terms = exchange.state.terms
    return {
        "symbol": contract.symbol,
        "makerCommissionRate": trimmed(terms.maker_rate),
        "takerCommissionRate": trimmed(terms.taker_rate),
        "rpiCommissionRate": "0.00005",
    }


def symbol_config(exchange: "Exchange", params: Params) -> list[dict[str, Any]]:
    """``GET /fapi/v1/symbolConfig``."""
    return [
        {
            "symbol": contract.symbol,
            "marginType": "ISOLATED" if contract.isolated else "CROSSED",
            "isAutoAddMargin": False,
            "leverage": contract.leverage,
            "maxNotionalValue": _max_notional(contract),
        }
        for contract in exchange.state.chosen(params.optional_text("symbol"))
    ]


def account_config(exchange: "Exchange", params: Params) -> dict[str, Any]:
    """``GET /fapi/v1/accountConfig``."""
    terms = exchange.state.terms
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "dualSidePosition": terms.hedge,
        "updateTime": 0,
        "multiAssetsMargin": terms.multi_assets,
        "tradeGroupId": -1,
    }


def _max_notional(contract: Contract) -> str:
    return trimmed(max_notional(contract.brackets, contract.leverage))


ENDPOINTS = {
    ("GET", "/fapi/v1/positionSide/dual"): Endpoint(Security.USER_DATA, costs(30), position_mode),
    ("POST", "/fapi/v1/positionSide/dual"): Endpoint(Security.TRADE, costs(1), change_position_mode),
    ("GET", "/fapi/v1/multiAssetsMargin"): Endpoint(Security.USER_DATA, costs(30), multi_assets),
    ("POST", "/fapi/v1/leverage"): Endpoint(Security.TRADE, costs(1), leverage),
    ("POST", "/fapi/v1/marginType"): Endpoint(Security.TRADE, costs(1), margin_type),
    ("POST", "/fapi/v1/positionMargin"): Endpoint(Security.TRADE, costs(1), position_margin),
    ("GET", "/fapi/v1/leverageBracket"): Endpoint(Security.USER_DATA, costs(1), leverage_brackets),
    ("GET", "/fapi/v1/commissionRate"): Endpoint(Security.USER_DATA, costs(20), commission_rate),
    ("GET", "/fapi/v1/symbolConfig"): Endpoint(Security.USER_DATA, costs(5), symbol_config),
    ("GET", "/fapi/v1/accountConfig"): Endpoint(Security.USER_DATA, costs(5), account_config),
}
