"""The ends of orders: cancelled, expired, and what that does to the conditional order that they came from."""

from tradeengine.simulator import user_events
from tradeengine.simulator.algo import AlgoOrder
from tradeengine.simulator.contract import Contract
from tradeengine.simulator.orders import Order
from tradeengine.simulator.state import State

# ``er`` of ORDER_TRADE_UPDATE (Binance docs, Event Order Update)
SELF_TRADE = 1
IOC_REMAINDER = 2
KNOCKED_OUT = 4
LIQUIDATION = 5
GTE_EXPIRED = 6
DELISTED = 7
MARKET_REMAINDER = 9


def cancel(state: State, contract: Contract, order: Order) -> None:
    """Cancel an open order for the user."""
    _end(state, contract, order, "CANCELED", "CANCELED")


def expire(state: State, contract: Contract, order: Order, reason: int = 0, status: str = "EXPIRED") -> None:
    """End an open order for the exchange.

    Parameters
    ----------
    reason
        ``er`` of the stream, 0 if there is none.
    status
        ``EXPIRED`` or ``EXPIRED_IN_MATCH``.
    """
    order.reason = reason
    _end(state, contract, order, status, "EXPIRED")


def finish_algo(state: State, contract: Contract, order: Order) -> None:
    """End the conditional order that a regular order came from, once that has ended."""
    if not order.algo_id or order.is_open:
        return
    algo = contract.algos.find(order.algo_id, None)
    if algo is None or algo.status != "TRIGGERED":
        return
    algo.filled, algo.average = order.executed, order.average
    end_algo(state, contract, algo, "FINISHED")


def end_algo(state: State, contract: Contract, algo: AlgoOrder, status: str, message: str = "") -> None:
    """End a conditional order.

    Parameters
    ----------
    status
        ``CANCELED``, ``EXPIRED``, ``REJECTED`` or ``FINISHED``.
    message
        ``rm`` of the stream: why it was refused.
    """
    algo.message = message
    turn_algo(state, contract, algo, status)


def turn_algo(state: State, contract: Contract, algo: AlgoOrder, status: str) -> None:
    """Put a conditional order into another state, and tell of it."""
    algo.status = status
    algo.updated_ms = state.now_ms
    if status != "NEW":
        contract.algos.leave(algo)
    state.emit(user_events.algo_update(state, contract, algo))


def _end(state: State, contract: Contract, order: Order, status: str, execution: str) -> None:
    order.status = status
    order.updated_ms = state.now_ms
    contract.orders.end(order)
    state.emit(user_events.order_update(state, contract, order, execution))
    finish_algo(state, contract, order)
