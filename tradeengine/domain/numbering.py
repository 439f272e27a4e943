"""Numbering: which numbered signals are missing, per strategy and symbol."""

from typing import Final

import msgspec

from contracts.enums import Severity
from tradeengine.domain.inputs import SignalReceived
from tradeengine.domain.truth_events import AlertRaised

SIGNAL_GAP: Final = "signal_gap"
GAP_CLOSED: Final = "signal_gap_closed"
NUMBERING_RESTARTED: Final = "signal_numbering_restarted"

MAX_NUMBERED: Final = 5_000
"""Most pairs of strategy and symbol that a shard follows; of more, the one that was heard of least lately is let go."""

MAX_HOLES: Final = 32
"""Most holes of one numbering that stay open; of more, the oldest is let go: it was told."""


class Numbering(msgspec.Struct, frozen=True):
    """How far the signals of one strategy on one symbol have come.

    Parameters
    ----------
    highest
        Highest number of the running count.
    newest_ms
        Newest time of its signals, by their own timestamps, milliseconds since 1970 UTC.
    holes
        Numbers below it that never came: first and last of each stretch, in order.
    """

    highest: int
    newest_ms: int
    holes: tuple[tuple[int, int], ...] = ()

    @property
    def missing(self) -> int:
        """How many numbers never came."""
        return sum(last - first + 1 for first, last in self.holes)


class Arrival(msgspec.Struct, frozen=True):
    """What the arrival of a number means.

    Parameters
    ----------
    after
        The numbering with it.
    missing
        Numbers that it passes over: first and last.
    closed
        Whether it was the last one of a stretch that was missing.
    restarted
        Whether it begins a new count.
    """

    after: Numbering
    missing: tuple[int, int] | None = None
    closed: bool = False
    restarted: bool = False


def arrive(held: Numbering | None, sequence: int, timestamp_ms: int) -> Arrival:
    """Take a number in.

    The first number that is heard of begins the count, whatever it is: what came before is nobody's to know. A lower
    number than expected is a late one if it was missing; if it was not, and its signal is newer than all before, the
    strategy counts anew. Any other is passed over.

    Parameters
    ----------
    sequence
        The number, at least 1.
    timestamp_ms
        The signal's own time.
    """
    if held is None:
        return Arrival(Numbering(sequence, timestamp_ms))
    newest = max(held.newest_ms, timestamp_ms)
    if sequence > held.highest:
        missing = (held.highest + 1, sequence - 1) if sequence > held.highest + 1 else None
        holes = (*held.holes, missing)[-MAX_HOLES:] if missing else held.holes
        return Arrival(Numbering(sequence, newest, holes), missing)
    hole = next((hole for hole in held.holes if hole[0] <= sequence <= hole[1]), None)
    if hole is not None:
        rest = [part for part in ((hole[0], sequence - 1), (sequence + 1, hole[1])) if part[0] <= part[1]]
        others = [other for other in held.holes if other != hole]
        holes = tuple(sorted([*others, *rest])[-MAX_HOLES:])
        return Arrival(Numbering(held.highest, newest, holes), closed=not rest)
    again = sequence == 1 < held.highest and timestamp_ms == held.newest_ms
    if timestamp_ms > held.newest_ms or again:
        return Arrival(Numbering(sequence, timestamp_ms), restarted=True)
    return Arrival(held)


def numbering_key(strategy_id: str, symbol: str) -> str:
    """Key of a numbering: a shard sees all signals of a symbol, and of a strategy only those."""
    return f"{strategy_id}\x1f{symbol}"


def note_number(numberings: dict[str, Numbering], key: str, sequence: int, timestamp_ms: int) -> None:
    """Take a number into the memory of all, the newest last."""
    numberings[key] = arrive(numberings.pop(key, None), sequence, timestamp_ms).after
    while len(numberings) > MAX_NUMBERED:
        del numberings[next(iter(numberings))]


def told_number(held: Numbering | None, signal: SignalReceived) -> list[AlertRaised]:
    """What somebody should know about a signal's number; a hole names what is to be sent again."""
    if signal.sequence is None:
        return []
    arrival = arrive(held, signal.sequence, signal.timestamp_ms)
    who = f"{signal.strategy_id} on {signal.symbol}"
    if arrival.missing is not None:
        first, last = arrival.missing
        what = f"signal {first}" if first == last else f"signals {first} to {last}"
        text = (
            f"{what} of {who} did not come, {signal.sequence} did: publish what is missing again, each under its own "
            "signal_id"
        )
        return [_alert(signal, SIGNAL_GAP, Severity.WARNING, text, arrival.missing)]
    if arrival.closed:
        rest = arrival.after.missing
        text = f"signal {signal.sequence} of {who} has come late; {rest or 'nothing'} more is missing"
        return [_alert(signal, GAP_CLOSED, Severity.INFO, text)]
    if arrival.restarted:
        text = f"{who} numbers its signals anew, from {signal.sequence} on; nothing is to be done if that was meant"
        return [_alert(signal, NUMBERING_RESTARTED, Severity.INFO, text)]
    return []


def _alert(
    signal: SignalReceived, name: str, severity: Severity, text: str, missing: tuple[int, int] | None = None
) -> AlertRaised:
    return AlertRaised(
        time_ms=signal.time_ms,
        name=name,
        severity=severity,
        text=text,
        symbol=signal.symbol,
        strategy_id=signal.strategy_id,
        missing=missing,
    )
