"""The Protocol of a lease store: one document per shard, changed by compare-and-set alone."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol


class Lease(NamedTuple):
    """A shard's document, as a process has seen it.

    Two that are equal mean that nothing happened in between: each change raises ``renewals``, and none is undone.

    Parameters
    ----------
    owner
        Who holds it; ``None`` once it was released.
    epoch
        Fencing token: rises whenever the shard is taken, 1 for the first time; never by a renewal or a release.
    renewals
        Rises with every change of the document.
    ttl_ms
        Lease time that its owner counts with, milliseconds. It stands in the document because processes may be
        configured differently while a new configuration is rolled out: a taker waits for what the owner counts on.
    """

    shard: int
    owner: str | None
    epoch: int
    renewals: int
    ttl_ms: int


class Member(NamedTuple):
    """A process among those that have announced themselves.

    Parameters
    ----------
    beat
        Rises for as long as the process lives; one that stays is a process that is dead, to who watches.
    version
        Of the engine that it runs, as it says itself; empty if it does not.
    since_ms
        When it began, by its own clock, milliseconds since 1970 UTC; 0 if it does not say. For people only.
    drained
        Whether an operator wants it to hold nothing. The mark is that of this start of the process: it is gone with
        the member, and a pod that comes again, under another name, is without.
    """

    beat: int
    version: str = ""
    since_ms: int = 0
    drained: bool = False


class LeaseStore(Protocol):
    """Where leases are kept. No clock of the store's, and none of another process's, is ever read.

    A taker waits until it has itself seen a document unchanged for the whole lease time; an owner counts its time from
    before it sent the renewal. Owner and epoch together name one tenure: once it has ended it never comes back, so a
    renewal or release that arrives late does no harm.

    One document per shard, and not one per process with the beat of all that it holds, which would be cheaper to renew:
    a taker changes the shard's document, so the renewal has to meet it there. Were it written elsewhere, it could land
    between the taker's last look and its take, and two processes would count on the shard.

    All methods that write raise ``RetrySafe`` if the store did nothing, ``OutcomeUnknown`` if that cannot be told (the
    next :meth:`read` tells), and ``Rejected`` or ``ConfigError`` if it refuses; those that read raise the same but
    ``OutcomeUnknown``.
    """

    async def open(self) -> None:
        """Make ready for use; nothing happens if it is ready.

        Raises
        ------
        ConfigError
            If the store does not fit; the text says what to do.
        RetrySafe
            If it does not answer; :meth:`open` may be called again.
        """
        ...

    async def close(self) -> None:
        """Let go of the store; leases stay as they are."""
        ...

    async def read(self) -> list[Lease]:
        """Every shard's document, in order of the shards; shards that nobody ever held are left out.

        Only what can no longer be undone is told: a change that a failing server forgets again must not be seen.
        """
        ...

    async def take(self, seen: Lease | None, shard: int, owner: str, ttl_ms: int) -> Lease | None:
        """Make an owner of a shard, if its document still is what was seen (``None``: there was none).

        Parameters
        ----------
        ttl_ms
            Lease time that the owner counts with, milliseconds.

        Returns
        -------
        Lease
            With the next epoch; ``None`` if somebody changed the document meanwhile.
        """
        ...

    async def renew(self, owner: str, epochs: Mapping[int, int]) -> set[int]:
        """Renew an owner's leases, as many as there are with one command; each by itself is done or not.

        Parameters
        ----------
        epochs
            Epoch of each shard that is to be renewed.

        Returns
        -------
        set
            The shards that were; one that is missing has another owner or epoch.
        """
        ...

    async def release(self, owner: str, shard: int, epoch: int) -> bool:
        """Give a lease back, so that others need not wait.

        Returns
        -------
        bool
            Whether it still was the owner's; nothing happens if not.
        """
        ...

    async def announce(self, member: str, beat: int, version: str = "", since_ms: int = 0) -> None:
        """Say that a process lives, see :class:`Member`; whether it is drained stays as it is."""
        ...

    async def members(self) -> dict[str, Member]:
        """All processes that have announced themselves, by name."""
        ...

    async def drain(self, member: str, drained: bool) -> bool:
        """Mark a process as drained, or take the mark away.

        Returns
        -------
        bool
            Whether there is such a member; nothing happens if not.
        """
        ...

    async def withdraw(self, member: str) -> None:
        """Take a process out of the members: it stops, or is long dead."""
        ...
