"""Ownership: which shards this process works on now, and until when it may count on each."""

import asyncio
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Protocol

import structlog

from shared.clock import Clock
from shared.leases.base import LeaseStore
from shared.leases.holdings import Held
from shared.leases.keeper import LeaseKeeper
from shared.leases.sight import Sight

_PATIENCE_S: Final = 10.0
"""How long a start waits for leases that nobody else can hold; then it goes on, and health says what is wrong."""

_LOOK_S: Final = 0.05

log = structlog.get_logger(__name__)


class Tenant(Protocol):
    """Who works on shards while they are held; none of the calls may block."""

    def taken(self, shard: int, epoch: int) -> None:
        """A shard is held from now on, and nobody else may count on it any more."""
        ...

    def lost(self, shard: int, reason: str) -> None:
        """A shard is not held any more: drop it at once."""
        ...

    def surplus(self, shard: int) -> None:
        """Another process should have a shard: bring it to rest, then :meth:`Ownership.give_back` it."""
        ...


class Ownership(Protocol):
    """Says which shards are this process's."""

    @property
    def owner(self) -> str:
        """Name of this start of this process."""
        ...

    @property
    def trouble(self) -> str | None:
        """Why nothing can be taken or kept now, or ``None``."""
        ...

    @property
    def renewals(self) -> int:
        """Renewals of single shards since the start."""
        ...

    @property
    def members(self) -> tuple[str, ...]:
        """Processes that live, by name, as far as known."""
        ...

    @property
    def draining(self) -> bool:
        """Whether an operator wants this process to hold nothing, and others are there to take its shards."""
        ...

    def sight(self) -> Sight:
        """All processes and shards as of the latest look; never waits."""
        ...

    @property
    def held(self) -> Mapping[int, Held]:
        """Shards that are held, each with its fencing token and the monotonic time up to which that is certain."""
        ...

    async def begin(self, tenant: Tenant) -> None:
        """Take shards from now on, and tell the tenant of each."""
        ...

    async def leave(self, seconds: float) -> None:
        """Let others take what is held, shard by shard, while the tenant works on; return when that is done.

        Parameters
        ----------
        seconds
            After which the rest stays as it is, for :meth:`end`.
        """
        ...

    async def end(self) -> None:
        """Give back what is held; what was done under it must be at rest."""
        ...

    async def give_back(self, shard: int) -> None:
        """Let others take a shard at once; see :meth:`.keeper.LeaseKeeper.give_back`."""
        ...

    def drop(self, shard: int, reason: str) -> None:
        """Give a shard up whose last requests may still take effect; others take it when its time is over."""
        ...

    def distrust(self, reason: str) -> None:
        """Give everything up, because it cannot be told for how long it was held: the machine stood still."""
        ...


class AlwaysHeld:
    """Ownership of a process that is alone by construction, such as a test: every shard is held for ever.

    There are no fencing tokens, so no takeover is recorded. A shard that is dropped stays dropped: nobody else
    can have it.

    Parameters
    ----------
    shards
        How many there are.
    """

    owner = "alone"
    trouble: str | None = None
    renewals = 0
    members = ("alone",)
    draining = False

    def __init__(self, shards: int) -> None:
        self.held: Mapping[int, Held] = MappingProxyType({shard: Held(0, math.inf) for shard in range(shards)})

    def sight(self) -> Sight:
        """Nothing: there are no leases."""
        return Sight((), (), 0.0)

    async def begin(self, tenant: Tenant) -> None:
        """Tell the tenant of every shard."""
        for shard, held in self.held.items():
            tenant.taken(shard, held.epoch)

    async def leave(self, seconds: float) -> None:
        """Do nothing: there is nobody to take anything."""

    async def end(self) -> None:
        """Do nothing: there is nobody to give anything to."""

    async def give_back(self, shard: int) -> None:
        """Do nothing: there is nobody to give it to."""

    def drop(self, shard: int, reason: str) -> None:
        """Do nothing: there is nobody to take it."""

    def distrust(self, reason: str) -> None:
        """Do nothing: there is nobody who could have taken anything."""


class LeasedOwnership:
    """Ownership by leases that processes share.

    Parameters
    ----------
    store
        Where the leases are; opened and closed by who made it, or opened by the keeper as soon as it answers.
    owner
        Unique name of this start of this process.
    ttl_s
        Lease time, seconds; the same for all processes.
    alone
        Whether it is certain that no other process uses the store: then :meth:`begin` waits until all is held.
    version
        Of the engine, for operators.
    """

    def __init__(
        self,
        store: LeaseStore,
        clock: Clock,
        owner: str,
        shards: int,
        ttl_s: float,
        *,
        alone: bool = False,
        version: str = "",
    ) -> None:
        self._keeper = LeaseKeeper(
            store,
            clock,
            owner,
            shards,
            ttl_s,
            on_taken=self._taken,
            on_lost=self._lost,
            on_surplus=self._surplus,
            alone=alone,
            version=version,
        )
        self._clock = clock
        self._shards = shards
        self._alone = alone
        self._all_held = asyncio.Event()
        self._tenant: Tenant
        self._task: asyncio.Task[None] | None = None

    @property
    def owner(self) -> str:
        """Name under which leases are held."""
        return self._keeper.owner

    @property
    def trouble(self) -> str | None:
        """Why leases can be neither renewed nor taken, or ``None``."""
        if self._task is not None and self._task.done():
            return "leases are kept no more: restart the engine"
        return self._keeper.trouble

    @property
    def renewals(self) -> int:
        """Renewals of single leases since the start."""
        return self._keeper.renewals

    @property
    def members(self) -> tuple[str, ...]:
        """Processes that live, by name."""
        return self._keeper.members

    @property
    def draining(self) -> bool:
        """Whether this process is to hold nothing, and others are there to take its shards."""
        return self._keeper.draining

    def sight(self) -> Sight:
        """All processes and shards as of the latest look."""
        return self._keeper.sight()

    @property
    def held(self) -> Mapping[int, Held]:
        """Leases by shard."""
        return self._keeper.held

    async def begin(self, tenant: Tenant) -> None:
        """Keep leases from now on; a process that is alone holds all when this returns, unless the store fails."""
        self._tenant = tenant
        self._task = asyncio.create_task(self._keeper.run(), name="leases")
        self._task.add_done_callback(self._ended)
        if self._alone:
            waits = asyncio.create_task(self._all_held.wait())
            await asyncio.wait([waits, self._task], timeout=_PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
            waits.cancel()

    async def leave(self, seconds: float) -> None:
        """Hand everything over while others are there to take it and the store answers."""
        others = set(self._keeper.members) - {self.owner}
        if self._task is None or not others:
            return
        self._keeper.retire()
        deadline = self._clock.monotonic() + seconds
        while self._keeper.held and not self._task.done() and self._clock.monotonic() < deadline:
            if self._keeper.trouble is not None or not self._keeper.members:
                break
            await self._clock.sleep(_LOOK_S)
        if left := sorted(self._keeper.held):
            log.warning("shards_not_handed_over", shards=left, action="they are given back at once")

    async def end(self) -> None:
        """Give back what is held, and leave the members."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await self._keeper.stop()

    async def give_back(self, shard: int) -> None:
        """Release a shard at once."""
        await self._keeper.give_back(shard)

    def drop(self, shard: int, reason: str) -> None:
        """Give a shard up without releasing it."""
        self._keeper.drop(shard, reason)

    def distrust(self, reason: str) -> None:
        """Give every shard up without releasing it, and tell the tenant."""
        self._keeper.distrust(reason)

    def _taken(self, shard: int, epoch: int) -> None:
        self._tenant.taken(shard, epoch)
        if len(self._keeper.held) == self._shards:
            self._all_held.set()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """A keeper that fails renews nothing any more: nobody may count on what it held."""
        if task.cancelled() or (error := task.exception()) is None:
            return
        reason = f"leases are kept no more: {type(error).__name__}: {error}; restart the engine"
        log.critical("lease_keeper_failed", reason=reason, exc_info=error)
        for shard in tuple(self._keeper.held):
            self._keeper.drop(shard, reason)
            self._tenant.lost(shard, reason)

    def _lost(self, shard: int, reason: str) -> None:
        self._tenant.lost(shard, reason)

    def _surplus(self, shard: int) -> None:
        self._tenant.surplus(shard)
