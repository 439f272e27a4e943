"""Taking: shards that are free become this process's, up to its share."""

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import structlog

from shared.clock import Clock
from shared.leases.base import Lease, LeaseStore
from shared.leases.cause import cause_of
from shared.leases.holdings import Held, Holdings
from shared.leases.membership import Membership
from shared.leases.spread import in_turn
from shared.leases.watch import Watch

DRIFT: Final = 0.01
"""Share of the lease time that a taker waits on top: monotonic clocks of two machines do not run equally fast.
Synchronisation changes their rate by 500 ppm at most (adjtimex(2)); this is twenty times as much."""
_TAKES_AT_ONCE: Final = 8

log = structlog.get_logger(__name__)


class Taking:
    """Finds out which shards are free, and takes them for the keeper.

    Parameters
    ----------
    leases
        What the keeper has seen of the store.
    on_taken
        Told shard and epoch of a lease that is held from now on.
    alone
        Whether it is certain that no other process that uses this store lives.
    """

    def __init__(
        self,
        store: LeaseStore,
        clock: Clock,
        owner: str,
        ttl_s: float,
        *,
        holdings: Holdings,
        leases: Watch[int, Lease],
        membership: Membership,
        on_taken: Callable[[int, int], None],
        alone: bool,
    ) -> None:
        self._store = store
        self._clock = clock
        self._owner = owner
        self._ttl_s = ttl_s
        self._holdings = holdings
        self._leases = leases
        self._membership = membership
        self._on_taken = on_taken
        self._alone = alone

    def is_free(self, shard: int, lease: Lease | None) -> bool:
        """Whether a shard may be taken now: nobody holds it, or nobody can believe any more that he does."""
        if shard in self._holdings.held:
            return False
        if self._alone or lease is None or lease.owner is None or lease.owner == self._owner:
            return True
        return self._leases.unchanged_s(shard, self._clock.monotonic()) >= lease.ttl_ms / 1000 * (1 + DRIFT)

    async def fill(self, share: int, free: Iterable[int], leases: Mapping[int, Lease], until: float) -> None:
        """Take as many free shards as are due, the own former ones first.

        Parameters
        ----------
        until
            Own monotonic time, seconds, from which on what is held goes before what could be.

        Raises
        ------
        EngineError
            If the store fails.
        """
        takers = self._membership.drains.takers
        mine = {shard for shard in free if (lease := leases.get(shard)) is not None and lease.owner == self._owner}
        waiting = sorted(in_turn(free, self._owner, takers), key=lambda shard: shard not in mine)
        while waiting and (lacking := share - len(self._holdings.held)) > 0:
            several = min(lacking, _TAKES_AT_ONCE)
            takes = [self._take(shard, leases.get(shard)) for shard in waiting[:several]]
            errors = [error for error in await asyncio.gather(*takes, return_exceptions=True) if error is not None]
            if errors:
                raise errors[0]
            waiting = waiting[several:]
            if self._clock.monotonic() >= until:
                return
        for shard in mine.intersection(waiting):
            # The answer to a take, or a release, was lost.
            if not self._holdings.may_have_effect(leases[shard]):
                await self._store.release(self._owner, shard, leases[shard].epoch)

    async def _take(self, shard: int, seen: Lease | None) -> None:
        sent = self._clock.monotonic()
        lease = await self._store.take(seen, shard, self._owner, math.ceil(self._ttl_s * 1000))
        if lease is None:
            return
        held = Held(lease.epoch, sent + self._ttl_s, cause_of(seen, self._owner, alone=self._alone))
        if held.until <= self._clock.monotonic():
            return
        if self._membership.retired:
            await self._store.release(self._owner, shard, held.epoch)
            return
        self._holdings.held[shard] = held
        log.info("lease taken", shard=shard, epoch=held.epoch, former=seen.owner if seen is not None else None)
        self._on_taken(shard, held.epoch)
