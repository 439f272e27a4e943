"""Medians, percentiles and how to print them."""

from collections.abc import Sequence
from statistics import median

US = 1_000
"""Nanoseconds in a microsecond."""
MS = 1_000_000
"""Nanoseconds in a millisecond."""


def percentile(values: Sequence[int], fraction: float) -> int:
    """Smallest value that at least this fraction of the values do not exceed.

    Parameters
    ----------
    values
        At least one, in any order.
    fraction
        From 0 to 1.
    """
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(fraction * len(ordered)))]


def decile_medians(values: Sequence[int]) -> list[int]:
    """Median of each tenth of the values in the order in which they were measured; at least ten values."""
    size = len(values) // 10
    return [percentile(values[tenth * size : (tenth + 1) * size], 0.5) for tenth in range(10)]


def growth(rounds: Sequence[Sequence[int]]) -> float:
    """How much dearer the last tenth is than the first, 1 for not at all.

    Each tenth's median is taken from the round that disturbed it least (the smallest of the rounds' medians): another
    process's load only ever adds time, growth of the subject's own is there in every round.
    """
    tenths = [decile_medians(times) for times in rounds]
    return min(medians[-1] for medians in tenths) / min(medians[0] for medians in tenths)


def spread(values: Sequence[float], digits: int = 0, unit: str = "") -> str:
    """Median of the rounds with their range, such as ``78 µs (75–84)``."""
    shown = [f"{value:,.{digits}f}" for value in (median(values), min(values), max(values))]
    return f"{shown[0]}{unit and ' ' + unit}" + (f" ({shown[1]}–{shown[2]})" if len(values) > 1 else "")


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Ratio of each round's pair."""
    return [one / other for one, other in zip(ours, theirs, strict=True)]
