"""Which trades were told already, and from where they are read back."""

import heapq
from collections import defaultdict
from typing import Final

MOST_OF_OTHERS: Final = 10_000
"""Trades that are remembered of a symbol whose books have not spoken here; now and then twice as many.

More than any burst between a loss of the stream and the reading back, so that even then nothing is told twice."""


class TradeLog:
    """Tells each trade of the account once, whichever way and in whichever order it comes.

    A trade that the stream tells proves nothing about those before it: one of them may have been lost. So only what was
    read from the exchange's own list moves the mark below which everything is known.

    The account's stream tells of every symbol, also of those whose books another process keeps. Their mark never moves,
    so only their newest trades are remembered. To forget one loses nothing: it may be told again, which those who are
    not here do not hear; and books that come here later say themselves what they know.
    """

    def __init__(self) -> None:
        self._told: defaultdict[str, set[int]] = defaultdict(set)
        self._complete: dict[str, int] = {}
        self._anchored: set[str] = set()
        self._versions: defaultdict[str, int] = defaultdict(int)

    def symbols(self) -> frozenset[str]:
        """Symbols that any trade is known of."""
        return frozenset(self._told) | frozenset(self._complete)

    def first(self, symbol: str, trade_id: int) -> bool:
        """Note a trade that is being told; ``False`` if it was told before, or lies where everything is known."""
        if self.knows(symbol, trade_id):
            return False
        told = self._told[symbol]
        told.add(trade_id)
        if symbol not in self._anchored and len(told) > 2 * MOST_OF_OTHERS:
            # Ids ascend with time, per symbol.
            self._told[symbol] = set(heapq.nlargest(MOST_OF_OTHERS, told))
        self._versions[symbol] += 1
        return True

    def take_back(self, symbol: str, trade_id: int) -> None:
        """A trade that was noted as told was not told after all."""
        self._told[symbol].discard(trade_id)

    def knows(self, symbol: str, trade_id: int) -> bool:
        """Whether a trade need not be told any more."""
        return trade_id <= self._complete.get(symbol, -1) or trade_id in self._told.get(symbol, ())

    def version(self, symbol: str) -> int:
        """A number that changes with every trade that is told."""
        return self._versions[symbol]

    def complete_to(self, symbol: str) -> int | None:
        """Id up to which all trades are known, ``None`` while nothing was read and the books knew none."""
        return self._complete.get(symbol)

    def books_know(self, symbol: str, trade_id: int | None) -> None:
        """Take over where the books stood when the process started; what is above was never told to them.

        Later the books know only what was told here, and their newest trade may lie above one that was lost: it says
        nothing. So the first word about a symbol counts, and until it came nothing counts as complete.

        Parameters
        ----------
        trade_id
            Newest trade that the books know, ``None`` if they know none.
        """
        if symbol in self._anchored:
            return
        self._anchored.add(symbol)
        if trade_id is not None:
            self.confirm(symbol, trade_id)

    def forget(self, symbol: str) -> None:
        """Other books are told from now on: what was told before was not told to them."""
        self._told.pop(symbol, None)
        self._complete.pop(symbol, None)
        self._anchored.discard(symbol)
        self._versions[symbol] += 1

    def confirm(self, symbol: str, trade_id: int) -> None:
        """Everything up to this id was read from the exchange's list, and told."""
        if symbol not in self._anchored or trade_id <= self._complete.get(symbol, -1):
            return
        self._complete[symbol] = trade_id
        told = self._told.get(symbol)
        if told:
            told.difference_update([known for known in told if known <= trade_id])
