"""Two strategies, one position: the users' own report, with its figures."""

from decimal import Decimal

import pytest

from contracts.enums import OrderPurpose
from tests.support.builders import LONG, SHORT, World, instrument, of_kind
from tradeengine.domain import events as ev


@pytest.fixture
def world() -> World:
    world = World(instrument(step_size="0.001"))
    world.trade("buy", "A", "45000", "0.001", stop_loss_pct="0.02", take_profit_pct="0.04")
    world.trade("buy", "B", "46000", "0.002", stop_loss_pct="0.03")
    return world


def test_there_is_one_exchange_position_with_the_average_of_both(world: World) -> None:
    assert list(world.state.legs) == ["BTCUSDT_LONG"]
    assert world.leg().quantity == Decimal("0.003")
    assert str(world.leg().books.entry_price) == "45666.666666666666666667"


def test_each_strategy_has_its_own_entry_stop_and_target(world: World) -> None:
    a, b = world.position("A"), world.position("B")
    assert (a.quantity, a.books.entry_price) == (Decimal("0.001"), Decimal(45000))
    assert (b.quantity, b.books.entry_price) == (Decimal("0.002"), Decimal(46000))
    stops = {s: world.resting(OrderPurpose.STOP_LOSS, s) for s in "AB"}
    assert {s: (stop.trigger_price, stop.quantity) for s, stop in stops.items()} == {
        "A": (Decimal(44100), Decimal("0.001")),
        "B": (Decimal(44620), Decimal("0.002")),
    }
    assert world.resting(OrderPurpose.TAKE_PROFIT, "A").trigger_price == Decimal(46800)
    assert world.live(OrderPurpose.TAKE_PROFIT, "B") == []


def test_there_are_two_contributions(world: World) -> None:
    filled = of_kind(world.events, ev.OrderFilled)
    shares = [(f.sequence, s.strategy_id, s.quantity, f.before, f.after.quantity) for f in filled for s in f.shares]
    assert shares == [
        (1, "A", Decimal("0.001"), Decimal(0), Decimal("0.001")),
        (2, "B", Decimal("0.002"), Decimal("0.001"), Decimal("0.003")),
    ]


def test_a_sell_signal_opens_short_beside_it_and_is_no_conflict(world: World) -> None:
    before = world.state.legs["BTCUSDT_LONG"].books
    world.trade("sell", "C", "45500", "0.005")
    assert list(world.state.legs) == ["BTCUSDT_LONG", "BTCUSDT_SHORT"]
    assert world.leg(SHORT).quantity == Decimal("0.005")
    assert world.leg(LONG).books == before


def test_the_close_of_one_touches_nobody_else(world: World) -> None:
    world.trade("sell", "C", "45500", "0.005", stop_loss_pct="0.02")
    b, c = world.position("B"), world.position("C", SHORT)
    untouched = (b.books, c.books, b.stop_order_id, c.stop_order_id)

    close = world.order("close", "A")
    assert (close.side, close.position_side, close.quantity) == ("SELL", "LONG", Decimal("0.001"))
    (filled,) = of_kind(world.fill(close, "47000"), ev.OrderFilled)

    assert [share.strategy_id for share in filled.shares] == ["A"]
    assert filled.shares[0].realized == Decimal(2)
    assert world.leg().quantity == Decimal("0.002")
    assert list(world.leg().strategies) == ["B"]
    assert (b.books, c.books, b.stop_order_id, c.stop_order_id) == untouched
    assert {live.order.strategy_id for live in world.live()} == {"B", "C"}
