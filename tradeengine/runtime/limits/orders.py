"""The share of the exchange's order limits that a process may use for openings."""

from collections.abc import Callable


class OrderShare:
    """Gives each process the share of the order limits that it has of the shards.

    A shard has one owner at a time, so all shares together are the whole at most. What a former owner has sent in the
    same interval is not known to the next one before the exchange's next answer tells the account's count.

    Parameters
    ----------
    share
        Told part and whole whenever the part changes.
    shards
        How many there are, over all processes.
    """

    def __init__(self, share: Callable[[int, int], None], shards: int) -> None:
        self._share = share
        self._shards = shards
        self._held: set[int] = set()
        self._tell()

    def follow(self, shard: int) -> None:
        """A shard is worked on here from now on."""
        self._held.add(shard)
        self._tell()

    def leave(self, shard: int) -> None:
        """A shard is not worked on here any more."""
        self._held.discard(shard)
        self._tell()

    def _tell(self) -> None:
        self._share(len(self._held), self._shards)
