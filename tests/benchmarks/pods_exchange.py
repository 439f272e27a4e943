"""The simulated exchange of the pods: fifty symbols, and every limit but that of resting stops lifted."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from time import monotonic_ns, time_ns
from typing import Any, Final
from urllib.request import Request, urlopen

from tests.benchmarks.apart import Child
from tests.benchmarks.exchange_server import KEY, LENIENT, ROOMY, SECRET, serve
from tests.benchmarks.figures import MS
from tests.benchmarks.flow import SYMBOLS
from tests.simulator.conformance.symbols import symbol as listed

_START_S: Final = 60.0
_PRICE: Final = "40500.5"
_ORDERS: Final = ("POST", "/fapi/v1/order")
_NOTHING_SINCE: Final = 10**10


class Exchange:
    """The exchange in a process of its own."""

    def __init__(self, url: str) -> None:
        self._url = url

    @property
    def settings(self) -> dict[str, str]:
        """Environment of an engine that trades there."""
        return {
            "TRADING_MODE": "testnet",
            "BINANCE_API_KEY": KEY,
            "BINANCE_API_SECRET": SECRET,
            "BINANCE_FUTURES_BASE_URL": self._url,
            "BINANCE_WS_URL": self._url.replace("http", "ws", 1),
            "ALLOWED_SYMBOLS": ",".join(SYMBOLS),
            "STOP_LOSS_PCT": "0.02",
        }

    def moment(self) -> int:
        """Number of the newest request."""
        return int(self._get(f"requests?since={_NOTHING_SINCE}")["next"])

    def arrivals(self, since: int) -> dict[str, int]:
        """When each order after a :meth:`moment` arrived, by its client order id.

        Returns
        -------
        Mapping
            Nanoseconds of this machine's monotonic clock. The exchange tells the wall clock's milliseconds, the running
            one, so an order may have arrived up to a millisecond later than this says.
        """
        offset = time_ns() - monotonic_ns()
        rows = self._get(f"requests?since={since}")["requests"]
        if rows and rows[0]["number"] > since + 1:
            raise RuntimeError(f"the exchange remembers requests from {rows[0]['number']} on, not from {since + 1}")
        return {
            row["parameters"]["newclientorderid"]: row["time"] * MS - offset
            for row in reversed(rows)
            if (row["method"], row["path"]) == _ORDERS
        }

    def reset(self) -> None:
        """Begin with a fresh account."""
        document: dict[str, Any] = {
            "wallet": "1000000000",
            "symbols": [listed(name) for name in SYMBOLS],
            "marks": dict.fromkeys(SYMBOLS, _PRICE),
            "options": {**LENIENT, **ROOMY, "requests_kept": 100_000},
        }
        self._open(Request(f"{self._url}/sim/reset", data=json.dumps(document).encode(), method="POST"))

    def _get(self, path: str) -> Any:
        return self._open(Request(f"{self._url}/sim/{path}"))

    def _open(self, request: Request) -> Any:
        with urlopen(request) as answer:
            return json.load(answer)


@asynccontextmanager
async def exchange() -> AsyncIterator[Exchange]:
    """Run one."""
    with Child("the exchange", serve) as child:
        made = Exchange(str(await asyncio.to_thread(child.hear, _START_S)))
        await asyncio.to_thread(made.reset)
        yield made
        child.tell("stop")
        await asyncio.to_thread(child.hear, _START_S)


def by_signal(arrivals: Mapping[str, int], orders: Mapping[str, int]) -> dict[int, int]:
    """Arrivals of the orders that signals asked for, by the signal's number.

    Parameters
    ----------
    arrivals
        By client order id.
    orders
        Number of the signal by client order id.
    """
    return {number: arrivals[order_id] for order_id, number in orders.items() if order_id in arrivals}
