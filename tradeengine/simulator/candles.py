"""Candles of any interval, made of those that a market keeps."""

from collections.abc import Iterable
from datetime import UTC, datetime

from tradeengine.simulator import errors
from tradeengine.simulator.market import Candle

_MINUTE_MS = 60_000
_UNITS = {"m": _MINUTE_MS, "h": 60 * _MINUTE_MS, "d": 1440 * _MINUTE_MS, "w": 10_080 * _MINUTE_MS}
_INTERVALS = frozenset({"1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M"})
# weeks start on Monday; 1970 began on a Thursday
_FIRST_MONDAY_MS = 4 * 1440 * _MINUTE_MS


def aggregate(candles: Iterable[Candle], interval: str) -> list[Candle]:
    """Candles of an interval, oldest first; a span in which nothing happened has none.

    A candle that is longer than the interval stays as it is.

    Raises
    ------
    ApiError
        -1120 if the exchange knows no such interval.
    """
    if interval not in _INTERVALS:
        raise errors.invalid_interval()
    gathered: list[Candle] = []
    for candle in candles:
        start_ms, end_ms = span(candle.time_ms, interval)
        if candle.length_ms > end_ms - start_ms:
            start_ms, end_ms = candle.time_ms, candle.time_ms + candle.length_ms
        if gathered and gathered[-1].time_ms == start_ms:
            _add(gathered[-1], candle)
        else:
            gathered.append(
                Candle(
                    start_ms,
                    end_ms - start_ms,
                    candle.open,
                    candle.high,
                    candle.low,
                    candle.close,
                    candle.volume,
                    candle.quote,
                    candle.count,
                    candle.first_id,
                    candle.last_id,
                )
            )
    return gathered


def span(time_ms: int, interval: str) -> tuple[int, int]:
    """Start and end of the interval that a time lies in, milliseconds since 1970 UTC."""
    if interval == "1M":
        day = datetime.fromtimestamp(time_ms / 1000, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        following = day.replace(year=day.year + day.month // 12, month=day.month % 12 + 1)
        return int(day.timestamp()) * 1000, int(following.timestamp()) * 1000
    length_ms = int(interval[:-1]) * _UNITS[interval[-1]]
    offset_ms = _FIRST_MONDAY_MS if interval == "1w" else 0
    start_ms = (time_ms - offset_ms) // length_ms * length_ms + offset_ms
    return start_ms, start_ms + length_ms


def _add(whole: Candle, part: Candle) -> None:
    whole.high, whole.low, whole.close = max(whole.high, part.high), min(whole.low, part.low), part.close
    whole.volume += part.volume
    whole.quote += part.quote
    whole.count += part.count
    whole.first_id = whole.first_id or part.first_id
    whole.last_id = part.last_id or whole.last_id
