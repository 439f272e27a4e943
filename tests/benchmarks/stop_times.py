"""How long a fill waited for its stop, from what the exchange remembers."""

from collections.abc import Iterable, Mapping
from typing import Any

_OPENING = {("BUY", "LONG"), ("SELL", "SHORT")}


def stop_times(requests: Iterable[Mapping[str, Any]]) -> list[int]:
    """Milliseconds from each opening fill to its stop's being accepted, by the exchange's own clock.

    A fill that was closed before its stop came has none.

    Parameters
    ----------
    requests
        What ``GET /sim/requests`` lists, from orders that fill at once.
    """
    naked: dict[tuple[str, str], int] = {}
    times = []
    for request in requests:
        for event in request["caused"]:
            order = event.get("o")
            if event["e"] == "ORDER_TRADE_UPDATE" and order["x"] == "TRADE":
                leg = (order["s"], order["ps"])
                if (order["S"], order["ps"]) in _OPENING:
                    naked[leg] = event["T"]
                else:
                    naked.pop(leg, None)
            elif event["e"] == "ALGO_UPDATE" and order["X"] == "NEW" and order["o"] == "STOP_MARKET":
                filled_ms = naked.pop((order["s"], order["ps"]), None)
                if filled_ms is not None:
                    times.append(event["T"] - filled_ms)
    return times
