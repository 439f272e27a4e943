"""How much of each order was told, against how much the exchange says it executed."""

from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

from tradeengine.domain.money import ZERO
from tradeengine.venue.binance.doubts import Doubt, DoubtKind, Doubts

MOST_ORDERS = 2_000
"""Orders of a symbol that are counted; older ones have long ended."""


@dataclass(slots=True)
class _Count:
    told: Decimal = ZERO
    claimed: Decimal = ZERO
    claimed_at: float = 0
    trades: set[int] = field(default_factory=set)


class Tally:
    """Counts executions by order; where they are less than the exchange claims, one of them was lost.

    Parameters
    ----------
    doubts
        Where that is said.
    """

    def __init__(self, doubts: Doubts) -> None:
        self._doubts = doubts
        self._counts: defaultdict[str, OrderedDict[int, _Count]] = defaultdict(OrderedDict)

    def add(self, symbol: str, order_id: int, trade_id: int, quantity: Decimal) -> None:
        """Count an execution, once.

        Parameters
        ----------
        quantity
            In the base asset.
        """
        count = self._count(symbol, order_id)
        if trade_id not in count.trades:
            count.trades.add(trade_id)
            count.told += quantity
            self._judge(symbol, order_id, count)

    def claim(self, symbol: str, order_id: int, executed: Decimal, now: float) -> None:
        """Note what the exchange says an order executed in all; an older, smaller claim counts for nothing.

        Parameters
        ----------
        executed
            In the base asset.
        now
            Monotonic seconds.
        """
        count = self._count(symbol, order_id)
        if executed > count.claimed:
            count.claimed, count.claimed_at = executed, now
        self._judge(symbol, order_id, count)

    def rebase(self, symbol: str, moment: float) -> None:
        """The trades of a symbol were read, from a moment on: what was claimed before it is accounted for.

        An order may have executed before the process started, where no trade of it is read.
        """
        for order_id, count in self._counts.get(symbol, {}).items():
            if count.claimed_at <= moment:
                count.told = max(count.told, count.claimed)
            self._judge(symbol, order_id, count)

    def _judge(self, symbol: str, order_id: int, count: _Count) -> None:
        doubt = Doubt(DoubtKind.SUM, symbol, f"order {order_id}")
        if count.told < count.claimed:
            self._doubts.raise_(doubt, count.claimed_at)
        else:
            self._doubts.settle(doubt)

    def _count(self, symbol: str, order_id: int) -> _Count:
        counts = self._counts[symbol]
        count = counts.setdefault(order_id, _Count())
        counts.move_to_end(order_id)
        if len(counts) > MOST_ORDERS:
            oldest, _ = counts.popitem(last=False)
            self._doubts.settle(Doubt(DoubtKind.SUM, symbol, f"order {oldest}"))
        return count
