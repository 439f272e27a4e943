"""The script: what strategies, the market and the exchange do, whatever becomes of the engine meanwhile."""

from dataclasses import dataclass, field
from typing import Any, Final

FILL: Final = "fill"
MARK: Final = "mark"
FUNDING: Final = "funding"


@dataclass(frozen=True)
class Signals:
    """Signals that come together, by their ids; each comes again until it is decided, as from a broker."""

    documents: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Again:
    """A signal that was decided comes once more."""

    signal_id: str


@dataclass(frozen=True)
class Happens:
    """Something happens at the exchange, once, whoever may be there to hear of it.

    Parameters
    ----------
    path
        Of the exchange's control side; :data:`FILL` fills a part of the only order that rests.
    document
        What happens.
    """

    path: str
    document: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Wait:
    """Time passes, seconds: leases are renewed, and the reconciler looks."""

    seconds: float


@dataclass(frozen=True)
class Restart:
    """Whoever works is stopped in good order, and another begins from what was saved."""


AnyStep = Signals | Again | Happens | Wait | Restart


def _buy(strategy: str, quantity: str, symbol: str = "BTCUSDT", **fields: Any) -> dict[str, Any]:
    return {"strategy_id": strategy, "action": "buy", "symbol": symbol, "quantity": quantity, **fields}


def _close(strategy: str, symbol: str = "BTCUSDT") -> dict[str, Any]:
    return {"strategy_id": strategy, "action": "close", "symbol": symbol}


SCRIPT: Final[tuple[AnyStep, ...]] = (
    Signals(
        {
            "a1": _buy("A", "0.02"),
            "c1": _buy("C", "0.6", "ETHUSDT", order_type="limit", target_price="2990"),
        }
    ),
    Signals({"b1": _buy("B", "0.03", take_profit_pct="0.05")}),
    Happens(FILL, {"qty": "0.2"}),
    Signals({"a2": _buy("A", "0.01")}),
    Again("a1"),
    Happens(FUNDING, {"symbol": "BTCUSDT", "rate": "0.0005"}),
    Signals({"b2": _close("B")}),
    Wait(4.5),
    Restart(),
    Happens(MARK, {"symbol": "BTCUSDT", "price": "48500"}),
    Happens(FILL, {"qty": "0.4"}),
    Signals({"c2": _close("C", "ETHUSDT"), "h1": {**_buy("A", "1"), "action": "hold"}}),
    Again("c2"),
    Signals({"a3": _buy("A", "0.04")}),
)
"""Openings with stops on two symbols, a target, a fill in parts, an addition, duplicates, funding, closes, a stop that
triggers, and a process that leaves in good order. In the end one position is open."""

SHORT: Final[tuple[AnyStep, ...]] = (SCRIPT[0], SCRIPT[2], SCRIPT[4], SCRIPT[9], SCRIPT[5])
"""Opens two legs, one of them in parts; the stop of one triggers, the other stays."""
