"""Faults: which there are, and how a seed chooses them."""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any, Final

from tests.simulation.fault import BEGIN_S, PODS, Fault

SERVERS: Final = ("mongodb", "exchange", "nats", "mysql")
ANSWERS: Final[dict[str, Any]] = {
    "-1007": {"status": 408, "code": -1007, "msg": "Timeout waiting for response from backend server."},
    "503 unknown": {
        "status": 503,
        "code": -1000,
        "msg": "Unknown error, please check your request or try again later.",
    },
    "-1008": {"status": 503, "code": -1008, "msg": "Request throttled by system-level protection."},
    "429": {"status": 429, "code": -1003, "msg": "Too many requests.", "retry_after": 2},
    "html": "html_503",
    "cut": "drop_connection",
    "half": "truncate",
    "1.5 s late": {"delay_ms": 1_500},
    "7 s late": {"delay_ms": 7_000},
}
_ONLY: Final = {"half": "after", "-1008": "before", "429": "before"}
"""Answers that mean the request was executed, or was not."""
EVENTS: Final[dict[str, Any]] = {
    "swallowed": "swallow_event",
    "twice": "duplicate_event",
    "reordered": "reorder_events",
    "late": {"delay_event_ms": 700},
    "very late": {"delay_event_ms": 4_000},
}
_EVENT_NAMES: Final = ("ORDER_TRADE_UPDATE", "ALGO_UPDATE", "ACCOUNT_UPDATE", "TRADE_LITE")
UNHEARD: Final = ("-1007", "503 unknown", "cut", "html", "7 s late")
"""Answers that leave open whether an order was executed."""
_STORE_REQUESTS: Final = ("append", "read", "renew", "take", "release", "snapshot", "lookup", "leases", "*")

_AIMED: Final = ("kill", "freeze", "suspend", "stop", "partition", "slow", "held up")
POINTS: Final = (
    "append",
    *["append answered"] * 2,
    *["market planned"] * 5,
    "order",
    *["order answered"] * 2,
    "cancel",
    "cancel answered",
)
"""Points in a pod's work that a fault may wait for: before a request leaves, when its answer has come, and when a
record is committed that plans an order at market, which the exchange would take twice."""
KINDS: Final = (
    ("kill", 4),
    ("freeze", 6),
    ("held up", 3),
    ("suspend", 1),
    ("stop", 2),
    ("partition", 4),
    ("slow", 3),
    ("lost answer", 3),
    ("torn append", 1),
    ("server away", 2),
    ("server hangs", 2),
    ("exchange answers", 5),
    ("exchange events", 4),
    ("unheard order", 3),
    ("listen key expires", 1),
    ("streams cut", 1),
    ("lost ack", 2),
    ("wall clock jumps", 2),
    ("drain", 2),
)
"""What can go wrong, and how often it is chosen."""


def make_faults(random: Random, lasts_s: float) -> tuple[Fault, ...]:
    """Choose what goes wrong in a history whose signals last so long."""
    names = [name for name, _ in KINDS]
    weights = [weight for _, weight in KINDS]
    count = random.choice((0, 1, 1, 2, 2, 3, 3, 4, 5, 7, 11))
    chosen = random.choices(names, weights, k=count)
    faults = [_aimed(random, _MAKERS[kind](random, random.uniform(0.1, BEGIN_S + lasts_s))) for kind in chosen]
    return tuple(sorted(faults, key=lambda fault: fault.at_s))


def _aimed(random: Random, fault: Fault) -> Fault:
    """Most of what happens to a pod happens in the midst of what matters."""
    if fault.kind not in _AIMED or random.random() < 0.4:
        return fault
    steps = random.choice((0, random.randint(1, 12), random.randint(1, 40)))
    lasts_s = fault.lasts_s
    if fault.kind in ("freeze", "suspend") and random.random() < 0.7:
        # Until about when the lease ends, or the next owner has sent what it found under way.
        lasts_s = random.choice((random.uniform(2, 4.5), random.uniform(7.5, 12), random.uniform(8, 10)))
    return replace(fault, point=random.choice(POINTS), steps=steps, lasts_s=lasts_s)


def _pod(random: Random) -> int:
    return random.randrange(PODS)


def _freeze_s(random: Random) -> float:
    least_s, most_s = random.choice(((0.05, 1), (0.5, 4), (2, 8), (6, 13)))
    return random.uniform(least_s, most_s)


def _outage_s(random: Random) -> float:
    return random.choice((random.uniform(0.05, 1), random.uniform(0.5, 4), random.uniform(2, 6)))


def _answers(random: Random, at_s: float) -> Fault:
    method = random.choice(("POST", "POST", "POST", "DELETE", "GET"))
    answer = random.choice([name for name in ANSWERS if name != "429"] + ["429"])
    when = (
        "after" if answer == "half" else "before" if answer in ("-1008", "429") else random.choice(("before", "after"))
    )
    return Fault(at_s, "exchange answers", 0, 0, (method, answer, when, str(random.choice((1, 1, 2, 3)))))


def _events(random: Random, at_s: float) -> Fault:
    detail = (random.choice(tuple(EVENTS)), random.choice(_EVENT_NAMES), str(random.choice((1, 1, 3))))
    return Fault(at_s, "exchange events", 0, 0, detail)


_MAKERS: Final[dict[str, Callable[[Random, float], Fault]]] = {
    "kill": lambda r, at: Fault(at, "kill", r.choice((r.uniform(0.1, 2), r.uniform(1, 5))), _pod(r)),
    "freeze": lambda r, at: Fault(at, "freeze", _freeze_s(r), _pod(r)),
    "held up": lambda r, at: Fault(at, "held up", r.uniform(1.2, 3.2), _pod(r)),
    "suspend": lambda r, at: Fault(at, "suspend", _freeze_s(r), _pod(r)),
    "stop": lambda r, at: Fault(at, "stop", r.uniform(0.1, 8), _pod(r)),
    "partition": lambda r, at: Fault(
        at, "partition", _outage_s(r), _pod(r), (r.choice(SERVERS), r.choice(("both", "both", "there", "back")))
    ),
    "slow": lambda r, at: Fault(
        at, "slow", _outage_s(r), _pod(r), (r.choice(SERVERS), str(r.choice((0.05, 0.4, 1.5, 3.0))))
    ),
    "lost answer": lambda r, at: Fault(
        at, "lost answer", 0, _pod(r), (r.choice(_STORE_REQUESTS), r.choice(("before", "after", "after")))
    ),
    "torn append": lambda r, at: Fault(at, "torn append", 0, 0, (str(r.choice((0, 1, 1, 2))),)),
    "server away": lambda r, at: Fault(at, "server away", _outage_s(r), 0, (r.choice(SERVERS),)),
    "server hangs": lambda r, at: Fault(at, "server hangs", _outage_s(r), 0, (r.choice(SERVERS),)),
    "exchange answers": _answers,
    "exchange events": _events,
    "unheard order": lambda r, at: Fault(at, "unheard order", 0, 0, (r.choice(UNHEARD), str(r.choice((1, 2))))),
    "listen key expires": lambda r, at: Fault(at, "listen key expires"),
    "streams cut": lambda r, at: Fault(at, "streams cut"),
    "lost ack": lambda r, at: Fault(at, "lost ack", 0, _pod(r)),
    "drain": lambda r, at: Fault(at, "drain", r.uniform(0.5, 6), _pod(r)),
    "wall clock jumps": lambda r, at: Fault(at, "wall clock jumps", 0, _pod(r), (str(round(r.uniform(-900, 900), 1)),)),
}
