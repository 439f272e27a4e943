"""The soak finds growth and dearer signals where there are some, and looks at the right process."""

import multiprocessing
import multiprocessing.connection
import time
from collections.abc import Sequence

import pytest

from tests.benchmarks.load import Seen
from tests.benchmarks.soak import evaluate, slope
from tests.benchmarks.soak_watch import Sample, Watch, look

_S = 1_000_000_000
_MIB = 2**20
_CHUNK = 64 * _MIB


def history(seconds: int, rate: int, resident: Sequence[int], cpu_ns: Sequence[int]) -> tuple[Seen, list[Sample]]:
    """Signals that are acknowledged evenly, and a look at each whole second."""
    acked = [number * _S // rate for number in range(1, seconds * rate + 1)]
    samples = [Sample(second * _S, resident[second], cpu_ns[second]) for second in range(seconds + 1)]
    return Seen(0, acked, acked), samples


def test_growth_is_that_after_the_warm_up() -> None:
    resident = [100 * _MIB + min(second, 60) * _MIB + max(0, second - 60) * 1_000 for second in range(121)]
    seen, samples = history(120, 10, resident, [second * 5_000_000 for second in range(121)])

    found = evaluate(seen, samples, warm=600)

    assert found.per_minute == pytest.approx(60_000)
    assert found.per_signal == pytest.approx(100)
    assert (found.begun, found.held[0], found.held[-1]) == (100 * _MIB, 160 * _MIB, 160 * _MIB + 60_000)
    assert found.cpu_us == pytest.approx([500] * 10)


def test_a_warm_up_that_is_cut_short_shows() -> None:
    resident = [100 * _MIB + min(second, 60) * _MIB for second in range(121)]
    seen, samples = history(120, 10, resident, [0] * 121)
    assert evaluate(seen, samples, warm=300).per_minute > 10 * _MIB


def test_signals_that_become_dearer_show() -> None:
    cpu_ns = [second * second * 100_000 for second in range(101)]
    seen, samples = history(100, 10, [_MIB] * 101, cpu_ns)
    found = evaluate(seen, samples, warm=0)
    assert found.cpu_us[-1] / found.cpu_us[0] == pytest.approx(19)


def test_without_enough_looks_nothing_is_said() -> None:
    seen, samples = history(12, 10, [_MIB] * 13, [0] * 13)
    with pytest.raises(RuntimeError, match="too few"):
        evaluate(seen, samples, warm=60)


def test_slope_of_a_line_and_of_nothing() -> None:
    assert slope([0.0, 1.0, 3.0], [5.0, 7.0, 11.0]) == pytest.approx(2)
    assert slope([], []) == 0
    assert slope([4.0], [9.0]) == 0


def _hold(line: "multiprocessing.connection.Connection") -> None:
    held: list[bytearray] = []
    while line.recv() == "more":
        held.append(bytearray(b"\x01") * _CHUNK)
        began = time.process_time()
        while time.process_time() - began < 0.1:
            pass
        line.send("done")


def test_the_child_that_is_named_is_watched() -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=_hold, args=(theirs,), name="the one", daemon=True)
    child.start()
    try:
        ours.send("more")
        assert ours.poll(60), "the child says nothing"
        ours.recv()
        assert child.pid is not None
        before = look(child.pid)
        ours.send("more")
        assert ours.poll(60), "the child says nothing"
        ours.recv()
        after = look(child.pid)
        assert after.resident - before.resident == pytest.approx(_CHUNK, rel=0.1)
        assert after.cpu_ns - before.cpu_ns >= 80_000_000
        assert after.at_ns > before.at_ns

        told: list[Sample] = []
        with Watch("the one", told.append) as watch:
            watch.begin()
            deadline = time.monotonic() + 30
            while len(told) < 2 and time.monotonic() < deadline:
                time.sleep(0.05)
        assert watch.samples == told
        assert len(told) >= 2
        assert told[0].resident >= 2 * _CHUNK
        with pytest.raises(RuntimeError, match="0 processes are named"):
            Watch("another", told.append).begin()
    finally:
        ours.send("enough")
        child.join(30)
        ours.close()
