"""Signals as strategies publish them, for the way from JetStream to an acknowledged decision."""

from enum import StrEnum
from itertools import product

import msgspec

from tests.benchmarks.flow import QUANTITY, STRATEGIES, SYMBOLS

_ACTIVE_EVERY = 50
# Each opens or adds, long and short in turn: one order a signal exactly. A close that meets its opening in one batch
# would cancel an order that nobody could have filled yet.
_TURNS = ("buy", "sell")
_PAIRS = list(product(STRATEGIES, SYMBOLS))


class Workload(StrEnum):
    """What the signals ask for."""

    SPARSE = "an order for one signal in fifty"
    DENSE = "an order for every signal"


def signal_id(number: int) -> str:
    """Id of a signal."""
    return f"signal-{number:08}"


def asks_for_order(workload: Workload, number: int) -> bool:
    """Whether a signal asks for an order."""
    return number % _every(workload) == 0


def _every(workload: Workload) -> int:
    return _ACTIVE_EVERY if workload is Workload.SPARSE else 1


def payloads(
    workload: Workload, numbers: range, now_ms: int, *, traders: int = len(STRATEGIES)
) -> list[tuple[str, bytes]]:
    """Symbol and JSON of each signal; 20 strategies take turns on 50 symbols.

    Parameters
    ----------
    numbers
        Which signals of the endless row: each has one number only.
    now_ms
        Timestamp of them all, milliseconds since 1970 UTC.
    traders
        How many of the strategies ask for orders, 1 to 20: each holds a position of either side of each symbol, which
        takes the exchange's room for stops.
    """
    positions = traders * len(SYMBOLS)
    every = _every(workload)
    made = []
    for number in numbers:
        active, idle = divmod(number, every)
        if idle:
            strategy, symbol = _PAIRS[number % len(_PAIRS)]
            made.append((symbol, _payload(number, strategy, symbol, "hold", now_ms)))
        else:
            turn, pair = divmod(active, positions)
            strategy, symbol = _PAIRS[pair]
            made.append((symbol, _payload(number, strategy, symbol, _TURNS[turn % len(_TURNS)], now_ms)))
    return made


def _payload(number: int, strategy: str, symbol: str, action: str, now_ms: int) -> bytes:
    signal = {
        "signal_id": signal_id(number),
        "strategy_id": strategy,
        "symbol": symbol,
        "action": action,
        "confidence": 0.85,
        "strength": "strong",
        "timeframe": "5m",
        "current_price": "40500.5",
        "timestamp": now_ms,
        "source": "bench",
        "metadata": {"indicator": "rsi", "window": 14},
    }
    if action != "hold":
        signal["quantity"] = str(QUANTITY)
    return msgspec.json.encode(signal)
