"""What goes wrong between engine and exchange: lost answers, and a user stream that tells too little or too much."""

from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True)
class Trouble:
    """Something goes wrong with what comes next, or at once."""

    name: str
    fault: dict[str, Any] = field(repr=False)


_ORDERS: Final = "/fapi/v1/*rder"
"""Orders, conditional or not."""
_TIMEOUT: Final = {"status": 408, "code": -1007, "msg": "Timeout waiting for response from backend server."}
_UNKNOWN: Final = {"status": 503, "code": -1000, "msg": "Unknown error, please check your request or try again later."}
_OVERLOAD: Final = {"status": 503, "code": -1008, "msg": "Request throttled by system-level protection."}
_TOO_MANY: Final = {"status": 429, "code": -1003, "msg": "Too many requests.", "retry_after": 2}

_ANSWERS: Final[tuple[tuple[str, Any, tuple[str, ...]], ...]] = (
    ("connection cut", "drop_connection", ("before", "after")),
    ("-1007", _TIMEOUT, ("before", "after")),
    ("-1000", _UNKNOWN, ("before", "after")),
    ("-1008", _OVERLOAD, ("before",)),
    ("429", _TOO_MANY, ("before",)),
    ("a page of HTML", "html_503", ("before", "after")),
    ("half an answer", "truncate", ("after",)),
    ("1.5 s late", {"delay_ms": 1_500}, ("before", "after")),
    # Longer than the client waits, and than a signature is good for.
    ("12 s late", {"delay_ms": 12_000}, ("before", "after")),
)
_MESSAGES: Final = ("swallow_event", "duplicate_event", "reorder_events", {"delay_event_ms": 700})


def _lost(method: str, path: str, name: str, effect: Any, when: str, times: int) -> Trouble:
    # The window tells the engine's requests from those beside it.
    match = {"method": method, "path": path, "params": {"recvwindow": "2000"}}
    fault = {"match": match, "effect": effect, "when": when, "times": times}
    return Trouble(f"{method} {path}: {name}, {when} x{times}", fault)


def _told(effect: Any, times: int = 1, **match: str) -> Trouble:
    return Trouble(f"{effect} {match} x{times}", {"match": match, "effect": effect, "times": times})


TROUBLES: tuple[Trouble, ...] = (
    *[
        _lost(method, path, name, effect, when, times)
        for method, path in (("POST", _ORDERS), ("POST", _ORDERS), ("DELETE", _ORDERS), ("GET", "*"))
        for name, effect, whens in _ANSWERS
        for when in whens
        # What only asks, or cancels, the client sends again by itself when a connection is cut.
        for times in ((1, 2) if method == "POST" else (2,))
    ],
    *[
        _told(effect, times, **match)
        for effect in _MESSAGES
        for match in (
            {"event": "ORDER_TRADE_UPDATE", "x": "TRADE"},
            {"event": "ORDER_TRADE_UPDATE"},
            {"event": "ALGO_UPDATE"},
            {"event": "ACCOUNT_UPDATE"},
            {"event": "TRADE_LITE"},
        )
        for times in (1, 3)
    ],
    _told("drop_connection", event="ORDER_TRADE_UPDATE"),
    _told("drop_connection", event="ALGO_UPDATE"),
    Trouble("streams cut", {"effect": "drop_streams"}),
    Trouble("listen key expires", {"effect": "expire_listen_key"}),
)
"""Half of them lost answers, half of them the stream's."""
