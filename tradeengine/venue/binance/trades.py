"""Which trades were told already, and from where they are read back."""

from collections import defaultdict


class TradeLog:
    """Tells each trade of the account once, whichever way and in whichever order it comes.

    A trade that the stream tells proves nothing about those before it: one of them may have been lost. So only what was
    read from the exchange's own list moves the mark below which everything is known.
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
        self._told[symbol].add(trade_id)
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
