"""Restoring: a ledger as it was behind a record, made from a stored one and the records after it."""

from typing import Final

from shared.errors import ConfigError
from tradeengine.journal.base import Journal
from tradeengine.publication.checkpoints import Checkpoint
from tradeengine.publication.ledger import Ledger, unpack
from tradeengine.publication.translate import messages_of

_PAGE: Final = 50


async def restored(journal: Journal, shard: int, checkpoint: Checkpoint) -> Ledger:
    """Make the ledger that a shard had at a checkpoint.

    Raises
    ------
    ConfigError
        If the journal does not reach so far: the checkpoint is another journal's.
    RecordsTrimmed
        If records are needed that were archived, and their archive is not there.
    """
    stored = None if checkpoint.ledger is None else unpack(checkpoint.ledger.data)
    ledger = stored or Ledger(shard=shard)
    while ledger.sequence < checkpoint.sequence:
        missing = checkpoint.sequence - ledger.sequence
        records = await journal.read(shard, after=ledger.sequence, limit=min(_PAGE, missing))
        if not records:
            raise ConfigError(
                f"record {checkpoint.sequence} of shard {shard} was published, and the journal ends at "
                f"{ledger.sequence}: the checkpoints are another journal's; move publication.sqlite away, or take the "
                "shard's document out of the collection publications, and all of this journal is published"
            )
        for record in records:
            messages_of(ledger, record)
    return ledger
