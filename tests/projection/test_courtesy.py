"""Courtesy: how long a copy's thread rests, by what the rest of the process does, and where rows are made."""

import threading

import pytest

from shared.clock import ManualClock
from tradeengine.projection.courtesy import LEAST, MOST_WHEN_LATE, Courtesy, Used
from tradeengine.projection.freshness import Freshness
from tradeengine.projection.prefetch import Rest
from tradeengine.projection.workshop import Workshop


class Machine:
    """Clocks that are set by hand, and a thread whose rests pass at once and are noted."""

    def __init__(self) -> None:
        self.passed_s = self.process_s = self.thread_s = 0.0
        self.courtesy = Courtesy(lambda: self.passed_s, lambda: Used(self.process_s, self.thread_s))
        self.courtesy.begin(0)

    def work(self, own_s: float, others_s: float, *, waited_s: float = 0.0) -> None:
        """Let time pass: in turn for this thread, for others, and for nobody."""
        self.thread_s += own_s
        self.process_s += own_s + others_s
        self.passed_s += own_s + others_s + waited_s
        self.courtesy.rest()

    def share(self, own_s: float, others_s: float, waited_s: float) -> float:
        """Share of the interpreter after so much of everything; rests are over at once."""
        self.courtesy.end()
        self.work(own_s, others_s, waited_s=waited_s)
        return self.courtesy.share


@pytest.mark.parametrize(
    ("own_s", "others_s", "waited_s", "share"),
    [
        (1.0, 0.0, 0.0, 1.0),
        (0.5, 0.1, 0.4, 0.8),
        (0.2, 0.25, 0.55, 0.5),
        (0.1, 0.45, 0.45, LEAST),
        (0.1, 0.9, 0.0, LEAST),
    ],
)
def test_the_busier_the_process_the_smaller_the_share(
    own_s: float, others_s: float, waited_s: float, share: float
) -> None:
    assert Machine().share(own_s, others_s, waited_s) == pytest.approx(share)


@pytest.mark.parametrize(("age_s", "least"), [(0.0, LEAST), (10.0, LEAST), (30.0, 0.3), (86_400.0, MOST_WHEN_LATE)])
def test_a_copy_that_is_late_is_less_courteous(age_s: float, least: float) -> None:
    machine = Machine()
    machine.courtesy.begin(age_s)
    assert machine.share(0.1, 0.9, 0.0) == pytest.approx(least)


def test_it_rests_by_its_own_work_and_only_after_a_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[float] = []
    machine = Machine()
    monkeypatch.setattr(threading.Event, "wait", lambda _event, seconds: rests.append(seconds))
    machine.courtesy.begin(0)
    machine.work(0.0005, 0.0)
    assert rests == [], "a slice is not over yet"
    machine.work(0.002, 0.1)
    assert rests == [pytest.approx(0.0025 * (1 / machine.courtesy.share - 1))]
    machine.work(0.0, 0.0, waited_s=0.04)
    assert rests[1:] == [0], "waiting for the server is no work"


async def test_rows_are_made_in_one_thread_in_order_and_closing_waits_for_them() -> None:
    workshop = Workshop("rows", Freshness(ManualClock()))
    threads: list[int] = []

    def work(rest: Rest) -> int:
        rest()
        threads.append(threading.get_ident())
        return len(threads)

    assert [await workshop.do(work), await workshop.do(work)] == [1, 2]
    await workshop.close()
    await workshop.close()
    assert await workshop.do(work) == 3, "it begins again"
    await workshop.close()
    assert threading.get_ident() not in threads
