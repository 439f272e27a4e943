"""What a process knows of the cluster, for operators: answered at once, whatever the stores do."""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec
import structlog

from contracts import api
from shared.clock import Clock
from shared.errors import EngineError
from shared.leases.sight import ShardSight
from tradeengine.journal.base import Journal
from tradeengine.journal.takeovers import LastTakeover, last_takeover
from tradeengine.projection.projector import Projector
from tradeengine.runtime.cluster_report import described_members, described_shards
from tradeengine.runtime.engine import Engine

SOURCE: Final = "leases"
_UNKNOWN: Final = "not every last take-over is known"
_LOOK_S: Final = 2.0
_DIGITS: Final = 3

log = structlog.get_logger(__name__)


class ClusterView:
    """All processes and shards, as this process sees them.

    Who lives and who holds what comes from the latest look of the leases' keeper. While :meth:`run` runs, the journal
    is asked how a shard changed hands whenever its lease has another epoch than the take-over that is known.

    Parameters
    ----------
    projectors
        Gives those of the copies that there are now, by name: to publish, there has to be a broker first.
    """

    def __init__(
        self, engine: Engine, journal: Journal, projectors: Callable[[], Mapping[str, Projector]], clock: Clock
    ) -> None:
        self._engine = engine
        self._journal = journal
        self._projectors = projectors
        self._clock = clock
        self._found: dict[int, LastTakeover] = {}
        self._trouble: str | None = None

    def report(self) -> api.Cluster:
        """All that is known now."""
        ownership = self._engine.ownership
        sight = ownership.sight()
        hosts = self._engine.hosts.items()
        positions = {shard: host.sequence for shard, host in hosts if host.state_if_loaded is not None}
        projectors = self._projectors()
        behind = {name: projector.behind() for name, projector in projectors.items()}
        takeovers = {shard: found.takeover for shard, found in self._found.items()}
        return api.Cluster(
            source=SOURCE,
            age_seconds=round(sight.age_s, _DIGITS),
            pod=ownership.owner,
            draining=ownership.draining,
            trouble=ownership.trouble or self._trouble,
            members=described_members(sight),
            shards=described_shards(sight, takeovers, positions, behind),
            copies=[_lag(name, projector) for name, projector in projectors.items()],
        )

    async def run(self) -> None:
        """Keep the take-overs up to date until cancelled."""
        while True:
            former, self._trouble = self._trouble, None
            for seen in self._engine.ownership.sight().shards:
                try:
                    await self._look(seen)
                except (EngineError, msgspec.MsgspecError) as error:
                    # A record of a newer engine, while a new version is rolled out, cannot be read here.
                    self._trouble = f"{_UNKNOWN}: {error}"
                    break
                except Exception as error:
                    # Supervised border: a view for people must not end for good.
                    self._trouble = f"{_UNKNOWN}: {type(error).__name__}: {error}"
                    if self._trouble != former:
                        log.exception("cluster_view_failed", action="it looks again")
                    break
            await self._clock.sleep(_LOOK_S)

    async def _look(self, seen: ShardSight) -> None:
        known = self._found.get(seen.shard)
        if seen.lease is not None and (known is None or known.epoch != seen.lease.epoch):
            self._found[seen.shard] = await last_takeover(self._journal, seen.shard)


def _lag(name: str, projector: Projector) -> api.CopyLag:
    lag = projector.lag()
    return api.CopyLag(
        name=name,
        lag_records=lag.records,
        lag_events=lag.events,
        lag_seconds=round(lag.seconds, _DIGITS),
        trouble=projector.trouble,
    )
