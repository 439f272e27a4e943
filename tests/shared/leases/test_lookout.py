"""Who lives is told from outside by watching, and by no clock but the own."""

from shared.clock import ManualClock
from shared.leases.lookout import Lookout
from shared.leases.memory import MemoryLeases

TTL_S = 15.0


async def test_who_beats_lives_and_who_does_not_is_silent_after_the_lease_time() -> None:
    store, clock = MemoryLeases(), ManualClock()
    await store.announce("alive", 7)
    await store.announce("dead", 3)
    lookout = Lookout(store, clock, 2, TTL_S)
    await lookout.look()
    assert (lookout.living, lookout.undecided) == (set(), {"alive", "dead"}), "one look tells nothing"

    clock.set(5_000)
    await store.announce("alive", 8)
    await store.announce("new", 1)
    await lookout.look()
    assert (lookout.living, lookout.undecided) == ({"alive", "new"}, {"dead"})

    clock.set(17_000)
    await store.announce("new", 2)
    await lookout.look()
    assert (lookout.living, lookout.undecided) == ({"alive", "new"}, set())
    assert [(seen.name, seen.lives, seen.silent_s) for seen in lookout.sight().members] == [
        ("alive", True, 12.0),
        ("dead", False, 17.0),
        ("new", True, 0.0),
    ]
    clock.set(22_000)
    await lookout.look()
    assert lookout.living == {"new"}, "who falls silent while it is watched does not live either"


async def test_an_owner_is_waited_for_as_long_as_it_counts_on_its_lease() -> None:
    store, clock = MemoryLeases(), ManualClock()
    await store.announce("patient", 1)
    await store.take(None, 0, "patient", 60_000)
    lookout = Lookout(store, clock, 2, TTL_S)
    await lookout.look()
    clock.set(60_000)
    await lookout.look()
    assert lookout.undecided == {"patient"}
    clock.set(67_000)
    await lookout.look()
    assert (lookout.undecided, lookout.living) == (set(), set())
    assert [(seen.shard, seen.lease is None, seen.unchanged_s) for seen in lookout.sight().shards] == [
        (0, False, 67.0),
        (1, True, 0.0),
    ]
