"""Reconcile: at which price the books follow the exchange, and what a halt does."""

from decimal import Decimal, localcontext

import msgspec
import pytest

from contracts.enums import OrderPurpose, OrderStatus, Severity
from contracts.signal import EXTERNAL
from tests.domain.reconcile_cases import FOREIGN, MARK, Exchange, found_in, holdings, make_books, settle, stop_named
from tests.support.builders import LONG, SHORT, World, build, of_kind
from tradeengine.domain import events as ev
from tradeengine.domain.decide import decide, restore, step
from tradeengine.domain.inputs import SymbolCommanded, VenueObserved, VenuePosition
from tradeengine.domain.money import MONEY
from tradeengine.domain.reconcile import differences, foreign_orders
from tradeengine.domain.state import ShardState


def stated(world: World, quantity: str, entry: str = "0", mark: str | None = "101", **fields: object) -> VenueObserved:
    """An exchange that states one LONG position and nothing else."""
    position = build(VenuePosition, position_side="LONG", quantity=quantity, entry_price=entry)
    return build(
        VenueObserved,
        time_ms=world.now,
        symbol="BTCUSDT",
        asked_ms=world.now,
        mark_price=mark,
        positions=(position,),
        **fields,
    )


# ---------------------------------------------------------------- prices


@pytest.mark.parametrize(
    ("quantity", "entry", "price"),
    [
        ("3", "102", "106"),
        ("3", "96", "88"),
        ("3", "100", "100"),
        # No trade was ever made at 500: what is adopted comes in at the exchange's average.
        ("2.01", "102", "102"),
    ],
)
def test_what_is_adopted_brings_the_leg_to_the_exchanges_average(quantity: str, entry: str, price: str) -> None:
    world = World()
    world.trade("buy", "A", "100", "2")
    (filled,) = of_kind(world.give(stated(world, quantity, entry)), ev.OrderFilled)
    assert (filled.price, filled.fee, filled.reconciled) == (Decimal(price), Decimal(0), True)
    assert world.position("A").books.entry_price == 100, "nobody's own average changes"
    if quantity == "3":
        assert world.leg().books.entry_price == Decimal(entry)


def test_a_foreign_position_comes_in_at_its_entry_price() -> None:
    world = World()
    (filled,) = of_kind(world.give(stated(world, "1.5", "93.5")), ev.OrderFilled)
    assert filled.price == Decimal("93.5")
    assert world.position(EXTERNAL).books.entry_price == Decimal("93.5")


def test_a_price_that_was_never_traded_triggers_nothing() -> None:
    world = World(stop_loss_pct="0.1")
    world.foreign("BUY", LONG, "1", "100")
    settle(world)
    exchange = Exchange(world, Decimal(1))
    (filled,) = of_kind(world.give(stated(world, "2", "80", orders=tuple(exchange.orders.values()))), ev.OrderFilled)
    assert filled.price == 60, "below the stop that the average of 80 gives"
    assert {live.order.purpose for live in world.live()} == {OrderPurpose.STOP_LOSS}


@pytest.mark.parametrize(("mark", "price"), [("93", "93"), (None, "100")])
def test_what_is_written_off_goes_at_the_mark_price_or_else_at_cost(mark: str | None, price: str) -> None:
    world = World()
    world.trade("buy", "A", "100", "1")
    world.trade("buy", "B", "100", "1")
    (filled,) = of_kind(world.give(stated(world, "0", mark=mark)), ev.OrderFilled)
    assert filled.price == Decimal(price)
    assert {share.close_reason for share in filled.shares} == {"manual"}
    assert world.state.totals.realized == 2 * (Decimal(price) - 100)


def test_external_gives_first() -> None:
    world = World()
    world.trade("buy", "A", "100", "2")
    world.foreign("BUY", LONG, "1", "100")
    world.give(stated(world, "1.5", "100"))
    assert holdings(world) == {"A": Decimal("1.5")}


def test_a_short_that_the_exchange_states_is_positive_too() -> None:
    world = World()
    world.trade("sell", "A", "100", "2")
    position = build(VenuePosition, position_side="SHORT", quantity="3", entry_price="98")
    world.give(msgspec.structs.replace(stated(world, "0"), positions=(position,)))
    assert world.leg(SHORT).quantity == 3
    assert world.leg(SHORT).books.entry_price == 98


def test_an_opening_whose_report_is_missing_settles_what_was_closed_of_it() -> None:
    world = World()
    entry = world.order(quantity="1")
    world.fill(entry, "100", "0.6")
    close = world.order("close", "A")
    world.foreign("SELL", LONG, "0.3", "100")
    world.fill(close, "101", "0.6")
    world.report(entry, OrderStatus.CANCELLED, executed="0.6")
    assert world.leg().quantity == Decimal("-0.3")
    world.give(stated(world, "0", mark="100"))
    assert world.state.legs == {}
    assert world.live() == []


# ---------------------------------------------------------------- telling


def test_bookings_of_two_looks_have_names_of_their_own() -> None:
    world = World()
    for quantity in ("1", "2", "1.5"):
        world.give(stated(world, quantity, "100"))
        assert world.leg().quantity == Decimal(quantity)


def test_an_adopted_quantity_does_not_move_the_watermark() -> None:
    world = World()
    world.foreign("BUY", LONG, "1", "100")
    before = dict(world.state.last_trades)
    world.give(stated(world, "2", "100"))
    assert world.state.last_trades == before == {"BTCUSDT": "1"}


def test_a_contradiction_that_changes_is_told_again_and_one_that_goes_is_over() -> None:
    world = make_books("one")
    first = world.give(stated(world, "-0.303"))
    assert found_in(first) == ["contradiction:halted"]
    assert [alert.severity for alert in of_kind(first, ev.AlertRaised)] == [Severity.CRITICAL]
    assert world.give(stated(world, "-0.303")) == []
    changed = world.give(stated(world, "-0.5"))
    assert [type(event) for event in changed] == [ev.DifferenceEnded, ev.DifferenceFound, ev.AlertRaised]
    (over,), (found,) = of_kind(changed, ev.DifferenceEnded), of_kind(first, ev.DifferenceFound)
    assert over.difference_id == found.difference_id
    exchange = Exchange(world, Decimal(2))
    assert [type(event) for event in exchange.look()] == [ev.DifferenceEnded]
    assert "BTCUSDT" in world.state.halted, "only an operator lets it trade again"


def test_a_symbol_that_is_let_go_with_its_contradiction_is_halted_again() -> None:
    world = World()
    world.give(stated(world, "-1"))
    world.give(SymbolCommanded(time_ms=world.now, symbol="BTCUSDT", halted=False, why="looks fine"))
    assert world.state.halted == {}
    again = world.give(stated(world, "-1"))
    assert found_in(again) == ["contradiction:halted"]
    assert len(of_kind(again, ev.SymbolHalted)) == 1


def test_an_operator_halts_and_releases_once() -> None:
    world = World()

    def command(halted: bool, why: str = "maintenance") -> list[ev.AnyEvent]:
        return world.give(SymbolCommanded(time_ms=world.now, symbol="BTCUSDT", halted=halted, why=why))

    assert command(False) == []
    assert [event.why for event in of_kind(command(True), ev.SymbolHalted)] == ["maintenance"]
    assert command(True, "another reason") == []
    assert world.state.halted == {"BTCUSDT": "maintenance"}
    assert len(command(False)) == 1
    assert world.state.halted == {}


def test_both_legs_halt_the_symbol_once() -> None:
    world = World()
    observed = stated(world, "-1")
    other = build(VenuePosition, position_side="SHORT", quantity="-2")
    events = world.give(msgspec.structs.replace(observed, positions=(*observed.positions, other)))
    assert len(of_kind(events, ev.DifferenceFound)) == 2
    assert len(of_kind(events, ev.SymbolHalted)) == 1


def test_differences_have_ids_of_their_own() -> None:
    world = make_books("one")
    exchange = Exchange(world, Decimal(3))
    exchange.orders.clear()
    found = of_kind(exchange.look(), ev.DifferenceFound)
    assert len({difference.difference_id for difference in found}) == len(found) == 2


def test_what_differs_can_be_asked_for_again_and_again() -> None:
    world = make_books("one")
    observed = stated(world, "-1")
    with localcontext(MONEY):
        first = [found.kind for found in differences(world.state, observed)]
    world.give(observed)
    with localcontext(MONEY):
        again = [found.kind for found in differences(world.state, stated(world, "-1"))]
    assert first == again == ["contradiction"]


def test_foreign_orders_are_counted_and_left_alone() -> None:
    world = make_books("one")
    exchange = Exchange(world, Decimal(2))
    exchange.orders[FOREIGN] = stop_named(FOREIGN)
    assert foreign_orders(world.state, exchange.observed()) == 1
    assert exchange.look() == []


def test_deciding_changes_nothing() -> None:
    world = make_books("several")
    exchange = Exchange(world, Decimal(5))
    exchange.orders.clear()
    before = world.state.canonical()
    with localcontext(MONEY):
        assert decide(world.state, exchange.observed())
    assert world.state.canonical() == before


def test_a_replay_of_an_observation_gives_the_same_state() -> None:
    world = make_books("overdrawn")
    copy = msgspec.json.decode(world.state.canonical(), type=ShardState)
    folded = msgspec.json.decode(world.state.canonical(), type=ShardState)
    exchange = Exchange(world, Decimal(5))
    exchange.orders.clear()
    observed = exchange.observed(mark_price=MARK)
    events = world.give(observed)
    assert step(copy, observed) == events
    restore(folded, events)
    assert copy.canonical() == folded.canonical() == world.state.canonical()
