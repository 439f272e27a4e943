"""When the paper exchange settles funding by itself."""

from collections.abc import Mapping
from decimal import Decimal

EIGHT_HOURS_MS = 8 * 60 * 60 * 1000


class FundingSchedule:
    """Settles each symbol's funding at a constant rate whenever a multiple of the interval since 1970 UTC has passed.

    Parameters
    ----------
    rates
        Per symbol: fraction of the notional per settlement; longs pay when it is positive.
    interval_ms
        Milliseconds from one settlement to the next.
    """

    def __init__(self, rates: Mapping[str, Decimal], interval_ms: int = EIGHT_HOURS_MS) -> None:
        self._rates = dict(rates)
        self._interval_ms = interval_ms
        self._settled: dict[str, int] = {}

    def due(self, symbol: str, now_ms: int) -> list[Decimal]:
        """Rates to settle now, one for each settlement time since the last call; none at a symbol's first call."""
        rate = self._rates.get(symbol)
        if rate is None:
            return []
        newest = now_ms // self._interval_ms
        missed = newest - self._settled.get(symbol, newest)
        self._settled[symbol] = newest
        return [rate] * missed
