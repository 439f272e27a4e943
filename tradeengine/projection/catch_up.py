"""Catching up: a read model is brought up to the journal's end, without a running projector."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from shared.clock import Clock
from shared.errors import ConfigError, OutcomeUnknown, RetrySafe
from tradeengine.journal.base import Journal
from tradeengine.journal.record import Record
from tradeengine.projection.base import DoesNotFollow, ReadModel

_RECORDS: Final = 500
_PAUSE_S: Final = 1.0

OnApplied = Callable[[int], None]
"""Told of the number of records that were applied just now, by whomever."""


async def heads_of(journal: Journal) -> dict[int, int]:
    """Sequence of the last record of each shard that has records."""
    return {shard: await journal.last_sequence(shard) for shard in await journal.shards()}


async def catch_up(
    journal: Journal,
    read_model: ReadModel,
    heads: Mapping[int, int],
    clock: Clock,
    *,
    patience_s: float = 60.0,
    on_applied: OnApplied = lambda count: None,
) -> None:
    """Apply all records up to some sequences.

    An engine may apply records to the same read model meanwhile: each record is applied once, whoever was faster.

    Parameters
    ----------
    heads
        Last record to apply, by shard.
    patience_s
        How long, in seconds, a store that does not take anything is asked again.

    Raises
    ------
    ConfigError
        If the journal lacks records that are to be applied.
    RetrySafe, OutcomeUnknown
        If a store took nothing for so long; what was applied is, and the call may be made again.
    """
    for shard, head in heads.items():
        applied, moved_at = 0, clock.monotonic()
        while True:
            try:
                found = await read_model.checkpoint(shard)
                if found != applied:
                    on_applied(max(0, found - applied))
                    applied, moved_at = found, clock.monotonic()
                if applied >= head:
                    break
                records = await journal.read(shard, after=applied, limit=min(_RECORDS, head - applied))
                _check_whole(shard, applied, records)
                await read_model.apply(records)
            except DoesNotFollow:
                # Somebody else has moved the checkpoint: it is looked at again.
                continue
            except (RetrySafe, OutcomeUnknown):
                if clock.monotonic() - moved_at > patience_s:
                    raise
                await clock.sleep(_PAUSE_S)


def _check_whole(shard: int, applied: int, records: Sequence[Record]) -> None:
    if not records or records[0].sequence != applied + 1:
        begins = f"goes on with {records[0].sequence}" if records else "ends there"
        raise ConfigError(
            f"the journal of shard {shard} {begins}, records are needed from {applied + 1} on: bring back what was "
            "archived or lost, then try again"
        )
