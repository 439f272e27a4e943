"""Time spans of history queries."""

from typing import TYPE_CHECKING

from tradeengine.simulator import errors
from tradeengine.simulator.params import Params

if TYPE_CHECKING:
    from tradeengine.simulator.exchange import Exchange

WEEK_MS = 7 * 86_400_000


def window(exchange: "Exchange", params: Params, longest_ms: int = WEEK_MS) -> tuple[int, int]:
    """First and last millisecond that a query asks for: ``startTime`` and ``endTime``, else the last seven days.

    Parameters
    ----------
    longest_ms
        Longest span, and the span that stands for what was not sent.

    Raises
    ------
    ApiError
        -1127 if the span is longer, -1128 if it ends before it starts.
    """
    start_ms, end_ms = params.optional_integer("startTime"), params.optional_integer("endTime")
    if end_ms is None:
        end_ms = exchange.now_ms if start_ms is None else min(exchange.now_ms, start_ms + longest_ms)
        if start_ms is None:
            return end_ms - longest_ms, end_ms
        return start_ms, max(start_ms, end_ms)
    if start_ms is None:
        return end_ms - longest_ms, end_ms
    if end_ms < start_ms:
        raise errors.invalid_combination()
    if end_ms - start_ms > longest_ms:
        raise errors.interval_too_big("startTime", "endTime")
    return start_ms, end_ms
