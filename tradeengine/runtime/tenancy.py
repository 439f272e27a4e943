"""Tenancy: the shards that this process works on, which come and go with their leases."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import structlog

from shared.clock import Clock
from shared.collector import collect_after_loss
from shared.errors import Fenced
from tradeengine.domain.state import ShardState
from tradeengine.runtime.account import Account
from tradeengine.runtime.host import NOT_LOADED, ShardHost
from tradeengine.runtime.ownership import Ownership

_REST_S: Final = 5.0
"""How long a shard that is handed over, and a stop, waits for what is under way to come to rest."""
_LOOK_S: Final = 0.02
_COLLECT_S: Final = 1.0
"""How long after a shard was lost its memory is freed: shards are lost together, and all are freed at once."""

log = structlog.get_logger(__name__)


class Follower(Protocol):
    """Who goes along with the shards of this process; none of the calls may block."""

    def follow(self, shard: int) -> None:
        """A shard is worked on here from now on."""
        ...

    def leave(self, shard: int) -> None:
        """A shard is not worked on here any more."""
        ...


class Tenancy:
    """A host for each shard that is held, from the moment it is taken to the moment it is lost or given back.

    Parameters
    ----------
    make_host
        Makes a host for a shard and the epoch of its lease.
    account
        Counts the shards' states; one that is not worked on here is counted out.
    followers
        Told which shards are worked on here.
    """

    def __init__(
        self,
        ownership: Ownership,
        make_host: Callable[[int, int], ShardHost],
        account: Account,
        clock: Clock,
        followers: Sequence[Follower] = (),
    ) -> None:
        self._ownership = ownership
        self._followers = followers
        self._make_host = make_host
        self._account = account
        self._clock = clock
        self.hosts: dict[int, ShardHost] = {}
        self._lives: dict[int, asyncio.Task[None]] = {}
        self._handovers: set[asyncio.Task[None]] = set()
        self._dropped: dict[int, str] = {}
        self._closing = False
        self._collecting = False
        self.takeovers = 0
        """Leases that a host was made for since the start."""

    # ---------------------------------------------------------------- what it is like

    @property
    def owned(self) -> frozenset[int]:
        """Shards that decide signals now."""
        # Copied, because health is asked from other threads.
        return frozenset(host.number for host in tuple(self.hosts.values()) if host.working and not host.leaving)

    @property
    def states(self) -> list[ShardState]:
        """States of the shards that are loaded now."""
        found = [host.state_if_loaded for host in tuple(self.hosts.values())]
        return [state for state in found if state is not None]

    @property
    def failure(self) -> str | None:
        """What is wrong, so that a shard does not decide everything, or ``None``."""
        hosts, dropped = tuple(self.hosts.values()), dict(self._dropped)
        broken = {host.number: host.trouble for host in hosts if host.trouble not in (None, NOT_LOADED)}
        # What another process holds by now is its trouble.
        broken |= {shard: reason for shard, reason in dropped.items() if shard in self._ownership.held}
        if broken:
            return "; ".join(f"shard {shard}: {reason}" for shard, reason in sorted(broken.items()))
        if not hosts and self._ownership.trouble is not None:
            return f"no shard is held: {self._ownership.trouble}"
        return None

    @property
    def settling(self) -> str | None:
        """What shards that were taken just now still wait for, or ``None``."""
        hosts = tuple(self.hosts.values())
        loading = sorted(host.number for host in hosts if host.trouble == NOT_LOADED)
        if loading:
            return f"shards {loading} are not loaded yet"
        waiting = sum(not host.resolved for host in hosts)
        return f"{waiting} of {len(hosts)} shards are still resolving orders with the venue" if waiting else None

    def host(self, shard: int) -> ShardHost:
        """The host of a shard.

        Raises
        ------
        Fenced
            If the shard is not held here.
        """
        host = self.hosts.get(shard)
        if host is None:
            why = self._dropped.get(shard, "its lease is held by another process, or by nobody yet")
            raise Fenced(f"shard {shard} is not worked on by this process: {why}")
        return host

    def under_way(self) -> list[str]:
        """Orders that have not reached the venue, or whose fill is on its way, while somebody works on them."""
        return [
            order_id
            for shard, host in self.hosts.items()
            if not self._lives[shard].done()
            for order_id in host.under_way()
        ]

    # ---------------------------------------------------------------- what ownership tells

    def taken(self, shard: int, epoch: int) -> None:
        """Begin to work on a shard; while the process stops nothing is begun, and its end gives the shard back."""
        if self._closing:
            return
        former = self._lives.get(shard)
        self._dropped.pop(shard, None)
        self.takeovers += 1
        for follower in self._followers:
            follower.follow(shard)
        host = self.hosts[shard] = self._make_host(shard, epoch)
        self._lives[shard] = asyncio.create_task(self._live(host, former), name=f"host-{shard}")

    def lost(self, shard: int, reason: str) -> None:
        """Drop a shard at once; who takes it next asks the venue what became of its orders."""
        if shard in self.hosts:
            log.critical("shard_lost", shard=shard, reason=reason, action="it is dropped")
            self._dismiss(shard)

    def surplus(self, shard: int) -> None:
        """Bring a shard to rest, so that another process can go on where this one ended."""
        host = self.hosts.get(shard)
        if host is None:
            return
        host.leaving = True
        task = asyncio.create_task(self._hand_over(host), name=f"handover-{shard}")
        self._handovers.add(task)
        task.add_done_callback(self._handovers.discard)

    # ---------------------------------------------------------------- life

    def close(self) -> None:
        """Begin with nothing from now on."""
        self._closing = True

    async def rest(self, hosts: Sequence[ShardHost]) -> list[str]:
        """Wait for a few seconds until nothing of hosts is under way; what still is."""
        deadline = self._clock.monotonic() + _REST_S
        while (left := self._left(hosts)) and self._clock.monotonic() < deadline:
            await self._clock.sleep(_LOOK_S)
        return left

    async def stop(self) -> None:
        """Work no more, and save what the next start would have to read."""
        for task in (*self._handovers, *self._lives.values()):
            task.cancel()
        await asyncio.gather(*self._handovers, *self._lives.values(), return_exceptions=True)
        # Side by side, for a store that hangs must not keep the leases from being given back; what fails costs the next
        # start some time.
        hosts = tuple(self.hosts.values())
        saved = await asyncio.gather(*[host.save_snapshot() for host in hosts], return_exceptions=True)
        for error in [each for each in saved if each is not None]:
            log.error("snapshot_failed", exc_info=error)

    def _left(self, hosts: Sequence[ShardHost]) -> list[str]:
        working = [host for host in hosts if self._is_here(host) and not self._lives[host.number].done()]
        return [order_id for host in working for order_id in host.under_way()]

    def _is_here(self, host: ShardHost) -> bool:
        return self.hosts.get(host.number) is host

    async def _live(self, host: ShardHost, former: "asyncio.Task[None] | None") -> None:
        if former is not None:
            await asyncio.wait([former])
            # How it ended refers to all that it was; kept here, it would keep its own former one, and so on for ever.
            former = None
        try:
            await host.run()
        except Fenced as error:
            if not self._is_here(host):
                return
            log.critical("shard_fenced", shard=host.number, reason=str(error), action="it is dropped")
            self._dropped[host.number] = str(error)
            self._dismiss(host.number)
            # Requests that have left may still take effect, so nobody else begins before the lease is over.
            self._ownership.drop(host.number, str(error))

    async def _hand_over(self, host: ShardHost) -> None:
        shard = host.number
        if left := await self.rest([host]):
            log.warning("shard_not_at_rest", shard=shard, orders=left, action="its next owner finds out")
        if not self._is_here(host):
            return
        life = self._lives[shard]
        life.cancel()
        await asyncio.wait([life])
        try:
            await host.save_snapshot()
        except Exception:
            # Supervised border: a shard that nobody works on any more must not be kept from those who would.
            log.exception("snapshot_failed", shard=shard, action="the shard is handed over without")
        if self._is_here(host):
            self._dismiss(shard)
            if left:
                self._ownership.drop(shard, f"handed over with {len(left)} orders under way")
            else:
                await self._ownership.give_back(shard)

    def _dismiss(self, shard: int) -> None:
        del self.hosts[shard]
        life = self._lives[shard]
        life.cancel()
        life.add_done_callback(lambda ended: self._forget(shard, ended))
        self._account.detach(shard)
        for follower in self._followers:
            follower.leave(shard)

    def _forget(self, shard: int, ended: "asyncio.Task[None]") -> None:
        """Let go of a life that is over, and with it of the shard's state, unless another one has begun."""
        if self._lives.get(shard) is ended:
            del self._lives[shard]
        if not self._collecting:
            self._collecting = True
            asyncio.get_running_loop().call_later(_COLLECT_S, self._collect)

    def _collect(self) -> None:
        self._collecting = False
        collect_after_loss()
