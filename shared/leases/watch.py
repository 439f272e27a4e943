"""What a process has itself seen, and for how long nothing about it has changed."""

from collections.abc import Mapping
from typing import Generic, NamedTuple, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class _Seen(NamedTuple, Generic[V]):
    value: V
    since: float


class Watch(Generic[K, V]):
    """Notes when each value was first seen as it is."""

    def __init__(self) -> None:
        self._seen: dict[K, _Seen[V]] = {}

    def look(self, values: Mapping[K, V], now: float) -> None:
        """Note what was read; what is absent is forgotten.

        Parameters
        ----------
        now
            Own monotonic time, seconds, *after* the answer had come: the values cannot be younger.
        """
        former = self._seen
        self._seen = {
            key: seen if (seen := former.get(key)) is not None and seen.value == value else _Seen(value, now)
            for key, value in values.items()
        }

    def leave_out(self, seconds: float) -> None:
        """Do not count the time just passed, in which no change could be seen, seconds."""
        self._seen = {key: _Seen(seen.value, seen.since + seconds) for key, seen in self._seen.items()}

    @property
    def values(self) -> dict[K, V]:
        """What was read last."""
        return {key: seen.value for key, seen in self._seen.items()}

    def unchanged_s(self, key: K, now: float) -> float:
        """Seconds for which a value has been seen unchanged, 0 for one that is not there."""
        seen = self._seen.get(key)
        return now - seen.since if seen is not None else 0.0
