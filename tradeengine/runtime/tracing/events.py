"""Execution events that say which trace they are part of."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING

from contracts.subjects import ALERTS_PREFIX
from shared.tracing import Kind
from tradeengine.journal.record import Record
from tradeengine.projection.base import ReadModel
from tradeengine.projection.freshness import Freshness
from tradeengine.publication.messages import Message, place_in_id
from tradeengine.publication.outlet import Outlet
from tradeengine.runtime.tracing.causes import Cause
from tradeengine.runtime.tracing.harmless import Harmless
from tradeengine.runtime.tracing.ids import Place, derived_span_id

if TYPE_CHECKING:
    from tradeengine.runtime.tracing.tracing import Tracing

_PUBLISH = "publish event"


class TracedOutlet:
    """An ``Outlet`` before another one: each event gets a ``traceparent``, and a span once it is stored."""

    def __init__(self, outlet: Outlet, tracing: "Tracing") -> None:
        self._outlet = outlet
        self._tracing = tracing
        self.causes: dict[tuple[int, int], tuple[Cause, ...]] = {}
        """Causes of the records that are being published, by shard and sequence."""

    def fed_by(self, publication: ReadModel) -> ReadModel:
        """The publication that publishes here, so that its outlet knows which records it is about."""
        return _Publication(publication, self, self._tracing)

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish messages; see ``Outlet.publish``."""
        if not any(self.causes.values()):
            await self._outlet.publish(messages)
            return
        caused: list[tuple[Message, Cause | None]] = []
        marked = messages
        with Harmless("events"):
            caused = [(message, self._cause_of(message)) for message in messages]
            marked = [_marked(message, cause) for message, cause in caused]
        began = self._tracing.now_ms()
        await self._outlet.publish(marked)
        with Harmless("published events"):
            times = (began, self._tracing.now_ms())
            for message, cause in caused:
                if cause is not None:
                    self._tracing.tell_part(_PUBLISH, Kind.PRODUCER, cause.place, message.id, times)

    def _cause_of(self, message: Message) -> Cause | None:
        if message.subject.startswith(ALERTS_PREFIX):
            return None
        place = place_in_id(message.id)
        causes = self.causes.get((place.shard, place.sequence), ())
        at = bisect_right(causes, place.event, key=lambda cause: cause.first_event) - 1
        cause = causes[at] if at >= 0 else None
        return cause if cause is not None and place.event < cause.first_event + len(cause.entry.events) else None


class _Publication:
    """A publication, as the projector sees it, that tells its outlet which records it is about to publish."""

    def __init__(self, publication: ReadModel, outlet: TracedOutlet, tracing: "Tracing") -> None:
        self._publication = publication
        self._outlet = outlet
        self._tracing = tracing

    @property
    def freshness(self) -> Freshness:
        """How far it lies behind."""
        return self._publication.freshness

    async def open(self) -> None:
        """Make ready for use; see ``ReadModel.open``."""
        await self._publication.open()

    async def checkpoint(self, shard: int) -> int:
        """Sequence of the newest record that is published; see ``ReadModel.checkpoint``."""
        return await self._publication.checkpoint(shard)

    async def apply(self, records: Sequence[Record]) -> None:
        """Publish records; see ``ReadModel.apply``."""
        with Harmless("a publication"):
            self._outlet.causes = {(each.shard, each.sequence): self._tracing.causes(each) for each in records}
        try:
            await self._publication.apply(records)
        finally:
            self._outlet.causes = {}


def _marked(message: Message, cause: Cause | None) -> Message:
    if cause is None:
        return message
    trace = cause.place.trace
    own = Place(trace, derived_span_id(trace.trace_id, _PUBLISH, message.id))
    return message._replace(traceparent=own.header())
