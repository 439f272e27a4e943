"""A machine that is slow, or stands still for a moment, breaks no deadline of a test; one that is idle keeps it."""

import pytest

from tests.support import deadline
from tests.support.deadline import PATIENCE_S, Deadline, eventually


class Machine:
    """Time that passes as a test says, and a speed."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.slowness = 1.0

    def looks(self, on: Deadline, count: int, each_s: float) -> bool:
        """Look so often; whether the deadline has passed at the last look."""
        passed = False
        for _ in range(count):
            self.now += each_s
            passed = on.passed()
        return passed


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr("tests.support.deadline.time.monotonic", lambda: made.now)
    monkeypatch.setattr(deadline, "slowness", lambda: made.slowness)
    return made


def test_at_the_usual_speed_it_is_what_it_says(machine: Machine) -> None:
    given = Deadline(1.0, look_s=0.1)
    assert not machine.looks(given, 9, 0.1)
    assert machine.looks(given, 2, 0.1)
    assert str(given) == "1.1 s"


def test_a_machine_that_stood_still_gets_its_looks(machine: Machine) -> None:
    given = Deadline(1.0, look_s=0.1)
    assert not machine.looks(given, 1, 20.0)
    assert not machine.looks(given, 5, 0.1)
    assert machine.looks(given, 1, 0.1)


def test_a_slow_machine_gets_as_many_times_more(machine: Machine) -> None:
    machine.slowness = 3.0
    given = Deadline(1.0, look_s=0.1)
    assert not machine.looks(given, 29, 0.1)
    assert machine.looks(given, 2, 0.1)


@pytest.mark.parametrize("seconds", [20.0, float(PATIENCE_S)])
def test_patience_ends(machine: Machine, seconds: float) -> None:
    machine.slowness = 100.0
    given = Deadline(seconds, look_s=0.1)
    assert not machine.looks(given, 2, PATIENCE_S / 2 - 1)
    assert machine.looks(given, 1, 3.0)


def test_this_machine_has_a_speed() -> None:
    assert 1.0 <= deadline.slowness() < 1_000


async def test_what_never_comes_about_is_named() -> None:
    with pytest.raises(AssertionError, match="for the end of time"):
        await eventually(lambda: False, "the end of time", seconds=0.05)
