"""The keeper of a process's leases: renews what it holds, takes what is free, hands over what is too much."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

import structlog

from shared.clock import Clock
from shared.errors import EngineError
from shared.leases.base import Lease, LeaseStore
from shared.leases.holdings import Held, Holdings
from shared.leases.membership import Membership
from shared.leases.sight import Sight, Watches, sight_of
from shared.leases.spread import in_turn, share_of
from shared.leases.taking import Taking
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
_LEAST_SLEEP_S: Final = 0.001

log = structlog.get_logger(__name__)


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
        self._on_lost = on_lost
        self._on_surplus = on_surplus
        self._alone = alone
        self._opened = False
        self._holdings = Holdings(clock)
        self._renewal_due = clock.monotonic()
        self._leases: Watch[int, Lease] = Watch()
        self._membership = Membership(store, clock, owner, ttl_s, alone=alone, version=version)
        self._drains = self._membership.drains
        self._taking = Taking(
            store,
            clock,
            owner,
            ttl_s,
            holdings=self._holdings,
            leases=self._leases,
            membership=self._membership,
            on_taken=on_taken,
            alone=alone,
        )

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
        return MappingProxyType(self._holdings.held)

    def valid_for(self, shard: int) -> float:
        """Seconds for which this process may count on a shard; 0 or less: it may not."""
        return self._holdings.valid_for(shard)

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
        held = self._holdings.let_go(shard)
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
        held = self._holdings.drop(shard)
        if held is not None:
            log.warning("lease dropped", shard=shard, epoch=held.epoch, reason=reason)

    def distrust(self, reason: str) -> None:
        """Count on nothing any more that is held: this machine's clock is known not to have counted all of the time.

        What is still this process's comes back under another epoch. A process that is alone has lost nothing.
        """
        if self._alone:
            return
        for shard in tuple(self._holdings.held):
            self._lose(shard, reason, dropped=True)

    def retire(self) -> None:
        """Take nothing from now on and hand over everything: ``on_surplus`` is told of each shard that is held."""
        self._membership.retire()

    async def stop(self) -> None:
        """Release everything, and leave the members; see :meth:`give_back` for when that is right.

        Never raises for the store: what it does not take runs out. Nothing is taken afterwards.
        """
        self._membership.retire()
        for shard in list(self._holdings.held):
            self._holdings.let_go(shard)
        if not self._opened:
            return
        try:
            # Before anything is free, so that the others' shares are those without this process.
            await self._store.withdraw(self.owner)
            # As they stand in the store, because the answer to a take may have been lost.
            for lease in await self._store.read():
                if lease.owner == self.owner and not self._holdings.may_have_effect(lease):
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
        await self._membership.look(self._holdings.held, deaf=self.trouble is not None)
        return await self._balance(leases)

    async def _renew(self) -> None:
        if not self._holdings.held:
            return
        epochs = {shard: held.epoch for shard, held in self._holdings.held.items()}
        sent = self._clock.monotonic()
        renewed = await self._store.renew(self.owner, epochs)
        for shard, epoch in epochs.items():
            held = self._holdings.held.get(shard)
            if held is None or held.epoch != epoch:
                continue
            if shard not in renewed:
                self._lose(shard, "another process has taken it")
            elif held.until <= self._clock.monotonic():
                self._lose(shard, "it ran out before its renewal was confirmed")
            else:
                self._holdings.held[shard] = held._replace(until=sent + self.ttl_s)
                self.renewals += 1

    async def _balance(self, leases: Mapping[int, Lease]) -> bool:
        """Take or release what is free, hand over what is too much; whether to look again soon."""
        free = [shard for shard in range(self._shards) if self._taking.is_free(shard, leases.get(shard))]
        holders: dict[int, str | None] = {shard: lease.owner for shard, lease in leases.items()}
        holders |= dict.fromkeys(free) | dict.fromkeys(self._holdings.held, self.owner)
        share = share_of(self.owner, self._drains.takers, [holders[shard] for shard in range(self._shards)])
        await self._taking.fill(share, free, leases, self._renewal_due)
        staying = in_turn(self._holdings.held.keys() - self._holdings.leaving, self.owner, self._drains.takers)
        if self._membership.retired:
            if self._is_known_to_go():
                self._hand_over(staying[: max(0, _LEAVING_AT_ONCE - len(self._holdings.leaving))])
            return bool(self._holdings.held)
        if self._drains.since is None:
            self._hand_over(staying[share:])
            return len(self._holdings.held) < share
        # The others see the mark and what is free in one look.
        if not free and not self._holdings.leaving:
            self._hand_over(staying[:1])
        return bool(self._holdings.held)

    def _is_known_to_go(self) -> bool:
        """Whether the others had time to see that this process retires, so that they wait for what it gives back."""
        retired_at = self._membership.retired_at
        return retired_at is not None and self._clock.monotonic() - retired_at >= _LOOK_S + _SOON_S

    async def _expire(self) -> None:
        while True:
            now = self._clock.monotonic()
            for shard, held in list(self._holdings.held.items()):
                if held.until <= now:
                    self._lose(shard, f"it ran out: the lease store confirmed no renewal for {self.ttl_s:g} s")
            left = [held.until - now for held in self._holdings.held.values()]
            # Not longer than that, for the sake of one that is taken meanwhile.
            await self._clock.sleep(max(min([*left, self.ttl_s / _LOOKS_PER_LEASE]), _LEAST_SLEEP_S))

    def _hand_over(self, shards: Iterable[int]) -> None:
        for shard in shards:
            if shard in self._holdings.held and shard not in self._holdings.leaving:
                self._holdings.leaving.add(shard)
                log.info("lease to be handed over", shard=shard, epoch=self._holdings.held[shard].epoch)
                self._on_surplus(shard)

    def _lose(self, shard: int, reason: str, *, dropped: bool = False) -> None:
        held = self._holdings.drop(shard) if dropped else self._holdings.let_go(shard)
        if held is not None:
            log.warning("lease lost", shard=shard, epoch=held.epoch, reason=reason)
            self._on_lost(shard, reason)

    def _failed(self, error: EngineError) -> None:
        if self.trouble is None:
            log.warning("lease store fails", error=str(error))
        self.trouble = f"leases can be neither renewed nor taken: {error}"
        self._renewal_due = self._clock.monotonic()
