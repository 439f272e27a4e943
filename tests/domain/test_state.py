"""State: what is remembered, for how long, and that a copy of it goes on as the original does."""

from collections import OrderedDict

import msgspec
import pytest

from tests.support.builders import LONG, T0, World, build, instrument, signal
from tradeengine.domain import inputs
from tradeengine.domain import state as module
from tradeengine.domain.decide import step
from tradeengine.domain.state import ShardState

SHORT_MEMORY = {"max_signal_age_ms": 1_000, "max_signal_lead_ms": 100}


def test_an_empty_memory_is_complete() -> None:
    assert not World().state.needs_lookup(signal(timestamp_ms=T0 // 2))


def test_decisions_are_remembered_longer_than_a_signal_may_be_old() -> None:
    world = World(**SHORT_MEMORY)
    first = world.signal("hold", signal_id="first").signal_id
    world.signal("hold", time_ms=world.now + 1_150)
    assert world.signal("hold", signal_id=first).outcome == "duplicate"


def test_what_is_old_is_forgotten() -> None:
    world = World(**SHORT_MEMORY)
    for number in range(100):
        world.signal("hold", signal_id=str(number), time_ms=T0 + 1_000 * number)
    assert len(world.state.decided) <= 3


def test_a_signal_from_before_the_memorys_reach_must_be_looked_up() -> None:
    world = World(**SHORT_MEMORY)
    decided_ms = world.now
    world.signal("hold", signal_id="old", time_ms=decided_ms)
    world.signal("hold", signal_id="new", time_ms=decided_ms + 10_000)
    assert world.state.needs_lookup(signal("close", signal_id="old", timestamp_ms=decided_ms))
    assert world.state.needs_lookup(signal("close", signal_id="other", timestamp_ms=decided_ms + 100))
    assert not world.state.needs_lookup(signal("close", signal_id="other", timestamp_ms=decided_ms + 101))
    assert not world.state.needs_lookup(signal("hold", signal_id="new", timestamp_ms=decided_ms))


def test_the_memory_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradeengine.domain.evolve.MEMORY_ENTRIES", 10)
    world = World()
    for number in range(25):
        world.signal("hold", signal_id=str(number))
    assert len(world.state.decided) == 10
    forgotten = signal("hold", signal_id="3", timestamp_ms=T0)
    assert world.state.needs_lookup(forgotten)
    assert module.MEMORY_ENTRIES >= 10_000


def test_trades_are_forgotten_as_decisions_are_but_for_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradeengine.domain.evolve.TRADE_ENTRIES", 5)
    world = World(**SHORT_MEMORY)
    for number in range(20):
        world.foreign("BUY", LONG, "1", "100", time_ms=T0 + 1_000 * number)
        world.pass_time(1_000)
    assert list(world.state.trades) == [f"BTCUSDT:{number}" for number in range(16, 21)]


def test_a_decoded_state_has_the_same_bytes() -> None:
    world = World(stop_loss_pct="0.1", min_confidence_by_strategy={"Z": "0.1", "A": "0.2"})
    world.trade("buy", "B", "100", "1")
    world.trade("buy", "A", "100", "1")
    canonical = world.state.canonical()
    assert msgspec.json.decode(canonical, type=ShardState).canonical() == canonical


def test_a_decoded_state_goes_on_as_the_original_does() -> None:
    """Decisions depend on the order of things: who takes the remainder, which decision is the oldest."""
    world = World(instrument(step_size="0.001"), **SHORT_MEMORY)
    for strategy in "ZMA":
        world.trade("buy", strategy, "100", "0.7")
    copy = msgspec.json.decode(world.state.canonical(), type=ShardState)
    for given in (
        signal("hold", time_ms=world.now + 1_190),
        signal("close", "M", time_ms=world.now + 1_200),
        signal("hold", time_ms=world.now + 5_000),
        build(
            inputs.FundingSettled,
            time_ms=world.now + 5_001,
            symbol="BTCUSDT",
            rate="0.00012345",
            mark_price="99.99",
        ),
    ):
        assert step(copy, given) == world.give(given)
        assert copy.canonical() == world.state.canonical()


def test_digests_differ_when_states_do() -> None:
    first, second = World(), World()
    assert first.state.digest() == second.state.digest()
    second.trade("buy", "A", "100", "1")
    assert first.state.digest() != second.state.digest()


def test_the_memory_finds_its_oldest_entry_at_once_however_many_it_has_forgotten() -> None:
    # A dict that is emptied from the front looks past every place that was freed; after a snapshot as well as before.
    state = ShardState(shard=0)
    again = msgspec.json.decode(state.canonical(), type=ShardState)
    assert [type(memory) for s in (state, again) for memory in (s.decided, s.trades)] == [OrderedDict] * 4
