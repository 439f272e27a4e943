"""How long shards were without an owner: from a pod's end or standstill to the claim of the next one."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from contracts.enums import TakeoverCause
from tests.chaos.havoc import Done
from tests.chaos.plan import Kind, Link
from tradeengine.domain.inputs import ShardTaken
from tradeengine.journal.record import Record

_ENDS: Final = (Kind.KILL, Kind.FREEZE)
_START_MS: Final = 15_000
"""A pod that was killed so lately may not work yet."""


class TakeOver(NamedTuple):
    """One change of a shard's owner after a pod fell silent.

    Parameters
    ----------
    lasted_ms
        From its end or standstill to the claim.
    is_calm
        Whether both other pods and their ways to the store were well all that time.
    """

    lasted_ms: int
    is_calm: bool


def claims(records: Iterable[Record]) -> list[ShardTaken]:
    """Every change of an owner that a journal tells of."""
    return [given for record in records if record.claims and isinstance(given := record.entries[0].input, ShardTaken)]


def after_silence(claimed: Iterable[ShardTaken], done: Sequence[Done]) -> list[TakeOver]:
    """Take-overs from pods that were killed or frozen.

    Those from pods that lived, and could only not reach the store, are left out.
    """
    found = []
    for claim in claimed:
        # The former owner is named by its start: PID and a random part behind the pod's name.
        start = claim.former.rpartition("-")[0]
        ends = [
            fault
            for fault in done
            if fault.kind in _ENDS and fault.pod == start and fault.time_ms <= claim.time_ms <= fault.until_ms
        ]
        if claim.cause is TakeoverCause.SILENT and ends:
            found.append(TakeOver(claim.time_ms - ends[0].time_ms, _is_calm(ends[0], claim.time_ms, done)))
    return found


def _is_calm(end: Done, claimed_ms: int, done: Sequence[Done]) -> bool:
    pod = end.pod.rpartition("-")[0]
    disturbing = [
        fault
        for fault in done
        if end.time_ms - _START_MS <= fault.time_ms <= claimed_ms
        and (Link.MONGODB in fault.text or (fault.kind in _ENDS and not fault.pod.startswith(pod)))
    ]
    return not disturbing
