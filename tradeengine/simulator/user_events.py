"""Messages of the user data stream (Binance docs, User Data Streams)."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from tradeengine.simulator.algo import AlgoOrder
from tradeengine.simulator.contract import Contract
from tradeengine.simulator.legs import Leg
from tradeengine.simulator.margin import cross_wallet, maintenance_margin
from tradeengine.simulator.numbers import ZERO, average, fixed, money, plain, significant, trimmed
from tradeengine.simulator.orders import Order
from tradeengine.simulator.state import State
from tradeengine.simulator.trades import Trade
from tradeengine.simulator.wallet import ASSET


def order_update(
    state: State, contract: Contract, order: Order, execution: str, trade: Trade | None = None
) -> dict[str, Any]:
    """``ORDER_TRADE_UPDATE`` of an order as it is now.

    Parameters
    ----------
    execution
        ``NEW``, ``TRADE``, ``CANCELED``, ``EXPIRED``, ``AMENDMENT`` or ``CALCULATED``.
    trade
        The fill that caused it.
    """
    bids, asks = _open_notionals(contract)
    body: dict[str, Any] = {
        "s": order.symbol,
        "c": order.client_id,
        "S": order.side,
        "o": order.type,
        "f": order.time_in_force,
        "q": plain(order.quantity),
        "p": plain(order.price),
        "ap": trimmed(significant(order.average)),
        "sp": plain(order.stop_price),
        "x": execution,
        "X": order.status,
        "i": order.order_id,
        "l": plain(trade.quantity) if trade else "0",
        "z": plain(order.executed),
        "L": plain(trade.price) if trade else "0",
        "n": plain(trade.commission) if trade else "0",
        "N": trade.commission_asset if trade else ASSET,
        "T": state.now_ms,
        "t": trade.trade_id if trade else 0,
        "b": bids,
        "a": asks,
        "m": trade.maker if trade else False,
        "R": order.closing,
        "wt": order.working_type,
        "ot": order.orig_type,
        "ps": order.position_side,
        "cp": order.close_position,
        "rp": plain(trade.realized) if trade else "0",
        "pP": order.price_protect,
        "si": 0,
        "ss": 0,
        "V": order.stp_mode,
        "pm": order.price_match,
        "gtd": order.good_till_ms,
        "er": str(order.reason),
    }
    if order.trigger is not None and order.trigger.is_trailing:
        body["AP"] = plain(order.trigger.activate_price)
        body["cr"] = plain(order.trigger.callback_rate)
    return {"e": "ORDER_TRADE_UPDATE", "E": state.now_ms, "T": state.now_ms, "st": 1, "o": body}


def amendment(state: State, contract: Contract, order: Order, modify_id: int | None) -> dict[str, Any]:
    """``ORDER_TRADE_UPDATE`` of a change, with the number that the client gave to it, if it gave one."""
    message = order_update(state, contract, order, "AMENDMENT")
    if modify_id is not None:
        message["o"]["M"] = modify_id
    return message


def trade_lite(state: State, order: Order, trade: Trade) -> dict[str, Any]:
    """``TRADE_LITE`` of a fill."""
    return {
        "e": "TRADE_LITE",
        "E": state.now_ms,
        "T": state.now_ms,
        "s": order.symbol,
        "q": plain(order.quantity),
        "p": plain(order.price),
        "m": trade.maker,
        "c": order.client_id,
        "S": order.side,
        "L": plain(trade.price),
        "l": plain(trade.quantity),
        "t": trade.trade_id,
        "i": order.order_id,
        "st": 1,
    }


def account_update(
    state: State,
    contract: Contract,
    legs: Iterable[Leg],
    cause: str,
    *,
    change: Decimal = ZERO,
    with_balance: bool = True,
    symbol: str | None = None,
) -> dict[str, Any]:
    """``ACCOUNT_UPDATE`` with absolute values.

    Parameters
    ----------
    legs
        Positions that changed.
    cause
        ``ORDER``, ``FUNDING_FEE``, ``MARGIN_TRANSFER``, …
    change
        Change of the balance other than by profit and fees, quote asset.
    with_balance
        Whether the balance changed.
    symbol
        Whose funding it is.
    """
    balance = {
        "a": ASSET,
        "wb": money(state.wallet.balance),
        "cw": money(cross_wallet(state)),
        "bc": trimmed(change),
    }
    rows = [_position(contract, leg) for leg in legs]
    if rows and state.options.both_row_in_hedge and state.terms.hedge:
        rows.append(_position(contract, contract.leg("BOTH")))
    balances = [balance]
    if cause == "ORDER" and state.options.fee_asset != ASSET:
        other = money(state.wallet.other)
        balances.append({"a": state.options.fee_asset, "wb": other, "cw": other, "bc": "0"})
    body: dict[str, Any] = {"m": cause, "B": balances if with_balance else [], "P": rows}
    if symbol is not None:
        body["S"] = symbol
    return {"e": "ACCOUNT_UPDATE", "E": state.now_ms, "T": state.now_ms, "st": 1, "a": body}


def algo_update(state: State, contract: Contract, algo: AlgoOrder) -> dict[str, Any]:
    """``ALGO_UPDATE`` of a conditional order as it is now."""
    rules = contract.rules
    body: dict[str, Any] = {
        "caid": algo.client_id,
        "aid": algo.algo_id,
        "at": "CONDITIONAL",
        "o": algo.type,
        "s": algo.symbol,
        "S": algo.side,
        "ps": algo.position_side,
        "f": algo.time_in_force,
        "q": fixed(algo.quantity, rules.quantity_places),
        "X": algo.status,
        "ai": str(algo.order_id) if algo.order_id else "",
    }
    if algo.order_id:
        body["ap"] = trimmed(significant(algo.average))
        body["aq"] = plain(algo.filled)
        body["act"] = algo.actual_type
    body |= {
        "tp": plain(algo.trigger.price),
        "p": plain(algo.price),
        "V": algo.stp_mode,
        "wt": algo.trigger.working_type,
        "pm": algo.price_match,
        "cp": algo.close_position,
        "pP": algo.trigger.is_protected,
        "R": algo.reduce_only,
        "tt": algo.triggered_ms,
        "gtd": algo.good_till_ms,
        "rm": algo.message,
    }
    if algo.trigger.is_trailing:
        body |= {
            "AP": plain(algo.trigger.activate_price),
            "cr": plain(algo.trigger.callback_rate),
            "ia": algo.trigger.is_active,
        }
    return {"e": "ALGO_UPDATE", "T": state.now_ms, "E": state.now_ms, "st": 1, "o": body}


def leverage_update(state: State, contract: Contract) -> dict[str, Any]:
    """``ACCOUNT_CONFIG_UPDATE`` of a new leverage."""
    body = {"s": contract.symbol, "l": contract.leverage}
    return {"e": "ACCOUNT_CONFIG_UPDATE", "E": state.now_ms, "T": state.now_ms, "ac": body}


def margin_call(state: State, rows: Iterable[tuple[Contract, Leg]], *, cross: bool) -> dict[str, Any]:
    """``MARGIN_CALL`` for legs in danger."""
    positions = [
        {
            "s": contract.symbol,
            "ps": leg.position_side,
            "pa": _amount(contract, leg),
            "mt": "CROSSED" if cross else "ISOLATED",
            "iw": "0" if cross else money(leg.isolated_wallet),
            "mp": money(contract.market.mark),
            "up": money(leg.unrealized(contract.market.mark)),
            "mm": money(maintenance_margin(contract, leg)),
        }
        for contract, leg in rows
    ]
    message: dict[str, Any] = {"e": "MARGIN_CALL", "E": state.now_ms, "p": positions}
    if cross:
        message["cw"] = money(cross_wallet(state))
    return message


def _position(contract: Contract, leg: Leg) -> dict[str, Any]:
    return {
        "s": contract.symbol,
        "pa": _amount(contract, leg) if leg.amount else "0",
        "ep": average(leg.entry),
        "bep": trimmed(leg.break_even()),
        "cr": trimmed(leg.accumulated),
        "up": money(leg.unrealized(contract.market.mark)),
        "mt": "isolated" if contract.isolated else "cross",
        "iw": money(leg.isolated_wallet) if contract.isolated else "0",
        "ps": leg.position_side,
    }


def _amount(contract: Contract, leg: Leg) -> str:
    return fixed(leg.amount, contract.rules.quantity_places)


def _open_notionals(contract: Contract) -> tuple[str, str]:
    """Value of the open orders of each side, as ``b`` and ``a`` show it."""
    if not contract.orders:
        return "0", "0"
    bids = asks = ZERO
    for order in contract.orders:
        if order.side == "BUY":
            bids += order.remaining * order.price
        else:
            asks += order.remaining * order.price
    return trimmed(bids), trimmed(asks)
