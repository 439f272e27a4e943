"""What must hold of a shard's state after every step, exactly."""

from collections.abc import Callable
from decimal import Decimal, localcontext

from contracts.enums import OrderPurpose
from tradeengine.domain.books import Books
from tradeengine.domain.legs import protected_quantity
from tradeengine.domain.money import MONEY, ZERO
from tradeengine.domain.orders import LiveOrder
from tradeengine.domain.position import Leg, StrategyPosition
from tradeengine.domain.state import ShardState

# P&L is linear in the mark: what holds at two marks holds at every one.
MARKS = (Decimal("0.01"), Decimal("123456.789"))


def check(state: ShardState) -> None:
    """Assert everything that must hold of a state by itself."""
    with localcontext(MONEY):
        for key, leg in state.legs.items():
            assert key == leg.key
            assert not leg.idle, f"{key} is empty and was kept"
            check_sums(leg)
            check_openings(state, leg)
            check_books(leg, leg.books)
            assert leg.books.quantity >= 0
            assert leg.books.cost >= 0
            for position in leg.strategies.values():
                assert position.quantity, f"{position.strategy_id} holds nothing of {key} and was kept"
                check_overdraft(state, leg, position)
                check_books(leg, position.books)
                check_closings(state, position)
                check_protection(state, position)
        check_orders(state)


def check_sums(leg: Leg) -> None:
    """Strategies add up to the exchange position, whatever the mark."""

    def total(figure: Callable[[Books], Decimal]) -> Decimal:
        return sum((figure(position.books) for position in leg.strategies.values()), ZERO)

    books = leg.books
    assert books.quantity == total(lambda b: b.quantity)
    assert books.fees == total(lambda b: b.fees) + leg.closed_fees
    assert books.funding == total(lambda b: b.funding) + leg.closed_funding
    for mark in MARKS:
        parts = total(lambda b, mark=mark: b.realized + b.unrealized(leg.side, mark))  # type: ignore[misc]
        assert books.realized + books.unrealized(leg.side, mark) == parts + leg.closed_realized


def check_books(leg: Leg, books: Books) -> None:
    """Books agree with themselves: what came in is what went out plus what is held."""
    assert books.cost * books.quantity >= 0
    assert books.quantity == books.entry_quantity - books.exit_quantity
    assert books.realized == leg.side.sign * (books.exit_value - (books.entry_value - books.cost))


def check_openings(state: ShardState, leg: Leg) -> None:
    """What is pending is what live opening orders can still fill."""
    under_way = [
        live
        for live in state.orders.values()
        if live.order.purpose is OrderPurpose.OPEN
        and (live.order.symbol, live.order.position_side) == (leg.symbol, leg.side)
    ]
    assert [live.order.client_order_id for live in under_way] == leg.opening_orders
    assert leg.pending == sum((live.remaining for live in under_way), ZERO)


def check_overdraft(state: ShardState, leg: Leg, position: StrategyPosition) -> None:
    """What is overdrawn is under way back, or is tried again later; nothing else of the strategy reduces the leg."""
    if position.quantity > 0:
        return
    assert all(
        state.orders[order_id].cancelling or state.orders[order_id].status.terminal
        for order_id in position.reducing_orders
    )
    assert state.waits_for_time


def check_closings(state: ShardState, position: StrategyPosition) -> None:
    """What is reserved for closing is what live closing orders of the position can still fill."""
    under_way = [state.orders[order_id] for order_id in position.closing_orders]
    assert len(set(position.closing_orders)) == len(under_way)
    assert all(belongs(live, position) and not live.order.purpose.protective for live in under_way)
    assert position.closing == sum((live.remaining for live in under_way), ZERO)
    if position.closing:
        assert position.exit is not None
        assert position.exit.quantity >= position.closing


def check_protection(state: ShardState, position: StrategyPosition) -> None:
    """Whatever is not being closed has the stop and the target that were planned for it."""
    instrument = state.instruments[position.symbol]
    check_replaced(state, position)
    if instrument.floor_quantity(position.closable) <= 0:
        return
    if position.waits(OrderPurpose.CLOSE):
        assert state.waits_for_time, "what was refused is forgotten"
        return
    for purpose, price, callback, order_id in (
        (OrderPurpose.STOP_LOSS, position.stop_price, position.trailing_pct, position.stop_order_id),
        (OrderPurpose.TAKE_PROFIT, position.target_price, None, position.target_order_id),
    ):
        live = state.orders.get(order_id) if order_id else None
        if price is None and callback is None:
            assert live is None or live.cancelling, f"a {purpose} that nobody wants"
            continue
        if position.waits(purpose):
            assert state.waits_for_time, "what was refused is forgotten"
            continue
        if purpose is OrderPurpose.TAKE_PROFIT and position.target_waits:
            assert position.watch_price is not None, "nobody watches for the market to come nearer"
            assert live is None or live.cancelling or live.order.trigger_price == price
            continue
        assert live is not None, f"no {purpose} at {price}"
        assert belongs(live, position)
        assert not live.cancelling, f"the {purpose} at {price} is being cancelled"
        order = live.order
        assert (order.purpose, order.trigger_price, order.callback_pct) == (purpose, price, callback)
        # An order that the venue has ended stays until all its fills are in; its successor is planned then.
        assert live.status.terminal or live.remaining == protected_quantity(instrument, position)


def check_replaced(state: ShardState, position: StrategyPosition) -> None:
    """Orders that are to be replaced are alive, protect the position, and are no longer its stop or target."""
    assert not {position.stop_order_id, position.target_order_id} & set(position.replaced_orders)
    for live in map(state.orders.__getitem__, position.replaced_orders):
        assert belongs(live, position)
        assert live.order.purpose.protective


def check_orders(state: ShardState) -> None:
    """No order is forgotten: it can still fill, and reducing orders have a position or are on their way out."""
    for order_id, live in state.orders.items():
        assert live.order.client_order_id == order_id
        assert ZERO <= live.filled < live.order.quantity, f"{order_id} can fill no more and was kept"
        assert live.executed is None or live.executed > live.filled, f"{order_id} has ended and was kept"
        if live.order.purpose.opening:
            leg = state.leg(live.order.symbol, live.order.position_side)
            assert leg is not None
            assert order_id in (*leg.opening_orders, *leg.restoring_orders)
        elif not live.cancelling and not live.status.terminal:
            leg = state.leg(live.order.symbol, live.order.position_side)
            position = leg.strategies.get(live.order.strategy_id) if leg else None
            assert position is not None, f"{order_id} reduces what is no longer held"
            assert order_id in position.reducing_orders, f"{order_id} belongs to nothing"


def belongs(live: LiveOrder, position: StrategyPosition) -> bool:
    """Whether an order is one of the position's strategy, on the position's leg."""
    order = live.order
    return (order.strategy_id, order.symbol, order.position_side) == (
        position.strategy_id,
        position.symbol,
        position.side,
    )
