"""What goes wrong between engine and exchange: lost answers, and a user stream that does not tell all, or tells it oddly."""

from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True)
class Trouble:
    """Something goes wrong with what comes next, or at once."""

    name: str
    fault: dict[str, Any] = field(repr=False)


_ORDERS: Final = "/fapi/v1/*rder"
"""Orders, conditional or not."""


def _lost(method: str, path: str, name: str, effect: Any, when: str) -> Trouble:
    # The window tells the engine's requests from those beside it.
    match = {"method": method, "path": path, "params": {"recvwindow": "2000"}}
    return Trouble(f"{name} {when} {method} {path}", {"match": match, "effect": effect, "when": when})


def _event(effect: Any, times: int = 1, **match: str) -> Trouble:
    return Trouble(f"{effect} {match} x{times}", {"match": match, "effect": effect, "times": times})


TROUBLES: tuple[Trouble, ...] = (
    *[
        _lost(method, path, name, effect, when)
        for method, path in (("POST", _ORDERS), ("DELETE", _ORDERS), ("GET", "*"))
        for name, effect, when in (
            ("cut", "drop_connection", "before"),
            ("cut", "drop_connection", "after"),
            (
                "-1007",
                {"status": 408, "code": -1007, "msg": "Timeout waiting for response from backend server."},
                "before",
            ),
            (
                "-1007",
                {"status": 408, "code": -1007, "msg": "Timeout waiting for response from backend server."},
                "after",
            ),
            ("503", {"status": 503, "code": -1000, "msg": "Unknown error, please check your request."}, "before"),
            ("503", {"status": 503, "code": -1000, "msg": "Unknown error, please check your request."}, "after"),
            ("-1008", {"status": 503, "code": -1008, "msg": "Request throttled by system-level protection."}, "before"),
            ("html", "html_503", "before"),
            ("html", "html_503", "after"),
        )
        if not (method == "GET" and when == "after")
    ],
    *[
        _event(effect, times, **({"event": event} | more))
        for effect in ("swallow_event", "duplicate_event", "reorder_events", {"delay_event_ms": 700})
        for event, more in (
            ("ORDER_TRADE_UPDATE", {"x": "TRADE"}),
            ("ORDER_TRADE_UPDATE", {}),
            ("ALGO_UPDATE", {}),
            ("ACCOUNT_UPDATE", {}),
            ("TRADE_LITE", {}),
        )
        for times in (1, 3)
    ],
    _event("drop_connection", event="ORDER_TRADE_UPDATE"),
    _event("drop_connection", event="ALGO_UPDATE"),
    Trouble("streams cut", {"effect": "drop_streams"}),
    Trouble("listen key expires", {"effect": "expire_listen_key"}),
)
