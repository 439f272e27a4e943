"""Which processes an operator wants to hold nothing, and since when this one is among them."""

from collections.abc import Collection, Mapping, Sequence

import structlog

from shared.leases.base import Member
from shared.leases.spread import takers_of

log = structlog.get_logger(__name__)


class Drains:
    """The marks of all members, as of the latest look.

    Parameters
    ----------
    owner
        This process.

    Attributes
    ----------
    takers : tuple of str
        Processes among which all shards are dealt out, in order.
    since : float or None
        Own monotonic time, seconds, since when this process is to hold nothing and others are there that take its
        shards; ``None`` while that is not so.
    """

    def __init__(self, owner: str) -> None:
        self.takers: tuple[str, ...] = ()
        self.since: float | None = None
        self._owner = owner

    def look(self, living: Sequence[str], said: Mapping[str, Member], held: Collection[int], now: float) -> None:
        """Note what the members say, and who of them lives.

        Parameters
        ----------
        held
            Shards that this process holds, for the log.
        now
            Own monotonic time, seconds.
        """
        self.takers = takers_of(living, {name for name, member in said.items() if member.drained})
        if self._owner in self.takers or self._owner not in living:
            self.since = None
        elif self.since is None:
            self.since = now
            log.info(
                "drained", takers=self.takers, shards=sorted(held), action="one shard after another is handed over"
            )
