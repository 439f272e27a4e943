"""The fence: a record is taken at the position after the last one of its shard, and nowhere else."""

from collections.abc import Callable, Iterable

from shared.errors import Fenced
from tradeengine.journal.record import Record


def check_positions(records: Iterable[Record], last_sequence: Callable[[int], int]) -> None:
    """Check that records can be appended in their order.

    Parameters
    ----------
    last_sequence
        Gives the sequence of a shard's last record, 0 while it has none.

    Raises
    ------
    Fenced
        If the position of one is taken, or leaves a hole.
    """
    lasts: dict[int, int] = {}
    for record in records:
        shard, sequence = record.shard, record.sequence
        last = lasts[shard] if shard in lasts else last_sequence(shard)
        if sequence != last + 1:
            what = "is taken" if sequence <= last else "leaves a hole"
            raise Fenced(
                f"record {sequence} of shard {shard} {what}: the journal is at {last}, so another process has written "
                "there; drop the shard and load it again"
            )
        lasts[shard] = sequence
