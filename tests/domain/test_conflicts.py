"""Conflicts of an opening signal with what the same leg holds already."""

from decimal import Decimal

import pytest

from tests.support.builders import World, signal
from tradeengine.domain.conflicts import score_of


@pytest.mark.parametrize(
    ("mode", "strength", "score"),
    [
        ("deterministic", "medium", "0.8"),
        ("ml_light", "strong", "1.44"),
        ("llm_reasoning", "extreme", "2.4"),
        ("deterministic", "weak", "0.4"),
    ],
)
def test_the_score_is_confidence_times_mode_times_strength(mode: str, strength: str, score: str) -> None:
    assert score_of(signal(confidence="0.8", strategy_mode=mode, strength=strength)) == Decimal(score)


# ---------------------------------------------------------------- accumulate


def test_accumulate_lets_strategies_share_a_leg() -> None:
    world = World()
    world.trade("buy", "A", "100", "1")
    assert world.signal("buy", "B", quantity="1").outcome == "accepted"


def test_the_cap_counts_additions_and_not_the_opening() -> None:
    world = World(max_accumulations=2)
    for _ in range(3):
        world.trade("buy", "A", "100", "1")
    assert world.position().accumulations == 2
    assert world.signal("buy", "A", quantity="1").reason == "max_accumulations"


def test_the_cap_counts_orders_under_way() -> None:
    world = World(max_accumulations=1)
    world.order("buy", "A", quantity="1")
    world.order("buy", "A", quantity="1")
    assert world.signal("buy", "A", quantity="1").reason == "max_accumulations"


def test_an_entry_that_has_filled_in_part_is_no_addition_yet() -> None:
    world = World(max_accumulations=1)
    world.fill(world.order("buy", "A", quantity="2"), "100", "1")
    assert world.signal("buy", "A", quantity="1").outcome == "accepted"


def test_fills_of_one_order_are_one_addition_however_they_interleave() -> None:
    world = World(max_accumulations=2)
    opening, addition = world.order("buy", "A", quantity="2"), world.order("buy", "A", quantity="2", signal_id="2")
    for order in (opening, addition, opening, addition):
        world.fill(order, "100", "1")
    assert world.position().accumulations == 1


def test_the_cap_is_each_strategys_own() -> None:
    world = World(max_accumulations=0)
    world.trade("buy", "A", "100", "1")
    assert world.signal("buy", "A", quantity="1").reason == "max_accumulations"
    assert world.signal("buy", "B", quantity="1").outcome == "accepted"


def test_the_cap_starts_anew_with_a_new_position() -> None:
    world = World(max_accumulations=0)
    world.trade("buy", "A", "100", "1")
    world.trade("close", "A", "100")
    assert world.signal("buy", "A", quantity="1").outcome == "accepted"


def test_the_cooldown_ends_with_its_last_millisecond() -> None:
    world = World(cooldown_ms=1_000)
    world.trade("buy", "A", "100", "1")
    opened = world.position().last_open_ms
    assert world.signal("buy", "A", quantity="1", time_ms=opened + 999).reason == "cooldown"
    assert world.signal("buy", "A", quantity="1", time_ms=opened + 1_000).outcome == "accepted"


def test_the_cooldown_counts_from_an_order_that_has_not_filled_yet() -> None:
    world = World(cooldown_ms=1_000)
    world.order("buy", "A", quantity="1")
    assert world.signal("buy", "A", quantity="1").reason == "cooldown"


def test_the_cooldown_does_not_hold_up_a_close() -> None:
    world = World(cooldown_ms=60_000, max_accumulations=0)
    world.trade("buy", "A", "100", "1")
    assert world.signal("close", "A").outcome == "accepted"


# ---------------------------------------------------------------- strongest_wins


def test_only_a_stronger_signal_joins_a_held_leg() -> None:
    world = World(same_direction="strongest_wins")
    world.trade("buy", "A", "100", "1", confidence="0.8")
    assert world.signal("buy", "B", quantity="1", confidence="0.8").reason == "weaker_signal"
    assert world.signal("buy", "B", quantity="1", confidence="0.81").outcome == "accepted"


def test_an_order_under_way_is_a_rival_too() -> None:
    world = World(same_direction="strongest_wins")
    world.order("buy", "A", quantity="1", confidence="0.8")
    assert world.signal("buy", "B", quantity="1", confidence="0.7").reason == "weaker_signal"


def test_the_mode_weighs_in_the_contest() -> None:
    world = World(same_direction="strongest_wins")
    world.trade("buy", "A", "100", "1", confidence="0.9", strategy_mode="deterministic")
    assert world.signal("buy", "B", quantity="1", confidence="0.8", strategy_mode="ml_light").outcome == "accepted"


def test_nobody_is_a_rival_of_itself() -> None:
    world = World(same_direction="strongest_wins")
    world.trade("buy", "A", "100", "1", confidence="0.9")
    assert world.signal("buy", "A", quantity="1", confidence="0.7").outcome == "accepted"


def test_the_other_leg_is_no_rival() -> None:
    world = World(same_direction="strongest_wins")
    world.trade("buy", "A", "100", "1", confidence="1")
    assert world.signal("sell", "B", quantity="1", confidence="0.6").outcome == "accepted"


# ---------------------------------------------------------------- reject_duplicates


@pytest.mark.parametrize("strategy", ["A", "B"])
def test_a_held_leg_takes_no_more(strategy: str) -> None:
    world = World(same_direction="reject_duplicates")
    world.trade("buy", "A", "100", "1")
    decision = world.signal("buy", strategy, quantity="1")
    assert (decision.reason, decision.source) == ("position_exists", "conflict")
    assert decision.detail == "BTCUSDT_LONG is held by A"


def test_a_leg_with_an_order_under_way_takes_no_more() -> None:
    world = World(same_direction="reject_duplicates")
    world.order("buy", "A", quantity="1")
    assert world.signal("buy", "B", quantity="1").reason == "position_exists"


def test_a_leg_that_was_closed_is_free_again() -> None:
    world = World(same_direction="reject_duplicates")
    world.trade("buy", "A", "100", "1")
    world.trade("close", "A", "100")
    assert world.signal("buy", "B", quantity="1").outcome == "accepted"
