"""Any number of freezes, lost answers and slow stores: at no instant do two processes count on one shard."""

import pytest
from hypothesis import Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from shared.leases.taking import DRIFT
from tests.shared.leases.world import GOOD, LATEST_S, TTL_S, WEATHERS, Pod, World

MOST_PODS = 4
OWNED_AGAIN_S = 2 * TTL_S + 2
"""What a shard may be without an owner once all is well: silence is noticed, waited for, and looked at again."""
SETTLED_S = TTL_S
RATES = st.sampled_from([1 - DRIFT / 3, 1.0, 1 + DRIFT / 3])
PLACES = st.integers(0, MOST_PODS - 1)


class Keepers(RuleBasedStateMachine):
    """Pods come, go, freeze and meet bad weather in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.world: World | None = None

    @property
    def here(self) -> World:
        assert self.world is not None
        return self.world

    def one(self, place: int) -> Pod:
        return self.here.living[place % len(self.here.living)]

    @initialize(seed=st.integers(0, 2**32 - 1), shards=st.integers(1, 6))
    def begin(self, seed: int, shards: int) -> None:
        note(f"seed {seed}")
        self.world = World(seed, shards=shards)
        self.here.pod()

    @precondition(lambda self: self.world is not None and len(self.world.living) < MOST_PODS)
    @rule(rate=RATES, ttl_s=st.sampled_from([TTL_S, TTL_S / 6]))
    def start(self, rate: float, ttl_s: float) -> None:
        self.here.pod(rate=rate, ttl_s=ttl_s)

    @precondition(lambda self: self.world is not None and len(self.world.living) > 1)
    @rule(place=PLACES)
    def kill(self, place: int) -> None:
        self.one(place).kill()

    @precondition(lambda self: self.world is not None and len(self.world.living) > 1)
    @rule(place=PLACES)
    def stop(self, place: int) -> None:
        pod = self.one(place)
        pod.thaw()
        pod.stop()

    @rule(place=PLACES, seconds=st.sampled_from([0.5, TTL_S / 3, TTL_S - 0.1, TTL_S + 0.1, 3 * TTL_S]))
    def freeze_for(self, place: int, seconds: float) -> None:
        pod = self.one(place)
        pod.freeze()
        self.here.pass_time(seconds)
        pod.thaw()

    @rule(place=PLACES)
    def freeze(self, place: int) -> None:
        self.one(place).freeze()

    @rule()
    def thaw(self) -> None:
        for pod in self.here.pods:
            pod.thaw()

    @rule(place=PLACES, weather=st.sampled_from(["slow", "slow answers"]))
    def freeze_when_slow(self, place: int, weather: str) -> None:
        pod = self.one(place)
        pod.link.weather = WEATHERS[weather]
        self.here.pass_time(TTL_S / 2)
        self.freeze_for(place, 3 * TTL_S)

    @rule(place=PLACES, weather=st.sampled_from(sorted(WEATHERS)))
    def change_weather(self, place: int, weather: str) -> None:
        self.one(place).link.weather = WEATHERS[weather]

    @rule(place=PLACES, drained=st.sampled_from([True, True, False]))
    def drain(self, place: int, drained: bool) -> None:
        self.here.drain(self.one(place), drained)

    @rule(seconds=st.floats(0.01, 20))
    def pass_time(self, seconds: float) -> None:
        self.here.pass_time(seconds)

    @invariant()
    def nothing_was_wrong(self) -> None:
        if self.world is not None:
            assert self.world.wrong == []

    def teardown(self) -> None:
        if self.world is None:
            return
        try:
            self.all_is_well_again()
        finally:
            self.world.close()

    def all_is_well_again(self) -> None:
        self.thaw()
        for pod in self.here.pods:
            pod.link.weather = GOOD
        self.here.pass_time(LATEST_S)
        self.nothing_was_wrong()
        if not self.here.living:
            self.here.pod()
        self.here.pass_time(OWNED_AGAIN_S)
        assert sorted(self.here.owners()) == list(range(self.here.shards)), "a shard has no owner"
        self.here.pass_time(SETTLED_S)
        drained = self.here.drained()
        taking = [pod for pod in self.here.living if pod.name not in drained] or self.here.living
        counts = [len(pod.valid()) for pod in taking]
        assert sum(counts) == self.here.shards, f"of {sorted(drained)}, who is drained holds something"
        assert max(counts) - min(counts) <= 1
        before = {shard: list(epochs) for shard, epochs in self.here.epochs.items()}
        self.here.pass_time(3 * TTL_S)
        assert self.here.epochs == before, "shards wander although nothing happens"
        self.nothing_was_wrong()


@pytest.mark.slow
def test_at_no_instant_do_two_processes_count_on_one_shard() -> None:
    run_state_machine_as_test(
        Keepers,
        settings=settings(
            max_examples=max(10, settings().max_examples // 4),
            stateful_step_count=20,
            # Twenty steps can be read; to find fewer that fail would take minutes.
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
        ),
    )
