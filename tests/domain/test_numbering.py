"""Numbered signals: what is missing is told, what comes late closes it, and a new count is no gap."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.enums import Outcome
from tests.support.builders import T0, World, of_kind
from tradeengine.domain.decide import restore
from tradeengine.domain.events import AlertRaised, SignalDecided
from tradeengine.domain.numbering import MAX_HOLES, MAX_NUMBERED, Numbering, arrive, note_number
from tradeengine.domain.state import ShardState


def sent(world: World, *numbers: int, strategy: str = "A", at: Sequence[int] = ()) -> list[AlertRaised]:
    """Send numbered signals, each a second after the one before or at the times given; what is told of them."""
    told: list[AlertRaised] = []
    for index, number in enumerate(numbers):
        timestamp = at[index] if at else world.now
        before = len(world.events)
        world.signal(
            "hold",
            strategy,
            signal_id=f"{number}@{timestamp}",
            sequence=number,
            timestamp_ms=timestamp,
            time_ms=world.now + 1_000,
        )
        told += of_kind(world.events[before:], AlertRaised)
    return told


def test_signals_in_order_are_no_news() -> None:
    assert sent(World(), *range(1, 50)) == []


def test_a_hole_is_told_once_with_what_is_missing() -> None:
    (told,) = sent(World(), 7, 8, 12, 13)
    assert (told.name, told.severity, told.missing) == ("signal_gap", "warning", (9, 11))
    assert (told.symbol, told.strategy_id) == ("BTCUSDT", "A")
    assert told.text == (
        "signals 9 to 11 of A on BTCUSDT did not come, 12 did: publish what is missing again, each under its own "
        "signal_id"
    )


def test_one_missing_signal_is_told_by_its_number() -> None:
    (told,) = sent(World(), 1, 3)
    assert told.text.startswith("signal 2 of A on BTCUSDT did not come")


def test_late_arrivals_close_the_hole_in_whatever_order() -> None:
    world = World()
    early = world.now
    assert [told.missing for told in sent(world, 1, 5)] == [(2, 4)]
    assert sent(world, 3, at=[early]) == []
    (told,) = sent(world, 2, at=[early])
    assert (told.name, told.severity) == ("signal_gap_closed", "info")
    assert told.text == "signal 2 of A on BTCUSDT has come late; 1 more is missing"
    (told,) = sent(world, 4, at=[early])
    assert told.text == "signal 4 of A on BTCUSDT has come late; nothing more is missing"
    assert sent(world, 6, 7) == []


def test_a_copy_of_a_signal_is_no_arrival() -> None:
    world = World()
    timestamp = world.now
    sent(world, 1, 2, at=[timestamp, timestamp])
    before = len(world.events)
    decision = world.signal("hold", signal_id=f"2@{timestamp}", sequence=2, timestamp_ms=timestamp)
    assert decision.outcome is Outcome.DUPLICATE
    assert decision.sequence is None
    assert of_kind(world.events[before:], AlertRaised) == []


def test_a_count_that_begins_anew_is_told_and_accepted() -> None:
    world = World()
    sent(world, 10, 11)
    (told,) = sent(world, 1)
    assert (told.name, told.severity) == ("signal_numbering_restarted", "info")
    assert sent(world, 2, 3) == []
    assert [one.missing for one in sent(world, 6)] == [(4, 5)]


def test_a_lower_number_of_a_newer_signal_begins_anew_too() -> None:
    world = World()
    sent(world, 100, 101)
    assert [told.name for told in sent(world, 40)] == ["signal_numbering_restarted"]
    assert sent(world, 41) == []


def test_an_old_signal_with_an_old_number_is_passed_over() -> None:
    world = World()
    early = world.now
    sent(world, 5, 6, 7)
    assert sent(world, 4, at=[early]) == []
    assert sent(world, 8) == []


def test_a_first_signal_of_the_same_moment_begins_anew() -> None:
    world = World()
    moment = world.now
    sent(world, 5, 6, at=[moment, moment])
    assert [told.name for told in sent(world, 1, at=[moment])] == ["signal_numbering_restarted"]


def test_each_strategy_and_symbol_is_counted_by_itself() -> None:
    world = World()
    assert sent(world, 1, 2) == []
    assert sent(world, 1, 2, strategy="B") == []
    (told,) = sent(world, 9, strategy="B")
    assert (told.strategy_id, told.missing) == ("B", (3, 8))
    assert sent(world, 3) == []


def test_a_refused_signal_has_arrived_all_the_same() -> None:
    world = World(min_confidence="0.9")
    sent(world, 1)
    refused = world.signal("buy", signal_id="x", sequence=2, confidence="0.1", quantity="1")
    assert refused.outcome is Outcome.REJECTED
    assert sent(world, 3) == []


def test_signals_without_a_number_count_for_nothing() -> None:
    world = World()
    sent(world, 1)
    world.signal("hold", signal_id="unnumbered")
    assert sent(world, 2) == []
    assert len(world.state.numberings) == 1


def test_the_memory_is_bounded_and_lets_go_of_who_was_heard_of_least_lately() -> None:
    numberings: dict[str, Numbering] = {}
    for number in range(MAX_NUMBERED + 1):
        note_number(numberings, f"strategy {number}", 1, T0)
        note_number(numberings, "strategy 0", number + 2, T0)
    assert len(numberings) == MAX_NUMBERED
    assert "strategy 0" in numberings
    assert "strategy 1" not in numberings


def test_open_holes_are_bounded_and_the_oldest_is_let_go() -> None:
    held = None
    for number in range(1, 4 * MAX_HOLES, 2):
        held = arrive(held, number, T0 + number).after
    assert held is not None
    assert len(held.holes) == MAX_HOLES
    assert held.holes[-1] == (held.highest - 1, held.highest - 1)


@given(st.permutations(range(1, 12)))
def test_whatever_the_order_nothing_is_missing_once_all_have_come(order: list[int]) -> None:
    held = arrive(None, 1, T0).after
    for number in (*[number + 1 for number in order], 13):
        held = arrive(held, number, T0).after
    assert held == Numbering(13, T0)


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 40)), min_size=1, max_size=60))
def test_what_is_open_is_what_never_came(arrivals: list[tuple[int, int]]) -> None:
    held, came, first = None, set[int](), 0
    for number, when in arrivals:
        arrival = arrive(held, number, T0 + when)
        if arrival.restarted or held is None:
            came = set()
            first = number
        if held is None or arrival.after != held or number in came:
            came.add(number)
        held = arrival.after
        missing = {number for low, high in held.holes for number in range(low, high + 1)}
        if len(held.holes) < MAX_HOLES:
            assert missing == {number for number in range(first, held.highest) if number not in came}
        assert all(low <= high < held.highest for low, high in held.holes)
        assert list(held.holes) == sorted(held.holes)


@pytest.mark.parametrize("numbers", [(1, 5, 3), (9, 1, 2, 7)])
def test_a_restart_remembers_what_is_missing(numbers: tuple[int, ...]) -> None:
    world = World()
    sent(world, *numbers)
    restored = ShardState(shard=0)
    restore(restored, world.events)
    assert restored.canonical() == world.state.canonical()
    assert msgspec.json.decode(world.state.canonical(), type=ShardState).canonical() == world.state.canonical()
    assert of_kind(world.events, SignalDecided)[0].sequence == numbers[0]
