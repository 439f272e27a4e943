"""Copies: what is made from the journal, kept up with it for the shards of this process."""

from typing import Final

from shared.clock import Clock
from tradeengine.journal.record import Record
from tradeengine.projection.base import ReadModel
from tradeengine.projection.projector import Projector
from tradeengine.runtime.stores import Stores
from tradeengine.runtime.tracing import Tracing

READ_MODEL: Final = "read_model"
MYSQL: Final = "mysql"

_LINGER_S: Final = 0.25
"""A figure on a screen may be so old; a server then has fewer commands to do beside an order's commit."""


class Copies:
    """A projector for the read model, and one for the copy in MySQL where there is one.

    The engine trades on whatever becomes of them.
    """

    def __init__(self, stores: Stores, clock: Clock, tracing: Tracing | None = None) -> None:
        linger_s = _LINGER_S if stores.shared else 0.0
        read_model, copy = stores.read_model, stores.copy
        self._read_model = Projector(stores.history, _traced(tracing, READ_MODEL, read_model), clock, linger_s=linger_s)
        self._copy = None
        if copy is not None:
            self._copy = Projector(stores.history, _traced(tracing, MYSQL, copy), clock, linger_s=_LINGER_S)

    @property
    def projectors(self) -> dict[str, Projector]:
        """Projectors by the names that health and metrics give them."""
        return {READ_MODEL: self._read_model} | ({MYSQL: self._copy} if self._copy is not None else {})

    async def start(self) -> None:
        """Begin to apply; the read model is open, and the copy is opened as soon as it answers.

        Raises
        ------
        ConfigError
            If the read model was made from another journal.
        RetrySafe
            If one of the stores does not answer.
        """
        await self._read_model.start()
        if self._copy is not None:
            self._copy.start_in_background()

    async def stop(self) -> None:
        """Stop applying; what is left is applied after the next start."""
        for projector in self.projectors.values():
            await projector.stop()

    def follow(self, shard: int) -> None:
        """Keep a shard's rows up to date from now on."""
        for projector in self.projectors.values():
            projector.follow(shard)

    def leave(self, shard: int) -> None:
        """Leave a shard's rows to the process that works on it now."""
        for projector in self.projectors.values():
            projector.leave(shard)

    def notify(self, record: Record) -> None:
        """Take a record that was committed just now; never blocks and never fails."""
        for projector in self.projectors.values():
            projector.notify(record)


def _traced(tracing: Tracing | None, name: str, read_model: ReadModel) -> ReadModel:
    return read_model if tracing is None else tracing.read_model(name, read_model)
