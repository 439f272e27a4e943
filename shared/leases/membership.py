"""Membership: this process among the others, who of them lives, and who is to hold nothing."""

from collections.abc import Collection, Mapping
from typing import Final

from shared.clock import Clock
from shared.leases.base import LeaseStore, Member
from shared.leases.drains import Drains
from shared.leases.watch import Watch

_FORGET_AFTER: Final = 4
"""Lease times after which a silent process is taken out of the members; it is back with its next beat."""


class Membership:
    """Announces this process, and watches the beats of all.

    Parameters
    ----------
    owner
        Unique name of this start of this process.
    ttl_s
        Lease time, seconds: who is silent for so long counts as dead.
    alone
        Whether it is certain that no other process lives.
    version
        Of the engine, for the other members' operators.

    Attributes
    ----------
    living : tuple of str
        Processes that live, as of the latest look, in order; one that retires is not among them.
    said : Mapping
        What all members say of themselves, by name.
    beats : Watch
        Beats, with the times since when they are as they are.
    drains : Drains
        Who of them is to hold nothing.
    looked : float
        Own monotonic time of the latest look, seconds.
    retired_at : float or None
        Own monotonic time, seconds, since when the others have been told that this process goes.
    """

    def __init__(
        self, store: LeaseStore, clock: Clock, owner: str, ttl_s: float, *, alone: bool = False, version: str = ""
    ) -> None:
        self.living: tuple[str, ...] = ()
        self.said: Mapping[str, Member] = {}
        self.beats: Watch[str, int] = Watch()
        self.drains = Drains(owner)
        self.looked = clock.monotonic()
        self.retired_at: float | None = None
        self._store = store
        self._clock = clock
        self._owner = owner
        self._ttl_s = ttl_s
        self._alone = alone
        self._version = version
        self._since_ms = clock.now_ms()
        self._retired = False
        self._beat = 0

    @property
    def retired(self) -> bool:
        """Whether this process goes."""
        return self._retired

    @property
    def goes_untold(self) -> bool:
        """Whether this process goes, and the others cannot know it yet."""
        return self._retired and self.retired_at is None

    def retire(self) -> None:
        """Be no member from the next :meth:`beat` on."""
        self._retired = True

    async def beat(self) -> None:
        """Say that this process lives; once it retires, that it is no member any more."""
        if not self._retired:
            self._beat += 1
            await self._store.announce(self._owner, self._beat, self._version, self._since_ms)
            return
        await self._store.withdraw(self._owner)
        if self.retired_at is None:
            self.retired_at = self._clock.monotonic()

    async def look(self, held: Collection[int], *, deaf: bool) -> None:
        """See who lives, and who is drained; those that are long dead are taken out of the members.

        Parameters
        ----------
        held
            Shards that this process holds, for the log.
        deaf
            Whether the store did not answer before, so that nobody could be heard.
        """
        self.said = await self._store.members()
        self.living = await self._living({name: member.beat for name, member in self.said.items()}, deaf=deaf)
        self.drains.look(self.living, self.said, held, self._clock.monotonic())

    async def _living(self, beats: Mapping[str, int], *, deaf: bool) -> tuple[str, ...]:
        now = self._clock.monotonic()
        deaf_s, self.looked = now - self.looked, now
        if deaf and deaf_s > self._ttl_s / 2:
            # Nobody could be heard meanwhile. To take the others for dead would let the first process that reaches the
            # store after its outage take all shards, only to hand most of them over again. Who had been silent before
            # stays so: what was handed over to the dead would be nobody's until they are found dead once more.
            self.beats.leave_out(deaf_s)
        self.beats.look(beats, now)
        silent_s = {name: self.beats.unchanged_s(name, now) for name in beats if name != self._owner}
        for name, seconds in silent_s.items():
            if self._alone or seconds >= _FORGET_AFTER * self._ttl_s:
                await self._store.withdraw(name)
        living = [name for name, seconds in silent_s.items() if seconds < self._ttl_s and not self._alone]
        return tuple(sorted(living if self._retired else [*living, self._owner]))
