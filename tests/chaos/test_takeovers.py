"""What counts as a take-over, and from when on it is counted."""

from contracts.enums import TakeoverCause
from tests.chaos.havoc import Done
from tests.chaos.plan import Kind
from tests.chaos.takeovers import TakeOver, after_silence
from tradeengine.domain.inputs import ShardTaken


def taken(time_ms: int, former: str, cause: TakeoverCause = TakeoverCause.SILENT) -> ShardTaken:
    return ShardTaken(time_ms=time_ms, owner="pod-b-7-ff", epoch=2, former=former, cause=cause)


def killed(time_ms: int, pod: str) -> Done:
    return Done(time_ms, f"kill {pod}", Kind.KILL, pod)


def frozen(time_ms: int, pod: str, until_ms: int) -> Done:
    return Done(time_ms, f"freeze {pod}", Kind.FREEZE, pod, until_ms)


def test_it_is_counted_from_the_end_of_the_start_that_held_the_shard() -> None:
    done = [killed(1_000, "pod-a-5"), killed(90_000, "pod-a-6")]
    assert after_silence([taken(5_500, "pod-a-5-ab")], done) == [TakeOver(4_500, is_calm=True)]
    assert after_silence([taken(95_000, "pod-a-6-cd")], done) == [TakeOver(5_000, is_calm=True)]


def test_a_standstill_counts_while_it_lasts_and_from_its_beginning_if_the_pod_is_killed_in_it() -> None:
    assert after_silence([taken(6_000, "pod-a-5-ab")], [frozen(1_000, "pod-a-5", 9_000)]) == [TakeOver(5_000, True)]
    assert after_silence([taken(60_000, "pod-a-5-ab")], [frozen(1_000, "pod-a-5", 9_000)]) == []
    both = [frozen(1_000, "pod-a-5", 2**63), killed(3_000, "pod-a-5")]
    assert after_silence([taken(7_000, "pod-a-5-ab")], both) == [TakeOver(6_000, True)]


def test_a_shard_that_was_given_back_or_belonged_to_a_living_pod_is_left_out() -> None:
    done = [killed(1_000, "pod-a-5")]
    assert after_silence([taken(5_000, "pod-a-5-ab", TakeoverCause.RELEASED)], done) == []
    assert after_silence([taken(5_000, "pod-c-9-ab")], done) == []


def test_it_is_no_calm_one_where_another_pod_or_the_store_was_not_well() -> None:
    claim, end = taken(5_000, "pod-a-5-ab"), killed(1_000, "pod-a-5")
    for disturbance in (
        killed(500, "pod-c-9"),
        frozen(2_000, "pod-b-7", 2_500),
        Done(3_000, "slow pod-b mongodb for 2 s", Kind.SLOW),
        Done(3_000, "restart mongodb", Kind.RESTART),
    ):
        assert after_silence([claim], sorted([end, disturbance])) == [TakeOver(4_000, is_calm=False)]
    harmless = Done(3_000, "cut pod-b mysql for 2 s", Kind.CUT)
    assert after_silence([claim], [end, harmless]) == [TakeOver(4_000, is_calm=True)]
