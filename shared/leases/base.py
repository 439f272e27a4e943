"""The Protocol of a lease store: one document per shard, changed by compare-and-set alone."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Lease(NamedTuple):
    """A shard's document, as a process has seen it.

    Two that are equal mean that nothing happened in between: each change raises ``renewals``.

    Parameters
    ----------
    owner
        Who holds it; ``None`` once it was released.
    epoch
        Fencing token: rises with every change of owner, 1 for the first.
    renewals
        Rises with every change of the document.
    """

    shard: int
    owner: str | None
    epoch: int
    renewals: int


class LeaseStore(Protocol):
    """Where leases are kept. No clock of the store's, and none of another process's, is ever read.

    A taker waits until it has itself seen a document unchanged for the whole lease time; an owner counts its time from
    before it sent the renewal. All methods raise ``RetrySafe`` if the store did not do it, and ``OutcomeUnknown`` if
    that cannot be told; the next :meth:`read` tells.
    """

    async def open(self) -> None:
        """Make ready for use.

        Raises
        ------
        ConfigError
            If the store does not fit; the text says what to do.
        """
        ...

    async def close(self) -> None:
        """Release the store; leases stay as they are."""
        ...

    async def read(self) -> list[Lease]:
        """Every shard's document, in order of the shards; shards that nobody ever held are left out."""
        ...

    async def take(self, seen: Lease | None, shard: int, owner: str) -> Lease | None:
        """Make an owner of a shard, if its document still is what was seen (``None``: there was none).

        Returns
        -------
        Lease
            With the next epoch; ``None`` if somebody changed the document meanwhile.
        """
        ...

    async def renew(self, leases: Sequence[Lease]) -> list[Lease]:
        """Renew leases in one command each or one for all.

        Returns
        -------
        list
            Those that are renewed, as they are now; one that is missing has another owner, or was changed.
        """
        ...

    async def release(self, lease: Lease) -> None:
        """Give a lease back, so that others need not wait; nothing happens if it has changed hands."""
        ...

    async def announce(self, member: str, beat: int) -> None:
        """Say that a process lives: raise its beat; what has not risen for the lease time is dead to who watches."""
        ...

    async def members(self) -> dict[str, int]:
        """Beats of all processes that have announced themselves, by name."""
        ...

    async def withdraw(self, member: str) -> None:
        """Take a process out of the members: it stops."""
        ...
