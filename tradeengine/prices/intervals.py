"""Lengths of bars that the exchange offers."""

from shared.errors import ConfigError

_MINUTE_MS = 60_000
_HOUR_MS = 60 * _MINUTE_MS
_DAY_MS = 24 * _HOUR_MS

INTERVALS = {
    "1m": _MINUTE_MS,
    "3m": 3 * _MINUTE_MS,
    "5m": 5 * _MINUTE_MS,
    "15m": 15 * _MINUTE_MS,
    "30m": 30 * _MINUTE_MS,
    "1h": _HOUR_MS,
    "2h": 2 * _HOUR_MS,
    "4h": 4 * _HOUR_MS,
    "6h": 6 * _HOUR_MS,
    "8h": 8 * _HOUR_MS,
    "12h": 12 * _HOUR_MS,
    "1d": _DAY_MS,
    "3d": 3 * _DAY_MS,
    "1w": 7 * _DAY_MS,
}
"""Milliseconds by the exchange's name (Binance docs, Kline Candlestick Data); months, which differ, are left out."""


def interval_ms(name: str) -> int:
    """Length of a bar, milliseconds.

    Raises
    ------
    ConfigError
        If the exchange offers no such bars.
    """
    if name not in INTERVALS:
        raise ConfigError(f"{name!r} is no length of a bar; choose one of {', '.join(INTERVALS)}")
    return INTERVALS[name]
