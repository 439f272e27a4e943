"""Publications: what strategies and operators are told of the journal, for the shards of this process."""

from collections.abc import Callable, Sequence
from typing import Final

from contracts.subjects import ALERTS_PREFIX
from shared.clock import Clock
from tradeengine.journal.record import Record
from tradeengine.projection.base import ReadModel
from tradeengine.projection.projector import Projector
from tradeengine.publication.jetstream import JetStreamOutlet
from tradeengine.publication.messages import Message, shard_in_id
from tradeengine.publication.outlet import Outlet
from tradeengine.publication.publication import Publication
from tradeengine.runtime.alert_outlet import AlertOutlet
from tradeengine.runtime.intake.connection import Link
from tradeengine.runtime.stores import Stores
from tradeengine.runtime.tracing import Tracing

EXECUTION_EVENTS: Final = "execution_events"

_LINGER_S: Final = 0.05
"""Least time between two batches while few records wait: several in one cost the loop less."""


class Publications:
    """A projector whose read model is the broker, from the moment at which there is one.

    The engine trades on whatever becomes of it. Without a broker nothing is published, and nothing is noted: what was
    committed meanwhile is published once there is one.
    """

    def __init__(self, stores: Stores, clock: Clock, tracing: Tracing | None = None) -> None:
        self._stores = stores
        self._clock = clock
        self._tracing = tracing
        self._followed: set[int] = set()
        self._publication: Publication | None = None
        self._projector: Projector | None = None
        self._outlet: _BrokerOutlet | None = None

    @property
    def projectors(self) -> dict[str, Projector]:
        """The projector by the name that health and metrics give it; none before :meth:`start`."""
        return {EXECUTION_EVENTS: self._projector} if self._projector is not None else {}

    def start(self, link: Callable[[], Link | None]) -> None:
        """Begin to publish, as soon as checkpoints and broker answer.

        Parameters
        ----------
        link
            Gives the connection to the broker, ``None`` while there is none.
        """
        history = self._stores.history
        self._outlet = _BrokerOutlet(link)
        traced = None if self._tracing is None else self._tracing.outlet(self._outlet)
        outlet: Outlet = traced or self._outlet
        self._publication = Publication(history, self._stores.publications, outlet, self._clock)
        published: ReadModel = self._publication if traced is None else traced.fed_by(self._publication)
        self._projector = Projector(history, published, self._clock, self._followed, linger_s=_LINGER_S)
        self._projector.start_in_background()

    async def stop(self) -> None:
        """Publish no more, and note how far it is; the next owner of a shard goes on there."""
        if self._projector is not None and self._publication is not None:
            await self._projector.stop()
            await self._publication.close()

    def follow(self, shard: int) -> None:
        """Publish a shard's records from now on."""
        self._followed.add(shard)
        if self._projector is not None:
            self._forget(shard)
            self._projector.follow(shard)

    def leave(self, shard: int) -> None:
        """Leave a shard to the process that works on it now."""
        self._followed.discard(shard)
        if self._projector is not None:
            self._projector.leave(shard)
            self._forget(shard)

    def notify(self, record: Record) -> None:
        """Take a record that was committed just now; never blocks and never fails."""
        if self._projector is not None:
            self._projector.notify(record)

    def _forget(self, shard: int) -> None:
        if self._publication is not None:
            self._publication.forget(shard)
        if self._outlet is not None:
            self._outlet.forget(shard)


class _BrokerOutlet:
    """Events to a stream that must be there, alerts also to those who only listen.

    What is stored is not sent again because another message of the same call was refused: attempts may go on for longer
    than a stream knows copies, and those who only listen know none.
    """

    def __init__(self, link: Callable[[], Link | None]) -> None:
        self._events = JetStreamOutlet(lambda: found.jetstream if (found := link()) is not None else None)
        self._alerts = AlertOutlet(link)
        self._stored: dict[int, set[str]] = {}

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish messages; see ``Outlet.publish``."""
        # Held here too: what is noted for a shard that is left meanwhile goes with this call.
        stored = {shard: self._stored.setdefault(shard, set()) for shard in {shard_in_id(each.id) for each in messages}}
        left = [message for message in messages if message.id not in stored[shard_in_id(message.id)]]
        events = [message for message in left if not _is_alert(message)]
        await self._events.publish(events)
        for message in events:
            stored[shard_in_id(message.id)].add(message.id)
        for message in left:
            if _is_alert(message):
                await self._alerts.publish(message.subject, message.payload, message.id)
                stored[shard_in_id(message.id)].add(message.id)
        for shard, ids in stored.items():
            ids.difference_update(message.id for message in messages)
            if not ids and self._stored.get(shard) is ids:
                del self._stored[shard]

    @property
    def remembered(self) -> int:
        """How many messages are stored of calls that failed."""
        return sum(map(len, self._stored.values()))

    def forget(self, shard: int) -> None:
        """Let go of what was stored of a shard that another process goes on with."""
        self._stored.pop(shard, None)


def _is_alert(message: Message) -> bool:
    return message.subject.startswith(ALERTS_PREFIX)
