"""What is measured of the connection to the exchange, for metrics."""

import math

from shared.clock import Clock
from shared.gauges import ExchangeFigures, StreamFigures
from tradeengine.venue.binance.budget import Budget
from tradeengine.venue.binance.session import Session
from tradeengine.venue.binance.watched import WatchedStream


def measured(budget: Budget, session: Session | None, clock: Clock) -> ExchangeFigures:
    """Figures of now; cheap, and from any thread.

    Parameters
    ----------
    session
        The connection; ``None`` while there is none, and no stream is heard then.
    """
    usage, (part, whole) = budget.usage(), budget.share
    error_ms = session.rest.time.error_ms if session is not None else math.inf
    streams = {"user": session.feed.stream, "market": session.market} if session is not None else {}
    silent = StreamFigures(is_heard=False, silent_s=None, rebuilds=0)
    return ExchangeFigures(
        used={
            "weight_1m": (usage.weight_1m, usage.limits.weight_1m),
            "orders_10s": (usage.order_count_10s, usage.limits.orders_10s),
            "orders_1m": (usage.order_count_1m, usage.limits.orders_1m),
        },
        order_share=part / whole,
        stopped_s=usage.stopped_s,
        clock_offset_s=budget.offset_ms / 1000,
        clock_error_s=None if math.isinf(error_ms) else error_ms / 1000,
        streams={name: _heard(streams[name], clock) if name in streams else silent for name in ("user", "market")},
    )


def _heard(stream: WatchedStream, clock: Clock) -> StreamFigures:
    heard_ms = stream.last_heard_ms
    silent_s = None if heard_ms is None else (clock.now_ms() - heard_ms) / 1000
    return StreamFigures(is_heard=stream.trouble is None, silent_s=silent_s, rebuilds=stream.rebuilds)
