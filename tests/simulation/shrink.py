"""Shrinking: fewer faults that still make a history fail, everything else of the seed as it was."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from tests.simulation.fault import Fault
from tests.simulation.plan import Plan


def shrink(plan: Plan, fails: Callable[[Plan], bool]) -> Plan:
    """Take out faults while the history goes on failing (delta debugging, Zeller and Hildebrandt 2002).

    Parameters
    ----------
    plan
        A plan that fails.
    fails
        Plays a plan; whether it fails.

    Returns
    -------
    Plan
        One that fails, and no longer does if any one of its faults is taken out.
    """
    kept: Sequence[Fault] = plan.faults
    parts = 2
    while kept:
        size = max(1, len(kept) // parts)
        for start in range(0, len(kept), size):
            fewer = (*kept[:start], *kept[start + size :])
            if fails(replace(plan, faults=fewer)):
                kept, parts = fewer, max(2, parts - 1)
                break
        else:
            if size == 1:
                break
            parts = min(len(kept), 2 * parts)
    return replace(plan, faults=tuple(kept))
