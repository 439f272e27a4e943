"""Matching: orders of the account against the book around the mark price."""

from decimal import Decimal

from tradeengine.simulator import closing, lifecycle
from tradeengine.simulator.contract import Contract
from tradeengine.simulator.fills import Batch
from tradeengine.simulator.numbers import ONE, ZERO
from tradeengine.simulator.orders import Order
from tradeengine.simulator.state import State


def match(state: State, contract: Contract, order: Order) -> None:
    """Let a new order take what the book offers; what cannot rest expires."""
    order.unmatched = False
    # only what rested through the latency can have come to this
    if order.time_in_force == "GTX" and would_take(contract, order):
        lifecycle.expire(state, contract, order)
        return
    batch = Batch(state, contract)
    level = None
    for level, offered in contract.market.levels(order.side, contract.rules.tick, state.options):
        if not _meet_own(state, contract, order, batch, level) or not _accepts(contract, order, level):
            break
        take = order.remaining if offered is None else min(order.remaining, offered)
        batch.fill(order, take, level, maker=False)
        if not order.is_open:
            break
    if order.is_open and order.type == "LIMIT":
        _meet_own(state, contract, order, batch, None)
    batch.close()
    if order.is_open and order.type == "MARKET":
        lifecycle.expire(state, contract, order, lifecycle.MARKET_REMAINDER)
    elif order.is_open and order.time_in_force in {"IOC", "FOK"}:
        lifecycle.expire(state, contract, order, lifecycle.IOC_REMAINDER)
    lifecycle.finish_algo(state, contract, order)
    closing.tidy(state, contract, contract.leg(order.position_side))


def fill_resting(state: State, contract: Contract) -> None:
    """Fill resting orders that the market has reached, the best price first, as maker at their own price."""
    if not contract.orders:
        return
    reached = [order for order in contract.orders if order.is_resting and order.price and _is_reached(contract, order)]
    reached.sort(key=lambda order: (-order.price if order.side == "BUY" else order.price, order.order_id))
    for order in reached:
        if not order.is_resting:
            continue
        offered = state.options.depth
        quantity = order.remaining if offered is None else min(order.remaining, offered)
        fill_one(state, contract, order, quantity, order.price, maker=True)


def fill_one(state: State, contract: Contract, order: Order, quantity: Decimal, price: Decimal, *, maker: bool) -> None:
    """Fill part or all of an open order, and tell of it."""
    batch = Batch(state, contract)
    batch.fill(order, quantity, price, maker=maker)
    batch.close()
    lifecycle.finish_algo(state, contract, order)
    closing.tidy(state, contract, contract.leg(order.position_side))


def would_take(contract: Contract, order: Order) -> bool:
    """Whether a limit order would trade at once."""
    best = contract.market.best(order.side)
    return best != ZERO and _is_within(order.side, best, order.price)


def fillable(state: State, contract: Contract, order: Order) -> Decimal:
    """Quantity of a limit order that the book could fill now, base asset."""
    total = ZERO
    for price, offered in contract.market.levels(order.side, contract.rules.tick, state.options):
        if not _is_within(order.side, price, order.price):
            break
        total += order.quantity if offered is None else offered
    return total


def _is_within(side: str, price: Decimal, limit: Decimal) -> bool:
    return price <= limit if side == "BUY" else price >= limit


def _accepts(contract: Contract, order: Order, price: Decimal) -> bool:
    """Whether an order may trade at a price: its limit, or marketTakeBound around the mark price."""
    if order.type != "MARKET":
        return _is_within(order.side, price, order.price)
    bound = contract.rules.market_take_bound
    if not bound:
        return True
    factor = ONE + bound if order.side == "BUY" else ONE - bound
    return _is_within(order.side, price, contract.market.mark * factor)


def _is_reached(contract: Contract, order: Order) -> bool:
    """Whether the book crosses a resting order, or the last trade was at its price or beyond."""
    market = contract.market
    if order.side == "BUY":
        return market.last <= order.price or ZERO < market.ask <= order.price
    return market.last >= order.price or market.bid >= order.price


def _meet_own(state: State, contract: Contract, order: Order, batch: Batch, level: Decimal | None) -> bool:
    """Let an order meet those of the account that stand before a level of the book.

    Returns
    -------
    bool
        Whether the order goes on.
    """
    for own in _own_before(contract, order, level):
        mode = order.stp_mode
        if mode == "NONE":
            quantity = min(own.remaining, order.remaining)
            batch.fill(own, quantity, own.price, maker=True)
            batch.fill(order, quantity, own.price, maker=False)
        if mode in {"EXPIRE_MAKER", "EXPIRE_BOTH"}:
            lifecycle.expire(state, contract, own, lifecycle.SELF_TRADE, "EXPIRED_IN_MATCH")
        if mode in {"EXPIRE_TAKER", "EXPIRE_BOTH"}:
            lifecycle.expire(state, contract, order, lifecycle.SELF_TRADE, "EXPIRED_IN_MATCH")
        if not order.is_open:
            return False
    return True


def _own_before(contract: Contract, order: Order, level: Decimal | None) -> list[Order]:
    """Resting orders of the other side that the order would meet before a level; all that it meets without one."""
    if len(contract.orders) < 2:
        return []
    own = [
        other
        for other in contract.orders
        if other.side != order.side
        and other.is_resting
        and other.price
        and _accepts(contract, order, other.price)
        and (level is None or (other.price < level if order.side == "BUY" else other.price > level))
    ]
    own.sort(key=lambda other: (other.price if order.side == "BUY" else -other.price, other.order_id))
    return own
