"""Rate limits: weights by IP, orders by account, refusals, and bans of those who go on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tradeengine.simulator.errors import ApiError
from tradeengine.simulator.server_options import ServerOptions

EVERYBODY = "*"

_MINUTE_MS = 60_000
_TEN_SECONDS_MS = 10_000
_FUNDING_MS = 300_000


@dataclass(slots=True)
class _Window:
    """A count that starts anew with every interval of the clock."""

    length_ms: int
    index: int = -1
    used: int = 0
    refused: int = 0

    def at(self, now_ms: int) -> "_Window":
        index = now_ms // self.length_ms
        if index != self.index:
            self.index, self.used, self.refused = index, 0, 0
        return self

    def rest_s(self, now_ms: int) -> int:
        """Whole seconds to wait until the next interval has begun."""
        return -(-((self.index + 1) * self.length_ms - now_ms) // 1000)


@dataclass(slots=True)
class _Ban:
    until_ms: int
    times: int


class RateLimits:
    """Counts what was used, refuses what is too much (Binance docs, General Info, Limits).

    Parameters
    ----------
    options
        Limits, and whether they are held.
    """

    def __init__(self, options: ServerOptions) -> None:
        self._options = options
        self._weights: dict[str, _Window] = {}
        self._funding: dict[str, _Window] = {}
        self._bans: dict[str, _Ban] = {}
        self._ten_seconds = _Window(_TEN_SECONDS_MS)
        self._minute = _Window(_MINUTE_MS)

    def check_ban(self, ip: str, now_ms: int) -> None:
        """Refuse a banned address.

        Raises
        ------
        ApiError
            418, with the seconds that are left.
        """
        if not self._bans:
            return
        until_ms = max((ban.until_ms for whom, ban in self._bans.items() if whom in (ip, EVERYBODY)), default=0)
        if until_ms <= now_ms:
            return
        raise ApiError(
            -1003,
            f"Way too many requests; IP banned until {until_ms}. "
            "Please use the websocket for live updates to avoid bans.",
            status=418,
            headers={"Retry-After": str(-(-(until_ms - now_ms) // 1000))},
        )

    def spend(self, ip: str, weight: int, now_ms: int) -> None:
        """Count a request's weight.

        Raises
        ------
        ApiError
            429 when it is more than the minute holds; 418 for an address that went on in spite of 429.
        """
        window = self._weights.setdefault(ip, _Window(_MINUTE_MS)).at(now_ms)
        window.used += weight
        limit = self._options.weight_1m
        if window.used > limit:
            self._refuse(ip, window, now_ms, f"Too many requests; current limit is {limit} requests per minute.")

    def spend_funding(self, ip: str, now_ms: int) -> None:
        """Count a call of the funding rates, which have a limit of their own.

        Raises
        ------
        ApiError
            As :meth:`spend` does.
        """
        window = self._funding.setdefault(ip, _Window(_FUNDING_MS)).at(now_ms)
        window.used += 1
        limit = self._options.funding_calls_5m
        if window.used > limit:
            self._refuse(ip, window, now_ms, f"Too many requests; current limit is {limit} requests per 5 minutes.")

    def check_orders(self, ten_seconds: int, minute: int, now_ms: int) -> None:
        """Refuse orders beyond the account's limits, without counting them.

        Raises
        ------
        ApiError
            429, code -1015.
        """
        if self._options.rate_limits == "off":
            return
        for window, more, limit, span in (
            (self._ten_seconds.at(now_ms), ten_seconds, self._options.orders_10s, "10 SECONDS"),
            (self._minute.at(now_ms), minute, self._options.orders_1m, "1 MINUTES"),
        ):
            if more and window.used + more > limit:
                raise ApiError(
                    -1015,
                    f"Too many new orders; current limit is {limit} orders per {span}.",
                    status=429,
                    headers={"Retry-After": str(window.rest_s(now_ms))},
                )

    def count_orders(self, ten_seconds: int, minute: int, now_ms: int) -> None:
        """Count orders of the account."""
        self._ten_seconds.at(now_ms).used += ten_seconds
        self._minute.at(now_ms).used += minute

    def ban(self, ip: str, seconds: int, now_ms: int) -> None:
        """Ban an address, or :data:`EVERYBODY`."""
        times = self._bans[ip].times + 1 if ip in self._bans else 1
        self._bans[ip] = _Ban(now_ms + seconds * 1000, times)

    def lift_bans(self) -> None:
        """Forget all bans, and how many there were."""
        self._bans.clear()

    def used_weight(self, ip: str, now_ms: int) -> int:
        """Weight that an address has used in this minute."""
        window = self._weights.get(ip)
        return window.at(now_ms).used if window else 0

    def order_counts(self, now_ms: int) -> tuple[int, int]:
        """Orders of these ten seconds and of this minute."""
        return self._ten_seconds.at(now_ms).used, self._minute.at(now_ms).used

    def describe(self) -> list[dict[str, Any]]:
        """The limits, as ``exchangeInfo`` lists them."""
        options = self._options
        return [
            _limit("REQUEST_WEIGHT", "MINUTE", 1, options.weight_1m),
            _limit("ORDERS", "MINUTE", 1, options.orders_1m),
            _limit("ORDERS", "SECOND", 10, options.orders_10s),
        ]

    def usage(self, ip: str, now_ms: int, *, orders: bool) -> list[dict[str, Any]]:
        """Limits with what is used of them, as answers of the WebSocket API carry them."""
        weight, minute, seconds = self.describe()
        counts = self.order_counts(now_ms)
        used = [weight | {"count": self.used_weight(ip, now_ms)}]
        if orders:
            used += [seconds | {"count": counts[0]}, minute | {"count": counts[1]}]
        return used

    def _refuse(self, ip: str, window: _Window, now_ms: int, message: str) -> None:
        if self._options.rate_limits == "off":
            return
        window.refused += 1
        if window.refused > self._options.ban_after:
            times = self._bans[ip].times if ip in self._bans else 0
            self.ban(ip, min(self._options.ban_s << times, self._options.ban_max_s), now_ms)
            self.check_ban(ip, now_ms)
        raise ApiError(
            -1003,
            f"{message} Please use the websocket for live updates to avoid polling the API.",
            status=429,
            headers={"Retry-After": str(window.rest_s(now_ms))},
        )


def _limit(kind: str, interval: str, number: int, limit: int) -> dict[str, Any]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}


def usage_headers(limits: RateLimits, ip: str, now_ms: int, *, orders: bool) -> Mapping[str, str]:
    """Headers that say what is used; those of orders only with answers about orders."""
    headers = {"X-MBX-USED-WEIGHT-1M": str(limits.used_weight(ip, now_ms))}
    if orders:
        ten_seconds, minute = limits.order_counts(now_ms)
        headers["X-MBX-ORDER-COUNT-10S"] = str(ten_seconds)
        headers["X-MBX-ORDER-COUNT-1M"] = str(minute)
    return headers
