"""Three small strategies, to read before writing one's own.

A strategy hears prices and answers with signals. It knows no order, no fill and no balance: how much may be traded,
what conflicts with whom and how stops rest on the exchange is the engine's business. What a strategy should do is
shown here: decide from what it heard alone, count in decimals, and give each signal an id that the same decision would
get again, so that it may be sent twice without being traded twice.
"""

from collections import defaultdict, deque
from collections.abc import Sequence
from decimal import Context, Decimal
from typing import Protocol

from contracts.enums import PositionSide
from tradeengine.runtime.demo.writer import Document, SignalWriter

_EIGHT_DIGITS = Context(prec=8)

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT


class Strategy(Protocol):
    """Turns prices into signals; one instance serves any number of symbols."""

    def on_price(self, symbol: str, price: Decimal, time_ms: int) -> list[Document]:
        """Hear a price.

        Parameters
        ----------
        price
            Quote currency, above zero.
        time_ms
            When it held, milliseconds since 1970 UTC; times of one symbol rise.

        Returns
        -------
        list of Document
            Signals to send, in this order; mostly none.
        """
        ...


class MovingAverageCross:
    """Follows the trend: long from where the fast average crosses above the slow one, short from where below.

    Parameters
    ----------
    writer
        Writes the signals.
    fast, slow
        Number of prices that each average spans, ``1 <= fast < slow``.
    """

    def __init__(self, writer: SignalWriter, *, fast: int, slow: int) -> None:
        if not 1 <= fast < slow:
            raise ValueError(f"fast is {fast} and slow {slow}; needed is 1 <= fast < slow")
        self._writer = writer
        self._fast = fast
        self._prices = _windows(slow)
        self._trend: dict[str, PositionSide] = {}

    def on_price(self, symbol: str, price: Decimal, time_ms: int) -> list[Document]:
        """Hear a price; a cross closes the one side and opens the other."""
        prices = self._prices[symbol]
        prices.append(price)
        if not _full(prices):
            return []
        fast, slow = _mean(list(prices)[-self._fast :]), _mean(prices)
        if fast == slow:
            return []
        trend = LONG if fast > slow else SHORT
        before = self._trend.get(symbol)
        self._trend[symbol] = trend
        if before is None or trend is before:
            # The first trend seen is old; only its change is news.
            return []
        why = f"fast average {_short(fast)} crossed {'above' if trend is LONG else 'below'} {_short(slow)}"
        return self._writer.enter(symbol, trend, price, time_ms, why)


class MeanReversion:
    """Bets against extremes: enters far from the mean, leaves at the mean.

    Parameters
    ----------
    writer
        Writes the signals.
    window
        Number of prices that mean and deviation span, at least 2.
    entry_deviations
        How far from the mean is far, in standard deviations, above zero.
    """

    def __init__(self, writer: SignalWriter, *, window: int, entry_deviations: Decimal) -> None:
        if window < 2 or entry_deviations <= 0:
            raise ValueError(f"window is {window}, entry_deviations {entry_deviations}; needed is >= 2 and > 0")
        self._writer = writer
        self._entry_deviations = entry_deviations
        self._prices = _windows(window)

    def on_price(self, symbol: str, price: Decimal, time_ms: int) -> list[Document]:
        """Hear a price; it may be far enough away to enter, or back at the mean."""
        prices = self._prices[symbol]
        prices.append(price)
        if not _full(prices):
            return []
        mean = _mean(prices)
        distance = price - mean
        held = self._writer.side(symbol)
        if held is not None:
            back = distance >= 0 if held is LONG else distance <= 0
            return self._writer.leave(symbol, price, time_ms, f"back at {_short(mean)}") if back else []
        # Squares are compared, so that no root is needed.
        variance = _mean([(each - mean) ** 2 for each in prices])
        if not distance or distance**2 < self._entry_deviations**2 * variance:
            return []
        side = LONG if distance < 0 else SHORT
        why = f"{_short(abs(distance))} {'below' if side is LONG else 'above'} the mean {_short(mean)}"
        return self._writer.enter(symbol, side, price, time_ms, why)


class Breakout:
    """Goes with a price that leaves the range of the last ones.

    Its positions end by the stop or target that rests on the exchange, or by a break of the other side. The strategy
    is not told of the first, so it stays out until the other side breaks.

    Parameters
    ----------
    writer
        Writes the signals; it should ask for a stop and a target.
    bars
        Number of prices that make the range, at least 1.
    """

    def __init__(self, writer: SignalWriter, *, bars: int) -> None:
        if bars < 1:
            raise ValueError(f"bars is {bars}; needed is >= 1")
        self._writer = writer
        self._prices = _windows(bars)

    def on_price(self, symbol: str, price: Decimal, time_ms: int) -> list[Document]:
        """Hear a price; it is compared with the range before it."""
        prices = self._prices[symbol]
        complete, high, low = _full(prices), max(prices, default=price), min(prices, default=price)
        prices.append(price)
        if not complete or low <= price <= high:
            return []
        side, limit = (LONG, high) if price > high else (SHORT, low)
        why = f"left the range of {len(prices)} prices at {limit}"
        return self._writer.enter(symbol, side, price, time_ms, why)


def _windows(length: int) -> defaultdict[str, deque[Decimal]]:
    """The last prices of each symbol."""
    return defaultdict(lambda: deque(maxlen=length))


def _full(window: deque[Decimal]) -> bool:
    return len(window) == window.maxlen


def _mean(values: Sequence[Decimal]) -> Decimal:
    return sum(values, Decimal(0)) / len(values)


def _short(value: Decimal) -> str:
    """The value to eight digits, for people."""
    return f"{_EIGHT_DIGITS.create_decimal(value):f}"
