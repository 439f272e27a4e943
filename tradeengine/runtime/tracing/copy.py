"""A read model that tells which traces a batch that it applied was part of."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shared.tracing import Kind
from tradeengine.journal.record import Record
from tradeengine.projection.base import ReadModel
from tradeengine.projection.freshness import Freshness
from tradeengine.runtime.tracing.harmless import Harmless

if TYPE_CHECKING:
    from tradeengine.runtime.tracing.tracing import Tracing


class TracedReadModel:
    """A ``ReadModel`` before another one, as the projector sees it.

    Parameters
    ----------
    name
        What health and metrics call the copy.
    """

    def __init__(self, name: str, read_model: ReadModel, tracing: "Tracing") -> None:
        self._name = name
        self._read_model = read_model
        self._tracing = tracing

    @property
    def freshness(self) -> Freshness:
        """How far the tables lie behind."""
        return self._read_model.freshness

    async def open(self) -> None:
        """Make ready for use; see ``ReadModel.open``."""
        await self._read_model.open()

    async def checkpoint(self, shard: int) -> int:
        """Sequence of the newest applied record of a shard; see ``ReadModel.checkpoint``."""
        return await self._read_model.checkpoint(shard)

    async def apply(self, records: Sequence[Record]) -> None:
        """Apply records; see ``ReadModel.apply``."""
        began = self._tracing.now_ms()
        await self._read_model.apply(records)
        with Harmless("a copy"):
            self._tell(records, (began, self._tracing.now_ms()))

    def _tell(self, records: Sequence[Record], times: tuple[int, int]) -> None:
        for record in records:
            for cause in self._tracing.causes(record):
                position = f"{record.shard}-{record.sequence}-{cause.number}"
                self._tracing.tell_part(f"project {self._name}", Kind.CLIENT, cause.place, position, times)
