"""What stands at the ends of a tracing in one process: an exporter that keeps what it is given, and empty tables."""

from collections.abc import Mapping, Sequence

from contracts.query import Page
from contracts.trace import TraceParent
from shared.tracing import Span


class Kept:
    """An exporter that records everything, and keeps it."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def samples(self, trace_id: int, parent: TraceParent | None) -> bool:
        return True

    def export(self, spans: Sequence[Span]) -> bool:
        self.spans += spans
        return True

    def close(self) -> None:
        """Nothing is held."""


class NoRows:
    """A read model without rows."""

    async def query(
        self, table: str, *, filters: Mapping[str, str], sort: str | None, cursor: str | None, limit: int
    ) -> Page:
        return Page([], None, "test", 0.0)
