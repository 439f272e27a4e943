"""Overdraft: what a strategy's orders take too much is its own debt, and is put back."""

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.enums import CloseReason, OrderKind, OrderPurpose, OrderStatus, PositionSide, Reason
from tests.domain.invariants import check
from tests.support.builders import LONG, SHORT, World, instrument, of_kind
from tradeengine.domain import events as ev
from tradeengine.domain import inputs
from tradeengine.domain.books import EMPTY
from tradeengine.domain.money import MONEY
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.domain.retry import RETRY_MS

STOP, TARGET, CLOSE, RESTORE = (
    OrderPurpose.STOP_LOSS,
    OrderPurpose.TAKE_PROFIT,
    OrderPurpose.CLOSE,
    OrderPurpose.RESTORE,
)


@pytest.fixture
def world() -> World:
    """A and B hold 2 each, and A's close fills while its stop is filling too."""
    world = World()
    world.trade("buy", "A", "100", "2", stop_loss="90")
    world.trade("buy", "B", "100", "2", stop_loss="80")
    return world


def overdraw(world: World, quantity: str = "2") -> list[ev.AnyEvent]:
    stop = world.resting(STOP, "A")
    for order_id in world.signal("close", "A").orders:
        world.fill(world.state.orders[order_id].order, "91")
    return world.fill(stop, "90", quantity)


def restoring(world: World) -> ApprovedOrder:
    return world.resting(RESTORE, "A")


@pytest.mark.parametrize(("side", "opening"), [(LONG, "buy"), (SHORT, "sell")])
def test_stop_and_close_that_both_fill_touch_nobody_else(side: PositionSide, opening: str) -> None:
    world = World()
    stop_price, other = ("90", "80") if side is LONG else ("110", "120")
    world.trade(opening, "A", "100", "2", stop_loss=stop_price)
    world.trade(opening, "B", "100", "2", stop_loss=other)
    before = world.position("B", side)
    books, stops = before.books, world.resting(STOP, "B")

    overdraw(world)
    assert [world.leg(side).quantity, world.position("A", side).quantity] == [Decimal(0), Decimal(-2)]
    restore = restoring(world)
    assert (restore.kind, restore.quantity, restore.position_side) == (OrderKind.MARKET, Decimal(2), side)
    assert restore.side is side.opening
    check(world.state)

    (filled,) = of_kind(world.fill(restore, "95", fee="0.3"), ev.OrderFilled)
    assert filled.shares[0].close_reason is CloseReason.MANUAL
    # A gave the second two at 90 and had them back for 95.
    assert filled.shares[0].realized == side.sign * (90 - 95) * 2
    assert set(world.leg(side).strategies) == {"B"}
    assert world.position("B", side).books == books
    assert world.resting(STOP, "B") == stops
    world.honour_cancels()
    check(world.state)


def test_part_of_a_stop_may_be_too_much(world: World) -> None:
    target = world.order("close", "A", quantity="1")
    world.fill(target, "99")
    stop = world.resting(STOP, "A")
    close = world.order("close", "A")
    world.fill(stop, "90", "0.4")
    world.fill(close, "91")

    assert world.position("A").quantity == Decimal("-0.4")
    assert restoring(world).quantity == Decimal("0.4")
    assert world.position("B").quantity == 2
    check(world.state)


def test_a_stop_that_fills_on_takes_more_and_that_is_put_back_too(world: World) -> None:
    stop = world.resting(STOP, "A")
    world.fill(world.order("close", "A"), "91")
    world.fill(stop, "90", "0.5")
    world.fill(stop, "90", "1.5")

    assert world.position("A").quantity == -2
    assert [live.order.quantity for live in world.live(RESTORE)] == [Decimal("0.5"), Decimal("1.5")]
    for live in world.live(RESTORE):
        world.fill(live.order, "92")
    assert set(world.leg().strategies) == {"B"}
    world.honour_cancels()
    check(world.state)


def test_what_the_venue_refuses_is_tried_again_after_a_pause(world: World) -> None:
    overdraw(world)
    world.report(restoring(world), OrderStatus.REJECTED, reason="no margin")
    assert world.live(RESTORE) == []
    assert world.state.waits_for_time
    check(world.state)

    world.pass_time(RETRY_MS // 2)
    assert world.live(RESTORE) == []
    world.pass_time(RETRY_MS)
    assert restoring(world).quantity == 2
    world.pass_time(2 * RETRY_MS)
    assert len(world.live(RESTORE)) == 1, "it is under way"


def test_several_debts_are_tried_again_under_ids_of_their_own() -> None:
    world = World()
    for strategy in ("A", "B", "C"):
        world.trade("buy", strategy, "100", "2", stop_loss="90")
    for strategy in ("A", "B"):
        stop = world.resting(STOP, strategy)
        world.fill(world.order("close", strategy), "91")
        world.fill(stop, "90", "1")
    for live in world.live(RESTORE):
        world.report(live.order, OrderStatus.EXPIRED)
    for _ in range(2):
        world.pass_time(2 * RETRY_MS)

    assert sorted((live.order.strategy_id, live.order.quantity) for live in world.live(RESTORE)) == [
        ("A", Decimal(1)),
        ("B", Decimal(1)),
    ]
    check(world.state)


def test_who_owes_opens_nothing_until_it_is_put_back(world: World) -> None:
    overdraw(world)
    assert world.signal("buy", "A", quantity="1").reason is Reason.OVERDRAWN
    assert world.signal("buy", "B", quantity="1").reason is None
    world.fill(restoring(world), "95")
    assert world.signal("buy", "A", quantity="1", signal_id="again").reason is None


def test_what_is_put_back_beyond_the_debt_is_sold_again() -> None:
    world = World()
    world.trade("buy", "A", "100", "2", stop_loss="90", take_profit="110")
    world.trade("buy", "B", "100", "2", stop_loss="80")
    entry = world.order("buy", "A", order_type="limit", price="93", quantity="3", stop_loss="85")
    stop, target = world.resting(STOP, "A"), world.resting(TARGET, "A")
    world.fill(stop, "90")
    world.fill(target, "110")
    restore = restoring(world)
    # An entry that rested fills meanwhile: that settles the debt first.
    world.fill(entry, "93")
    assert world.position("A").quantity == 1
    world.fill(restore, "94")

    close = world.resting(CLOSE, "A")
    assert close.quantity == 2
    world.fill(close, "94")
    assert world.position("A").quantity == 1
    assert world.resting(STOP, "A").quantity == 1
    world.honour_cancels()
    check(world.state)


def test_nobody_can_close_what_is_overdrawn(world: World) -> None:
    overdraw(world)
    assert world.signal("close", "A").reason is Reason.NO_POSITION
    assert restoring(world).quantity == 2, "what is under way back stays under way"


def test_funding_is_shared_by_what_each_holds_or_owes(world: World) -> None:
    overdraw(world, "1")
    (booked,) = of_kind(world.fund("0.001", "100"), ev.FundingBooked)
    assert booked.amount == Decimal("-0.1")
    assert {share.strategy_id: share.amount for share in booked.shares} == {"A": Decimal("0.1"), "B": Decimal("-0.2")}
    check(world.state)


def test_a_debt_above_the_greatest_market_order_is_put_back_in_parts() -> None:
    world = World(instrument("BTCUSDT"))
    world.trade("buy", "A", "100", "2", stop_loss="90")
    world.trade("buy", "B", "100", "3")
    smaller = (instrument("BTCUSDT", market_max_quantity="1.5"),)
    world.give(inputs.InstrumentsChanged(time_ms=world.now, instruments=smaller))
    overdraw(world)
    parts = [live.order for live in world.live(RESTORE)]
    assert [part.quantity for part in parts] == [Decimal("1.5"), Decimal("0.5")]
    for part in parts:
        world.fill(part, "92")
    assert set(world.leg().strategies) == {"B"}


moves = st.tuples(st.booleans(), st.integers(1, 10**6), st.integers(1, 10**6))


@given(side=st.sampled_from((LONG, SHORT)), trades=st.lists(moves, min_size=1, max_size=12))
def test_books_are_exact_whatever_is_bought_and_sold(side: PositionSide, trades: list[tuple[bool, int, int]]) -> None:
    with localcontext(MONEY):
        books, quantity, cash = EMPTY, Decimal(0), Decimal(0)
        for opening, amount, tick in trades:
            part, price = Decimal(amount).scaleb(-3), Decimal(tick).scaleb(-2)
            books = (books.opened if opening else books.closed)(side, part, price, Decimal(0))
            quantity += part if opening else -part
            cash -= part * price if opening else -part * price
        mark = Decimal("123.45")
        assert books.quantity == quantity
        assert books.cost * books.quantity >= 0
        assert bool(books.cost) == bool(quantity)
        assert books.realized + books.unrealized(side, mark) == side.sign * (cash + quantity * mark)
