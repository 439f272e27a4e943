"""Three engines as processes under faults of every kind: the short form of ``make chaos``."""

import os
from pathlib import Path
from random import SystemRandom

import pytest

from tests.chaos.page import report
from tests.chaos.plan import Kind, Pace, make_plan
from tests.chaos.run import Order, play

SECONDS = 90.0
SIGNALS = 2_000


def test_a_plan_is_a_function_of_its_seed_and_has_every_kind() -> None:
    for seed in range(20):
        plan = make_plan(seed, SECONDS, Pace())
        assert plan == make_plan(seed, SECONDS, Pace())
        assert [fault.at_s for fault in plan] == sorted(fault.at_s for fault in plan)
        assert all(fault.at_s > 0 for fault in plan)
        assert {Kind.KILL, Kind.RESTART, Kind.LIE} <= {fault.kind for fault in plan}
    assert set(Kind) == {fault.kind for seed in range(5) for fault in make_plan(seed, SECONDS, Pace())}
    assert make_plan(1, SECONDS, Pace()) != make_plan(2, SECONDS, Pace())


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_pods_die_freeze_and_are_cut_off_and_nothing_is_lost_or_doubled(
    tmp_path: Path, server_folder: Path
) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or SystemRandom().getrandbits(32))
    print(f"CHAOS_SEED={seed} repeats the faults and the load (not the machine's own pace); logs are in {tmp_path}")
    result = await play(Order(seed, SECONDS, SIGNALS, Pace()), tmp_path, server_folder, print)
    print(report(result))
    assert result.faults[Kind.KILL] + result.faults[Kind.FREEZE] > 3, "that was no chaos"
    assert result.history.fills > 50, "the load was no load"
    assert result.takeovers > 6, "no shard changed its owner"
