"""Python's garbage collector in a process that runs for months: rarely, and never over everything."""

import gc
from typing import Final

_THRESHOLDS: Final = (50_000, 20, 50)


def calm_collector() -> None:
    """Let the garbage collector look at less, less often; call it once, when everything that stays is loaded.

    Signals, decisions and records form no cycles, so they go when their last user does; by default the collector looks
    for cycles among the thousands that are under way after every few hundred objects, and every now and then among all
    objects of the process while everything stands still. What is loaded already is not looked at again at all.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)


def collect_after_loss() -> None:
    """Collect everything at once where :func:`calm_collector` was called: something large is over.

    Such as a shard that was lost. It refers to itself, and is of many megabytes in few objects, so that the calm
    collector would not come round for hours. Takes up to a tenth of a second, in which nothing else happens. Where the
    collector is as Python has it, it comes round by itself.
    """
    if gc.get_threshold() == _THRESHOLDS:
        gc.collect()
