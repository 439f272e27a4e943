"""The fence: a record is taken at the position after the last one of its shard, and nowhere else."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from shared.errors import Fenced
from tradeengine.journal.record import Record


class Last(NamedTuple):
    """A shard's last record: its position, 0 while there is none, and the fencing token under which it was written.

    ``None`` is a token that is not known any more, because the record was trimmed.
    """

    sequence: int
    epoch: int | None


NOTHING = Last(0, None)


def check_positions(records: Iterable[Record], last_of: Callable[[int], Last]) -> None:
    """Check that records can be appended in their order.

    Parameters
    ----------
    last_of
        Gives a shard's last record.

    Raises
    ------
    Fenced
        If the position of one is taken, or leaves a hole, or one that claims nothing was written under another lease
        than the record before it: behind a successor's claim nobody else writes, even where the position is free.
    """
    lasts: dict[int, Last] = {}
    for record in records:
        shard, sequence = record.shard, record.sequence
        last = lasts[shard] if shard in lasts else last_of(shard)
        if sequence != last.sequence + 1:
            what = "is taken" if sequence <= last.sequence else "leaves a hole"
            raise Fenced(
                f"record {sequence} of shard {shard} {what}: the journal is at {last.sequence}, so another process has "
                "written there; drop the shard and load it again"
            )
        if last.epoch is not None and record.epoch != last.epoch and not record.claims:
            raise Fenced(
                f"record {sequence} of shard {shard} is of epoch {record.epoch}, the one before it of {last.epoch}: "
                "another process owns the shard; drop it and load it again"
            )
        lasts[shard] = Last(sequence, record.epoch)
