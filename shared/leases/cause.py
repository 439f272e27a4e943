"""Why a shard was free to be taken."""

from contracts.enums import TakeoverCause
from shared.leases.base import Lease


def cause_of(seen: Lease | None, taker: str, *, alone: bool) -> TakeoverCause:
    """Why a process could take a shard whose document it saw like this.

    Parameters
    ----------
    alone
        Whether it is certain that no other process lives.
    """
    if seen is None:
        return TakeoverCause.FIRST
    if seen.owner is None:
        return TakeoverCause.RELEASED
    if seen.owner == taker:
        return TakeoverCause.AGAIN
    return TakeoverCause.LEFT if alone else TakeoverCause.SILENT
