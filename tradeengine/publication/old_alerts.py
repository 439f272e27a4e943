"""Old alerts: what nobody need be called for any more, in a journal that is published for the first time."""

from collections.abc import Sequence
from typing import Final

import structlog

from contracts.subjects import ALERTS_PREFIX
from tradeengine.journal.record import Record
from tradeengine.projection.freshness import record_time
from tradeengine.publication.checkpoints import FirstTime
from tradeengine.publication.messages import Message

OLD_MS: Final = 3_600_000
"""How long before the start of the process an alert is old, milliseconds."""

log = structlog.get_logger(__name__)


class OldAlerts:
    """Leaves out the old alerts of one shard, and logs once how many they were.

    Parameters
    ----------
    first
        What held when the shard was published for the first time. What comes after those records is new, whatever its
        time.
    """

    def __init__(self, first: FirstTime) -> None:
        self._through = first.through
        self._before_ms = first.began_ms - OLD_MS
        self._count = 0

    def left_out(self, record: Record, messages: Sequence[Message]) -> list[Message]:
        """Messages of the shard's next record without its alerts, if it is old."""
        kept = list(messages)
        if record.sequence <= self._through and record_time(record) < self._before_ms:
            kept = [message for message in messages if not message.subject.startswith(ALERTS_PREFIX)]
            self._count += len(messages) - len(kept)
        if record.sequence == self._through and self._count:
            log.warning(
                "old_alerts_left_out",
                shard=record.shard,
                alerts=self._count,
                reason="the journal is published for the first time: they are more than an hour older than this start",
                action="none; the copies of the journal still show them",
            )
        return kept
