"""The keeper of a process's leases: renews what it holds, takes what is free, hands over what is too much."""

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

import structlog

from contracts.enums import TakeoverCause
from shared.clock import Clock
from shared.errors import EngineError
from shared.leases.base import Lease, LeaseStore
from shared.leases.cause import cause_of
from shared.leases.membership import Membership
from shared.leases.sight import Sight, Watches, sight_of
from shared.leases.spread import in_turn, share_of
from shared.leases.watch import Watch

_RENEWALS_PER_LEASE: Final = 3
_LOOKS_PER_LEASE: Final = 15
"""How often a store that is away is asked."""
_LOOK_S: Final = 1.0
"""Longest time between two looks, seconds: so long a shard that is given back may be nobody's before others know."""
_SOON_S: Final = 0.25
"""The same while this process waits for a shard, or others for one of its own."""
_LEAVING_AT_ONCE: Final = 4
"""Shards that a process that retires brings to rest side by side."""
DRIFT: Final = 0.01
"""Share of the lease time that a taker waits on top: monotonic clocks of two machines do not run equally fast.
Synchronisation changes their rate by 500 ppm at most (adjtimex(2)); this is twenty times as much."""
_TAKES_AT_ONCE: Final = 8
_LEAST_SLEEP_S: Final = 0.001

log = structlog.get_logger(__name__)


class Held(NamedTuple):
    """A lease that this process holds.

    Parameters
    ----------
    epoch
        Fencing token.
    until
        Own monotonic time, seconds, up to which nobody else can hold the shard.
    cause
        Why the shard was free to be taken.
    """

    epoch: int
    until: float
    cause: TakeoverCause | None = None


class LeaseKeeper:
    """Keeps a process's leases while :meth:`run` runs.

    The promise that matters: at no instant does :meth:`valid_for` say more than 0 in two processes for one shard,
    whatever freezes, is late or gets lost. A lease that has run out, or was lost otherwise, stays lost: when the shard
    is held again, its epoch is another.

    Everything else is politeness. Each process reads who lives and who holds what, deals the shards out as all others
    do (:func:`~shared.leases.spread.fair_shares`), takes up to its share of what is free, and hands over what is beyond
    it. A process that is silent for the lease time counts as dead. One that is marked as drained has no share while
    another lives: it hands over one shard at a time, each when all others have an owner, and takes none. One that
    retires hands over a few at a time, once the others had time to see that it goes: they wait for each.

    A store that is away lets the leases run out. :attr:`trouble` says so, the store is asked again every fifteenth of
    the lease time, and the keeper goes on by itself when it is back.

    Parameters
    ----------
    store
        Opened by :meth:`run`, as soon as it answers; closed by who made it.
    owner
        Unique name of this start of this process; see :func:`~shared.leases.owner.owner_name`.
    shards
        How many shards there are; they are numbered from 0.
    ttl_s
        Lease time, seconds above 0. A lease is renewed when a third of it is over.
    on_taken
        Told shard and epoch of a lease that is held from now on. Callbacks return at once; longer work is a task.
    on_lost
        Told shard and reason of a lease that is not held any more. Not told of what the caller gave back or dropped.
    on_surplus
        Told of a shard that another process should have: the caller brings it to rest and calls :meth:`give_back`.
        The lease is renewed until then.
    alone
        Whether it is certain that no other process that uses this store lives, for instance because a lock on its
        folder is held: what dead ones left is taken without waiting.
    version
        Of the engine, for the other members' operators.

    Attributes
    ----------
    trouble : str or None
        Why leases can be neither renewed nor taken now, and what to do.
    renewals : int
        Leases that were renewed so far, each time counted.
    """

    def __init__(
        self,
        store: LeaseStore,
        clock: Clock,
        owner: str,
        shards: int,
        ttl_s: float,
        *,
        on_taken: Callable[[int, int], None],
        on_lost: Callable[[int, str], None],
        on_surplus: Callable[[int], None],
        alone: bool = False,
        version: str = "",
    ) -> None:
        self.owner = owner
        self.ttl_s = ttl_s
        self.trouble: str | None = "leases are not kept yet"
        self.renewals = 0
        self._store = store
        self._clock = clock
        self._shards = shards
        self._on_taken = on_taken
        self._on_lost = on_lost
        self._on_surplus = on_surplus
        self._alone = alone
        self._opened = False
        self._held: dict[int, Held] = {}
        self._leaving: set[int] = set()
        self._dropped: dict[int, Held] = {}
        self._renewal_due = clock.monotonic()
        self._leases: Watch[int, Lease] = Watch()
        self._membership = Membership(store, clock, owner, ttl_s, alone=alone, version=version)
        self._drains = self._membership.drains

    @property
    def members(self) -> tuple[str, ...]:
        """Processes that live, as of the latest look, in order."""
        return self._membership.living

    @property
    def draining(self) -> bool:
        """Whether this process is to hold nothing, and others are there that take its shards."""
        return self._drains.since is not None

    def sight(self) -> Sight:
        """What the latest look has shown, with ages as of now; waits for nothing."""
        seen, now = self._membership, self._clock.monotonic()
        watches = Watches(self._leases, seen.beats)
        return sight_of(watches, seen.said, seen.living, self._shards, seen.looked, now)

    @property
    def held(self) -> Mapping[int, Held]:
        """Leases by shard; one whose time is up may still be there for a moment, see :meth:`valid_for`."""
        return MappingProxyType(self._held)

    def valid_for(self, shard: int) -> float:
        """Seconds for which this process may count on a shard; 0 or less: it may not."""
        held = self._held.get(shard)
        return held.until - self._clock.monotonic() if held is not None else 0.0

    async def run(self) -> None:
        """Keep leases until cancelled; they stay as they are then, see :meth:`stop`."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep(), name="leases")
            # Apart, because a store that hangs must not keep the owner from noticing that its time is up.
            tasks.create_task(self._expire(), name="lease-expiry")

    async def give_back(self, shard: int) -> None:
        """Release a shard at once, so that another process takes it without waiting.

        Call it when nothing that was done under the lease can take effect any more: records are committed, and every
        request to the exchange is answered or too old to be accepted. Where that cannot be said, :meth:`drop` it.
        """
        held = self._let_go(shard)
        if held is None:
            return
        log.info("lease given back", shard=shard, epoch=held.epoch)
        try:
            await self._store.release(self.owner, shard, held.epoch)
        except EngineError as error:
            # The next look finds it and tries again.
            log.warning("lease not released", shard=shard, error=str(error))

    def drop(self, shard: int, reason: str) -> None:
        """Give a shard up at once, because what is held about it is worthless, and tell nobody that it is free.

        This process may be the next to take it, under another epoch.
        """
        held = self._let_go(shard)
        if held is not None:
            self._dropped[shard] = held
            log.warning("lease dropped", shard=shard, epoch=held.epoch, reason=reason)

    def distrust(self, reason: str) -> None:
        """Count on nothing any more that is held: this machine's clock is known not to have counted all of the time.

        What is still this process's comes back under another epoch. A process that is alone has lost nothing.
        """
        if self._alone:
            return
        for shard, held in tuple(self._held.items()):
            self._dropped[shard] = held
            self._lose(shard, reason)

    def retire(self) -> None:
        """Take nothing from now on and hand over everything: ``on_surplus`` is told of each shard that is held."""
        self._membership.retire()

    async def stop(self) -> None:
        """Release everything, and leave the members; see :meth:`give_back` for when that is right.

        Never raises for the store: what it does not take runs out. Nothing is taken afterwards.
        """
        self._membership.retire()
        for shard in list(self._held):
            self._let_go(shard)
        if not self._opened:
            return
        try:
            # Before anything is free, so that the others' shares are those without this process.
            await self._store.withdraw(self.owner)
            # As they stand in the store, because the answer to a take may have been lost.
            for lease in await self._store.read():
                if lease.owner == self.owner and not self._may_have_effect(lease):
                    await self._store.release(self.owner, lease.shard, lease.epoch)
        except EngineError as error:
            log.warning("leases not released, others take them when they have run out", error=str(error))

    async def _keep(self) -> None:
        patience_s = self.ttl_s / _LOOKS_PER_LEASE
        while True:
            try:
                short = await self._round()
            except EngineError as error:
                self._failed(error)
                pause_s = patience_s
            else:
                self.trouble = None
                pause_s = self._renewal_due - self._clock.monotonic()
                if not self._alone:
                    pause_s = min(pause_s, patience_s, _SOON_S) if short else min(pause_s, _LOOK_S)
            await self._clock.sleep(max(pause_s, _LEAST_SLEEP_S))

    async def _round(self) -> bool:
        """Renew if it is time, look, and act on it; whether this process still lacks shards."""
        if not self._opened:
            await self._store.open()
            self._opened = True
        begun = self._clock.monotonic()
        if begun >= self._renewal_due or self._membership.goes_untold:
            await self._renew()
            await self._membership.beat()
            self._renewal_due = begun + self.ttl_s / _RENEWALS_PER_LEASE
        leases = {lease.shard: lease for lease in await self._store.read()}
        self._leases.look(leases, self._clock.monotonic())
        await self._membership.look(self._held, deaf=self.trouble is not None)
        return await self._balance(leases)

    async def _renew(self) -> None:
        if not self._held:
            return
        epochs = {shard: held.epoch for shard, held in self._held.items()}
        sent = self._clock.monotonic()
        renewed = await self._store.renew(self.owner, epochs)
        for shard, epoch in epochs.items():
            held = self._held.get(shard)
            if held is None or held.epoch != epoch:
                continue
            if shard not in renewed:
                self._lose(shard, "another process has taken it")
            elif held.until <= self._clock.monotonic():
                self._lose(shard, "it ran out before its renewal was confirmed")
            else:
                self._held[shard] = held._replace(until=sent + self.ttl_s)
                self.renewals += 1

    async def _balance(self, leases: Mapping[int, Lease]) -> bool:
        """Take or release what is free, hand over what is too much; whether to look again soon."""
        free = [shard for shard in range(self._shards) if self._is_free(shard, leases.get(shard))]
        holders: dict[int, str | None] = {shard: lease.owner for shard, lease in leases.items()}
        holders |= dict.fromkeys(free) | dict.fromkeys(self._held, self.owner)
        share = share_of(self.owner, self._drains.takers, [holders[shard] for shard in range(self._shards)])
        await self._fill(share, free, leases)
        staying = in_turn(self._held.keys() - self._leaving, self.owner, self._drains.takers)
        if self._membership.retired:
            if self._is_known_to_go():
                self._hand_over(staying[: max(0, _LEAVING_AT_ONCE - len(self._leaving))])
            return bool(self._held)
        if self._drains.since is None:
            self._hand_over(staying[share:])
            return len(self._held) < share
        # Others look when they renew. Before they have seen the mark, what is given back would be nobody's for long.
        seen_by_all = self._clock.monotonic() - self._drains.since >= self.ttl_s / _RENEWALS_PER_LEASE
        if seen_by_all and not free and not self._leaving:
            self._hand_over(staying[:1])
        return bool(self._held)

    def _is_known_to_go(self) -> bool:
        """Whether the others had time to see that this process retires, so that they wait for what it gives back."""
        retired_at = self._membership.retired_at
        return retired_at is not None and self._clock.monotonic() - retired_at >= _LOOK_S + _SOON_S

    def _is_free(self, shard: int, lease: Lease | None) -> bool:
        """Whether a shard may be taken now: nobody holds it, or nobody can believe any more that he does."""
        if shard in self._held:
            return False
        if self._alone or lease is None or lease.owner is None or lease.owner == self.owner:
            return True
        return self._leases.unchanged_s(shard, self._clock.monotonic()) >= lease.ttl_ms / 1000 * (1 + DRIFT)

    async def _fill(self, share: int, free: Iterable[int], leases: Mapping[int, Lease]) -> None:
        """Take as many free shards as are due, the own former ones first."""
        mine = {shard for shard in free if (lease := leases.get(shard)) is not None and lease.owner == self.owner}
        waiting = sorted(in_turn(free, self.owner, self._drains.takers), key=lambda shard: shard not in mine)
        while waiting and (lacking := share - len(self._held)) > 0:
            several = min(lacking, _TAKES_AT_ONCE)
            takes = [self._take(shard, leases.get(shard)) for shard in waiting[:several]]
            errors = [error for error in await asyncio.gather(*takes, return_exceptions=True) if error is not None]
            if errors:
                raise errors[0]
            waiting = waiting[several:]
            if self._clock.monotonic() >= self._renewal_due:
                # What is held goes before what could be.
                return
        for shard in mine.intersection(waiting):
            # The answer to a take, or a release, was lost.
            if not self._may_have_effect(leases[shard]):
                await self._store.release(self.owner, shard, leases[shard].epoch)

    def _may_have_effect(self, lease: Lease) -> bool:
        """Whether a lease was dropped whose last requests may still take effect: it has to run out."""
        dropped = self._dropped.get(lease.shard)
        return dropped is not None and dropped.epoch == lease.epoch and dropped.until > self._clock.monotonic()

    async def _take(self, shard: int, seen: Lease | None) -> None:
        sent = self._clock.monotonic()
        lease = await self._store.take(seen, shard, self.owner, math.ceil(self.ttl_s * 1000))
        if lease is None:
            return
        held = Held(lease.epoch, sent + self.ttl_s, cause_of(seen, self.owner, alone=self._alone))
        if held.until <= self._clock.monotonic():
            return
        if self._membership.retired:
            await self._store.release(self.owner, shard, held.epoch)
            return
        self._held[shard] = held
        log.info("lease taken", shard=shard, epoch=held.epoch, former=seen.owner if seen is not None else None)
        self._on_taken(shard, held.epoch)

    async def _expire(self) -> None:
        while True:
            now = self._clock.monotonic()
            for shard, held in list(self._held.items()):
                if held.until <= now:
                    self._lose(shard, f"it ran out: the lease store confirmed no renewal for {self.ttl_s:g} s")
            left = [held.until - now for held in self._held.values()]
            # Not longer than that, for the sake of one that is taken meanwhile.
            await self._clock.sleep(max(min([*left, self.ttl_s / _LOOKS_PER_LEASE]), _LEAST_SLEEP_S))

    def _hand_over(self, shards: Iterable[int]) -> None:
        for shard in shards:
            if shard in self._held and shard not in self._leaving:
                self._leaving.add(shard)
                log.info("lease to be handed over", shard=shard, epoch=self._held[shard].epoch)
                self._on_surplus(shard)

    def _lose(self, shard: int, reason: str) -> None:
        held = self._let_go(shard)
        if held is not None:
            log.warning("lease lost", shard=shard, epoch=held.epoch, reason=reason)
            self._on_lost(shard, reason)

    def _let_go(self, shard: int) -> Held | None:
        self._leaving.discard(shard)
        return self._held.pop(shard, None)

    def _failed(self, error: EngineError) -> None:
        if self.trouble is None:
            log.warning("lease store fails", error=str(error))
        self.trouble = f"leases can be neither renewed nor taken: {error}"
        self._renewal_due = self._clock.monotonic()
