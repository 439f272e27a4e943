"""Decide and evolve: orders' lives, deadlines, and one state whichever way it is reached."""

import msgspec
import pytest

from contracts.enums import OrderPurpose, OrderStatus
from tests.support.builders import World, instrument, of_kind, signal
from tradeengine.domain import events as ev
from tradeengine.domain import inputs
from tradeengine.domain.decide import decide, restore
from tradeengine.domain.state import ShardState


def test_deciding_leaves_the_state_as_it_is() -> None:
    world = World(stop_loss_pct="0.1")
    world.trade("buy", "A", "100", "1")
    before = world.state.canonical()
    assert decide(world.state, signal("close", time_ms=world.now))
    assert decide(world.state, signal("buy", time_ms=world.now, quantity="1"))
    assert world.state.canonical() == before


def test_restoring_the_events_gives_the_same_bytes() -> None:
    world = World(stop_loss_pct="0.1", take_profit_pct="0.1")
    world.trade("buy", "A", "100.7", "0.3", fee="0.01")
    world.trade("buy", "B", "101.3", "0.7", fee="0.01")
    world.trade("close", "A", "99.9", "0.1")
    world.fund("0.000123", "100.1")
    restored = ShardState(shard=0)
    restore(restored, msgspec.json.decode(msgspec.json.encode(world.events), type=list[ev.AnyEvent]))
    assert restored.canonical() == world.state.canonical()
    assert restored.digest() == world.state.digest()


def test_what_is_configured_is_recorded() -> None:
    world = World(cooldown_ms=7)
    assert [type(event) for event in world.events] == [ev.JournalNamed, ev.InstrumentsSet, ev.ConfigSet]
    assert (world.state.journal_id, world.state.config.cooldown_ms) == ("test", 7)


def test_new_trading_rules_replace_those_of_their_symbols_only() -> None:
    world = World(instrument("BTCUSDT", step_size="1"), instrument("ETHUSDT", step_size="1"))
    world.give(inputs.InstrumentsChanged(time_ms=world.now, instruments=(instrument("ETHUSDT", step_size="2"),)))
    assert {symbol: rules.step_size for symbol, rules in world.state.instruments.items()} == {
        "BTCUSDT": 1,
        "ETHUSDT": 2,
    }


# ---------------------------------------------------------------- reports


def test_an_order_that_the_venue_took_is_open() -> None:
    world = World()
    order = world.order(quantity="1")
    assert of_kind(world.report(order, OrderStatus.OPEN, venue_order_id="77"), ev.OrderOpened)
    live = world.state.orders[order.client_order_id]
    assert (live.status, live.venue_order_id) == ("open", "77")


@pytest.mark.parametrize("status", [OrderStatus.OPEN, OrderStatus.PLANNED])
def test_a_report_that_says_nothing_new_changes_nothing(status: OrderStatus) -> None:
    world = World()
    order = world.order(quantity="1")
    world.report(order, OrderStatus.OPEN)
    assert world.report(order, status) == []


@pytest.mark.parametrize("status", list(OrderStatus))
def test_a_report_on_an_unknown_order_changes_nothing(status: OrderStatus) -> None:
    world = World()
    given = inputs.OrderReported(time_ms=world.now, client_order_id="web_1", status=status)
    assert world.give(given) == []


def test_an_order_ends_once() -> None:
    world = World()
    order = world.order(quantity="2")
    world.report(order, OrderStatus.CANCELLED, executed="1")
    assert world.report(order, OrderStatus.EXPIRED, executed="2") == []
    assert world.report(order, OrderStatus.OPEN) == []


def test_the_end_of_an_order_says_whether_it_was_wanted() -> None:
    world = World()
    orders = [world.order(strategy=s, quantity="1", order_type="limit", target_price="9") for s in ("A", "B")]
    world.signal("close", "A")
    ends = [of_kind(world.report(order, OrderStatus.CANCELLED), ev.OrderEnded)[0] for order in orders]
    assert [(end.strategy_id, end.wanted) for end in ends] == [("A", True), ("B", False)]


def test_an_entry_that_ended_is_not_placed_again() -> None:
    world = World()
    events = world.report(world.order(quantity="1"), OrderStatus.EXPIRED)
    assert [type(event) for event in events] == [ev.OrderEnded]


# ---------------------------------------------------------------- deadlines


def test_an_entry_is_cancelled_at_its_deadline_and_once() -> None:
    world = World()
    order = world.order(quantity="1", order_type="limit", target_price="9", conditional_timeout_s=60)
    assert order.expires_ms is not None
    assert world.give(inputs.TimeAdvanced(time_ms=order.expires_ms - 1)) == []
    (cancel,) = world.give(inputs.TimeAdvanced(time_ms=order.expires_ms))
    assert isinstance(cancel, ev.CancelPlanned)
    assert (cancel.client_order_id, cancel.why) == (order.client_order_id, "expired")
    assert world.give(inputs.TimeAdvanced(time_ms=order.expires_ms + 1)) == []


def test_protection_has_no_deadline() -> None:
    world = World(stop_loss_pct="0.1")
    world.trade("buy", "A", "100", "1", order_type="limit", target_price="100", conditional_timeout_s=1)
    assert world.pass_time(10**10) == []
    assert len(world.live(OrderPurpose.STOP_LOSS)) == 1


@pytest.mark.parametrize("kind", inputs.AnyInput.__args__)
def test_every_input_has_its_decision(kind: type[inputs.Input]) -> None:
    from tradeengine.domain.decide import _DECIDE

    assert kind in _DECIDE


@pytest.mark.parametrize("kind", ev.AnyEvent.__args__)
def test_every_event_has_its_application(kind: type[ev.Event]) -> None:
    from tradeengine.domain.evolve import _APPLY

    assert kind in _APPLY


def test_inputs_survive_their_encoding() -> None:
    given = signal("buy", quantity="0.1", mark="100.10", carried={"note": "x"}, stop_loss_pct="0.02")
    assert msgspec.json.decode(msgspec.json.encode(given), type=inputs.AnyInput) == given
