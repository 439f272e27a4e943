"""How much request weight may still be used in this minute."""

from collections.abc import Mapping, Sequence
from typing import Any

from shared.clock import Clock

_MINUTE_MS = 60_000
# The exchange's minute may begin a little later than its clock told us.
_MARGIN_S = 0.5


class WeightBudget:
    """Keeps a share of the limit free: other programs at this address use it too.

    The exchange counts by address and begins anew with every minute of its clock (Binance docs, General Info).

    Parameters
    ----------
    clock
        Ours.
    limit
        Weight of a minute that the exchange allows.
    share_pct
        Percentage of it that may be used.
    """

    def __init__(self, clock: Clock, limit: int = 2400, share_pct: int = 80) -> None:
        self._clock = clock
        self.limit = limit
        self._share_pct = share_pct
        self.offset_ms = 0
        """What the exchange's clock is ahead of ours, milliseconds."""
        self._minute = -1
        self._used = 0

    @property
    def used(self) -> int:
        """Weight used in this minute, as far as it is known."""
        return self._used if self._minute == self._now_ms() // _MINUTE_MS else 0

    def adopt(self, used: int) -> None:
        """Take over what the exchange says was used in this minute."""
        self._minute, self._used = self._now_ms() // _MINUTE_MS, used

    def adopt_limits(self, rate_limits: Sequence[Mapping[str, Any]]) -> None:
        """Take over the limit that the exchange states in ``rateLimits`` of its ``exchangeInfo``."""
        for stated in rate_limits:
            if (stated["rateLimitType"], stated["interval"], stated["intervalNum"]) == ("REQUEST_WEIGHT", "MINUTE", 1):
                self.limit = int(stated["limit"])

    def wait_s(self, weight: int) -> float:
        """Seconds to wait before a request of that weight may go; 0 if it may go now."""
        if (self.used + weight) * 100 <= self.limit * self._share_pct:
            return 0
        return (_MINUTE_MS - self._now_ms() % _MINUTE_MS) / 1000 + _MARGIN_S

    def _now_ms(self) -> int:
        return self._clock.now_ms() + self.offset_ms
