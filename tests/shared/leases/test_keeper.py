"""The keeper's rules, one by one, in virtual time."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing

import pytest

from contracts.enums import TakeoverCause
from shared.leases.taking import DRIFT
from tests.shared.leases.world import GIVES_UP_S, GOOD, MOST_DRAIN_S, TTL_S, WEATHERS, World

LOOK_S = TTL_S / 15
TURN_S = TTL_S / 3


@pytest.fixture
def world() -> Iterator[World]:
    made = World(seed=7, shards=8)
    yield made
    made.close()
    assert made.wrong == []


def test_the_first_takes_everything_at_once(world: World) -> None:
    pod = world.pod()
    world.pass_time(1)

    assert pod.valid() == set(range(8))
    assert {held.epoch for held in pod.keeper.held.values()} == {1}
    assert pod.keeper.trouble is None
    assert pod.keeper.members == ("pod-0",)


def test_a_lease_is_renewed_at_a_third_of_its_time_all_with_one_command(world: World) -> None:
    pod = world.pod()
    world.pass_time(1)
    pod.link.asked.clear()
    world.pass_time(10 * TURN_S)

    asked = Counter(name for _, name in pod.link.asked)
    assert (asked["renew"], asked["announce"]) == (10, 10)
    assert asked["read"] == asked["members"] <= 10 * TURN_S + 1, "it looks once a second"
    assert set(asked) == {"renew", "announce", "read", "members"}
    assert pod.keeper.renewals == 80
    assert {held.epoch for held in pod.keeper.held.values()} == {1}, "a renewal raises no epoch"
    assert all(pod.keeper.valid_for(shard) > TTL_S - TURN_S - 1 for shard in range(8))


def test_its_time_counts_from_before_the_renewal_was_sent(world: World) -> None:
    pod = world.pod()
    world.pass_time(1)
    pod.link.weather = GOOD._replace(there_s=1.4, back_s=1.4)
    renewed = 0
    for _ in range(1_000):
        world.pass_time(0.1)
        if pod.keeper.renewals == renewed:
            continue
        renewed = pod.keeper.renewals
        asked = [at for at, name in pod.link.asked if name == "renew"]
        assert pod.keeper.valid_for(0) == pytest.approx(TTL_S - (world.loop.time() - asked[-1]))
    assert renewed == 8 * len([at for at, name in pod.link.asked if name == "renew"]) > 100


@pytest.mark.parametrize("seed", range(3))
def test_its_time_counts_from_before_the_take_was_sent(seed: int) -> None:
    with closing(World(seed, shards=1)) as world:
        pod = world.pod()
        pod.link.weather = GOOD._replace(back_s=GIVES_UP_S - 0.1)
        while not pod.valid():
            world.pass_time(0.01)
        asked = [at for at, name in pod.link.asked if name == "take"]
        assert pod.keeper.valid_for(0) == pytest.approx(TTL_S - (world.loop.time() - asked[-1]))


def test_silence_is_waited_for_before_a_shard_is_taken(world: World) -> None:
    first = world.pod()
    world.pass_time(1)
    first.freeze()
    second = world.pod()
    world.pass_time(TTL_S)
    assert second.valid() == set(), "the whole lease time must have been seen to pass"

    world.pass_time(TTL_S * DRIFT + 2 * LOOK_S)
    assert second.valid() == set(range(8))
    assert {held.epoch for held in second.keeper.held.values()} == {2}
    first.thaw()
    world.pass_time(0)
    assert first.valid() == set()
    assert sorted(first.told[-8:]) == [("lost", shard) for shard in range(8)]


@pytest.mark.parametrize("moment", range(5))
def test_clocks_that_run_unequally_are_allowed_for(world: World, moment: int) -> None:
    slow = world.pod(rate=1 - DRIFT / 2.05)
    slow.drains = False
    world.pass_time(1)
    hasty = world.pod(rate=1 + DRIFT / 2.05, ttl_s=TTL_S / 15)
    world.pass_time(2 * TTL_S + moment)
    slow.freeze()
    world.pass_time(2 * TTL_S)

    assert hasty.valid() == set(range(8))
    assert world.wrong == [], "the slow one's time was over before"


@pytest.mark.parametrize("moment", range(8))
def test_what_is_read_late_is_counted_from_late(world: World, moment: int) -> None:
    owner = world.pod()
    owner.drains = False
    world.pass_time(1)
    taker = world.pod()
    taker.link.weather = GOOD._replace(there_s=GIVES_UP_S - 0.1)
    world.pass_time(2 * TTL_S + moment)
    owner.freeze()
    world.pass_time(3 * TTL_S)

    assert [epochs[:2] for epochs in world.epochs.values()] == [[1, 2]] * 8
    assert world.wrong == [], "a renewal may have landed while the question was on its way"


def test_a_shard_waits_for_the_time_that_its_owner_counts_with(world: World) -> None:
    patient = world.pod(ttl_s=4 * TTL_S)
    world.pass_time(1)
    patient.freeze()
    hasty = world.pod(ttl_s=TTL_S)
    world.pass_time(3.9 * TTL_S)
    assert hasty.valid() == set()

    world.pass_time(TTL_S)
    assert hasty.valid() == set(range(8))


def test_a_silent_owner_is_replaced_within_two_lease_times(world: World) -> None:
    pods = [world.pod() for _ in range(3)]
    world.pass_time(3 * TTL_S)
    assert sorted(world.spread()) == [2, 3, 3]

    pods[1].kill()
    world.pass_time(2 * TTL_S)
    assert sorted(world.owners()) == list(range(8))
    assert world.spread() == [4, 4]


def test_who_comes_later_gets_a_fair_share_and_nothing_moves_twice(world: World) -> None:
    first = world.pod()
    world.pass_time(TTL_S)
    for number in (2, 3, 4):
        world.pod()
        world.pass_time(2 * TURN_S + MOST_DRAIN_S + 2)
        assert len(world.owners()) == 8
        assert max(world.spread()) - min(world.spread()) <= 1, f"{number} pods"

    assert sum(len(epochs) for epochs in world.epochs.values()) == 8 + 4 + 2 + 2
    assert [told for told, _ in first.told].count("surplus") == 6
    world.pass_time(10 * TTL_S)
    assert sum(len(epochs) for epochs in world.epochs.values()) == 16, "nothing moves while nothing happens"


def test_a_surplus_shard_is_held_until_it_is_given_back(world: World) -> None:
    first = world.pod()
    first.drains = False
    world.pass_time(1)
    second = world.pod()
    world.pass_time(3 * TTL_S)

    given = [shard for told, shard in first.told if told == "surplus"]
    assert len(given) == len(set(given)) == 4, "each is told once"
    assert (first.valid(), second.valid()) == (set(range(8)), set())
    for shard in given:
        world.start(first.keeper.give_back(shard))
    world.pass_time(LOOK_S + 1)
    assert second.valid() == set(given)
    assert "lost" not in [told for told, _ in first.told], "what was given back is not lost"


def test_a_clean_stop_leaves_everything_free_at_once(world: World) -> None:
    first, second = world.pod(), world.pod()
    world.pass_time(2 * TTL_S)
    first.stop()
    world.pass_time(TURN_S + 1)

    assert second.valid() == set(range(8))
    assert second.keeper.members == ("pod-1",)


def test_who_retires_hands_over_shard_by_shard(world: World) -> None:
    first, second = world.pod(), world.pod()
    world.pass_time(2 * TTL_S)
    first.keeper.retire()
    world.pass_time(MOST_DRAIN_S + 2 * TURN_S + LOOK_S)

    assert (first.valid(), second.valid()) == (set(), set(range(8)))
    assert [told for told, _ in first.told].count("surplus") == 4


@pytest.mark.parametrize("phase_s", [0.0, 0.2, 0.4, 0.6, 0.8])
def test_of_who_retires_no_shard_is_nobodys_for_long_and_few_are_brought_to_rest_at_once(phase_s: float) -> None:
    world = World(seed=7, shards=32)
    with closing(world):
        first = world.pod()
        first.most_drain_s = 0.0
        # So much later than the other each of its looks is.
        world.pass_time(phase_s)
        second = world.pod()
        world.pass_time(2 * TTL_S)
        assert world.spread() == [16, 16]
        first.keeper.retire()
        since: dict[int, float] = {}
        longest, most = 0.0, 0
        while first.valid():
            world.pass_time(0.05)
            most = max(most, len(first.leaving))
            nobodys = set(range(32)) - set(world.owners())
            since = {shard: since.get(shard, world.loop.time()) for shard in nobodys}
            longest = max([longest, *(world.loop.time() - began for began in since.values())])
            assert world.loop.time() < 6 * TTL_S
        world.pass_time(1)
        assert (second.valid(), second.keeper.members) == (set(range(32)), ("pod-1",))
        assert most <= 4
        assert longest < 0.35, "the others look four times a second while they wait"
    assert world.wrong == []


def test_a_drained_process_hands_over_one_shard_after_another_and_takes_none(world: World) -> None:
    first, second = world.pod(), world.pod()
    world.pass_time(2 * TTL_S)
    assert world.spread() == [4, 4]
    world.drain(first)
    fewest = 8
    while first.valid():
        world.pass_time(0.1)
        assert len(first.leaving) <= 1
        fewest = min(fewest, len(world.owners()))
        assert world.loop.time() < 6 * TTL_S
    assert fewest == 7, "no two shards are without an owner at once"
    world.pass_time(LOOK_S + 0.1)
    assert (first.keeper.draining, second.valid()) == (True, set(range(8)))
    assert {second.keeper.held[shard].cause for shard in world.handed} == {TakeoverCause.RELEASED}

    world.pass_time(4 * TTL_S)
    assert world.spread() == [0, 8]
    assert first.keeper.members == second.keeper.members == ("pod-0", "pod-1"), "it lives, and beats"
    world.drain(first, False)
    world.pass_time(2 * TURN_S + MOST_DRAIN_S + 2 * LOOK_S)
    assert (first.keeper.draining, world.spread()) == (False, [4, 4])


@pytest.mark.parametrize("moment", range(5))
def test_no_shard_of_a_drained_process_is_nobodys_for_long(world: World, moment: int) -> None:
    """The others have seen the mark before the first shard comes, and wait for it."""
    first = world.pod()
    world.pass_time(TURN_S / 2)
    world.pod()
    world.pass_time(2 * TTL_S + moment)
    world.drain(first)
    without = 0.0
    while first.valid():
        world.pass_time(0.05)
        without = without + 0.05 if len(world.owners()) < 8 else 0.0
        assert without <= LOOK_S + 0.2


def test_while_one_is_dead_its_shards_come_before_those_of_the_drained(world: World) -> None:
    pods = [world.pod() for _ in range(3)]
    world.pass_time(3 * TTL_S)
    drained, dead, taker = pods
    held = len(drained.valid())
    dead.kill()
    world.drain(drained)
    while not taker.valid() >= set(range(8)) - drained.valid() - dead.valid():
        world.pass_time(0.1)
    world.pass_time(3 * TTL_S)
    assert held > 0
    assert (drained.valid(), taker.valid()) == (set(), set(range(8)))


def test_who_is_drained_alone_keeps_its_shards_until_another_comes(world: World) -> None:
    first = world.pod()
    world.pass_time(1)
    world.drain(first)
    world.pass_time(3 * TTL_S)
    assert (first.keeper.draining, first.valid()) == (False, set(range(8)))

    second = world.pod()
    world.pass_time(2 * TTL_S)
    assert (first.valid(), second.valid()) == (set(), set(range(8)))
    second.kill()
    world.pass_time(2 * TTL_S + 2 * LOOK_S)
    assert (first.keeper.draining, first.valid()) == (False, set(range(8))), "nobody else lives"


def test_when_all_are_drained_nothing_moves(world: World) -> None:
    pods = [world.pod() for _ in range(2)]
    world.pass_time(2 * TTL_S)
    before = world.owners()
    for pod in pods:
        world.drain(pod)
    world.pass_time(3 * TTL_S)
    assert world.owners() == before


def test_why_a_shard_was_free_is_known(world: World) -> None:
    first = world.pod()
    world.pass_time(1)
    assert {held.cause for held in first.keeper.held.values()} == {TakeoverCause.FIRST}
    first.keeper.drop(0, "its append was fenced")
    world.pass_time(TURN_S)
    assert first.keeper.held[0].cause is TakeoverCause.AGAIN
    world.pass_time(TTL_S)
    assert first.keeper.held[0].cause is TakeoverCause.AGAIN, "a renewal keeps it"
    first.kill()
    second = world.pod()
    world.pass_time(2 * TTL_S)
    assert {held.cause for held in second.keeper.held.values()} == {TakeoverCause.SILENT}
    second.kill()
    heir = world.pod("heir", alone=True)
    world.pass_time(1)
    assert {held.cause for held in heir.keeper.held.values()} == {TakeoverCause.LEFT}


def test_what_was_seen_is_told_with_ages_and_without_asking(world: World) -> None:
    first, second = world.pod(version="1.2.3"), world.pod()
    world.pass_time(2 * TTL_S)
    second.kill()
    world.drain(second)
    world.pass_time(TTL_S + TURN_S)
    asked = len(first.link.asked)
    sight = first.keeper.sight()

    assert len(first.link.asked) == asked
    assert [(each.name, each.lives, each.said.drained) for each in sight.members] == [
        ("pod-0", True, False),
        ("pod-1", False, True),
    ]
    assert [each.said.version for each in sight.members] == ["1.2.3", ""]
    assert sight.members[1].silent_s > TTL_S
    assert 0 <= sight.age_s <= TURN_S + LOOK_S
    owners = {each.shard: each.lease.owner for each in sight.shards if each.lease is not None}
    assert sorted(owners) == list(range(8))
    assert {each.unchanged_s > TTL_S for each in sight.shards if owners[each.shard] == "pod-1"} <= {True}
    later = first.keeper.sight()
    world.pass_time(0.5)
    assert first.keeper.sight().age_s != later.age_s


def test_a_take_whose_answer_was_lost_is_found_by_reading(world: World) -> None:
    pod = world.pod()
    pod.link.loses_next = "take"
    world.pass_time(GIVES_UP_S + LOOK_S + 1)

    assert pod.valid() == set(range(8)), "nobody waits for a lease of its own"
    epochs = {shard: held.epoch for shard, held in pod.keeper.held.items()}
    assert sorted(epochs.values()) == [1, 1, 1, 1, 1, 1, 1, 2], "what was not confirmed is never counted on"


def test_a_release_whose_answer_or_request_was_lost_is_repeated(world: World) -> None:
    first = world.pod()
    first.drains = False
    world.pass_time(1)
    second = world.pod()
    world.pass_time(TTL_S)
    (shard, *_) = [shard for told, shard in first.told if told == "surplus"]
    first.link.weather = WEATHERS["swallowed"]
    world.start(first.keeper.give_back(shard))
    world.pass_time(GIVES_UP_S)
    first.link.weather = GOOD
    world.pass_time(TURN_S + 2 * LOOK_S)

    assert shard in second.valid()


def test_i76_a_store_that_is_down_at_the_start_is_used_as_soon_as_it_is_up(world: World) -> None:
    pod = world.pod()
    pod.link.weather = WEATHERS["away"]
    world.pass_time(300)
    assert pod.valid() == set()
    assert pod.keeper.trouble == "leases can be neither renewed nor taken: the store refuses"

    pod.link.weather = GOOD
    world.pass_time(LOOK_S + 1)
    assert pod.valid() == set(range(8))
    assert pod.keeper.trouble is None


@pytest.mark.parametrize("weather", ["away", "swallowed"])
def test_after_an_outage_each_takes_its_own_share_again_at_once(world: World, weather: str) -> None:
    pods = [world.pod() for _ in range(3)]
    world.pass_time(3 * TTL_S)
    before = world.owners()
    for pod in pods:
        pod.link.weather = WEATHERS[weather]
    world.pass_time(4 * TTL_S)
    assert world.owners() == {}
    assert all(pod.keeper.trouble for pod in pods)

    for pod in pods:
        pod.link.weather = GOOD
    world.pass_time(5)
    assert world.owners() == before
    epochs = {shard: pod.keeper.held[shard].epoch for pod in pods for shard in pod.valid()}
    assert all(epoch == len(world.epochs[shard]) for shard, epoch in epochs.items()), "a lost lease is never continued"


def test_nothing_is_handed_over_to_a_frozen_process_and_its_share_as_soon_as_it_goes_on(world: World) -> None:
    former = world.pod()
    world.pass_time(1)
    former.freeze()
    successor = world.pod()
    world.pass_time(2 * TTL_S)
    assert successor.valid() == set(range(8))
    world.pass_time(3 * TTL_S)
    assert "surplus" not in [told for told, _ in successor.told]

    former.thaw()
    world.pass_time(TURN_S + MOST_DRAIN_S + 2 * LOOK_S)
    assert world.spread() == [4, 4]
    assert [told for told, _ in successor.told].count("surplus") == 4


@pytest.mark.parametrize("weather", ["away", "swallowed"])
def test_who_was_dead_before_an_outage_is_dead_after_it(world: World, weather: str) -> None:
    """It is silent for the others, not because nobody could be heard: nothing is handed over to it."""
    pods = [world.pod() for _ in range(2)]
    world.pass_time(3 * TTL_S)
    dead, survivor = pods
    dead.kill()
    world.pass_time(2 * TTL_S)
    assert survivor.valid() == set(range(8))

    renewals = survivor.keeper.renewals
    while survivor.keeper.renewals == renewals:
        world.pass_time(0.1)
    survivor.link.weather = WEATHERS[weather]
    world.pass_time(TTL_S / 2 + LOOK_S)
    survivor.link.weather = GOOD
    world.pass_time(2 * TTL_S)
    assert "lost" not in [told for told, _ in survivor.told], "its leases outlast the outage"
    assert "surplus" not in [told for told, _ in survivor.told]
    assert survivor.keeper.members == ("pod-1",)


def test_who_dies_with_the_store_is_noticed_when_the_store_is_back(world: World) -> None:
    """Time in which nobody could be heard is not counted, what was silent before it is."""
    pods = [world.pod() for _ in range(2)]
    world.pass_time(3 * TTL_S)
    dead, survivor = pods
    dead.kill()
    survivor.link.weather = WEATHERS["away"]
    world.pass_time(10 * TTL_S)
    survivor.link.weather = GOOD
    world.pass_time(TTL_S / 2)
    assert "pod-0" in survivor.keeper.members, "it may be on its way back"

    world.pass_time(TTL_S / 2 + LOOK_S)
    assert "pod-0" not in survivor.keeper.members
    assert survivor.valid() == set(range(8))


def test_a_lease_that_ran_out_is_told_although_the_store_hangs(world: World) -> None:
    pod = world.pod()
    world.pass_time(1)
    pod.link.weather = WEATHERS["swallowed"]
    world.pass_time(TTL_S + LOOK_S)

    assert sorted(pod.told[-8:]) == [("lost", shard) for shard in range(8)]
    assert dict(pod.keeper.held) == {}


def test_one_renewal_may_be_lost(world: World) -> None:
    pod = world.pod()
    world.pass_time(1)
    pod.link.weather = WEATHERS["away"]
    world.pass_time(TURN_S + 2 * LOOK_S)
    pod.link.weather = GOOD
    world.pass_time(TTL_S)

    assert pod.valid() == set(range(8))
    assert "lost" not in [told for told, _ in pod.told]


def test_who_is_alone_waits_for_nobody(world: World) -> None:
    world.pod().kill()
    dead = world.pod("dead")
    world.pass_time(1)
    dead.kill()
    heir = world.pod("heir", alone=True)
    world.pass_time(0.2)

    assert heir.valid() == set(range(8))
    assert heir.keeper.members == ("heir",)
    assert world.announced() == {"heir"}


def test_a_dropped_shard_comes_back_under_another_epoch(world: World) -> None:
    pod = world.pod()
    world.pass_time(1)
    pod.keeper.drop(3, "its append was fenced")
    assert pod.keeper.valid_for(3) <= 0
    assert "lost" not in [told for told, _ in pod.told], "who drops it knows"

    world.pass_time(TURN_S)
    assert pod.keeper.held[3].epoch == 2


def test_what_may_still_take_effect_is_not_released_while_another_waits_for_it(world: World) -> None:
    """Requests of a shard that was dropped may be under way: who takes it waits until its lease is over."""
    first = world.pod()
    first.drains = False
    world.pass_time(1)
    second = world.pod()
    world.pass_time(TTL_S)
    (shard, *_) = [shard for told, shard in first.told if told == "surplus"]
    left = first.keeper.valid_for(shard)
    first.keeper.drop(shard, "handed over with an order under way")
    world.pass_time(left - 0.1)
    assert shard not in second.valid()

    world.pass_time(TURN_S + 2 * LOOK_S)
    assert shard in second.valid()


def test_what_may_still_take_effect_is_not_released_by_a_stop(world: World) -> None:
    first = world.pod()
    first.drains = False
    world.pass_time(1)
    second = world.pod()
    world.pass_time(TURN_S + 1)
    left = first.keeper.valid_for(3)
    first.keeper.drop(3, "stopped with an order under way")
    first.stop()
    world.pass_time(left - 0.1)
    assert second.valid() == set(range(8)) - {3}

    world.pass_time(TURN_S + 2 * LOOK_S)
    assert second.valid() == set(range(8))


def test_a_slow_store_is_enough(world: World) -> None:
    pods = [world.pod() for _ in range(2)]
    for pod in pods:
        pod.link.weather = WEATHERS["slow"]._replace(there_s=0.9, back_s=0.9)
    world.pass_time(6 * TTL_S)
    epochs = {shard: list(numbers) for shard, numbers in world.epochs.items()}
    world.pass_time(20 * TTL_S)

    assert world.spread() == [4, 4]
    assert world.epochs == epochs


def test_the_long_dead_are_forgotten(world: World) -> None:
    world.pod("dead")
    world.pod("alive")
    world.pass_time(TTL_S)
    world.pods[0].kill()
    world.pass_time(4 * TTL_S + 2 * TURN_S)

    assert world.announced() == {"alive"}


def test_a_renewal_that_is_confirmed_too_late_continues_nothing(world: World) -> None:
    pod = world.pod()
    while pod.link.asked[-1:] == [] or pod.link.asked[-1][1] != "renew":
        world.pass_time(0.001)
    pod.freeze()
    world.pass_time(TTL_S - TURN_S / 2)
    pod.thaw()
    world.pass_time(TURN_S)

    assert pod.valid() == set(range(8)), "nobody else wanted it"
    assert {held.epoch for held in pod.keeper.held.values()} == {2}


def test_what_was_held_while_the_clock_stood_still_is_given_up_and_comes_back_under_another_epoch(world: World) -> None:
    pod = world.pod()
    world.pass_time(1)
    pod.keeper.distrust("the exchange's clock has moved 20.0 s ahead of this machine's")

    assert pod.valid() == set()
    assert sorted(shard for told, shard in pod.told if told == "lost") == list(range(8))
    world.pass_time(TURN_S)
    assert {held.epoch for held in pod.keeper.held.values()} == {2}, "nobody has taken any meanwhile"
