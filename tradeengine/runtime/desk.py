"""Where every intake brings its signals, whatever way they came."""

from collections.abc import Sequence
from typing import Protocol

from contracts.signal import Signal
from tradeengine.domain.events import SignalDecided


class SignalDesk(Protocol):
    """Decides signals. NATS, HTTP and files all end here."""

    @property
    def shards(self) -> int:
        """Number of shards that symbols are dealt to."""
        ...

    @property
    def owned(self) -> frozenset[int]:
        """Shards that this process decides now."""
        ...

    async def decide(self, shard: int, signals: Sequence[Signal]) -> list[SignalDecided]:
        """Decide signals of one shard, in order, and return when the decisions are committed.

        Parameters
        ----------
        shard
            Shard of all the signals' symbols (``contracts.subjects.shard_of``).

        Returns
        -------
        list of SignalDecided
            One a signal, in the same order.

        Raises
        ------
        RetrySafe
            If the shard takes nothing now (overloaded, stopping): nothing was decided.
        OutcomeUnknown
            If the engine stopped before the commit was confirmed: a copy of the signal tells.
        Fenced
            If another process owns the shard.
        """
        ...
