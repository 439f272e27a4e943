"""The plan of a run: what goes wrong, where, when and for how long; a function of its seed."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from enum import StrEnum
from random import Random
from typing import Final, NamedTuple

PODS: Final = ("pod-a", "pod-b", "pod-c")


class Link(StrEnum):
    """What a pod is joined to, each by a proxy of its own."""

    NATS = "nats"
    MONGODB = "mongodb"
    MYSQL = "mysql"
    EXCHANGE = "exchange"


class Kind(StrEnum):
    """What goes wrong."""

    KILL = "kill"
    """A pod ends as by a power cut, and is started again at once."""
    FREEZE = "freeze"
    """A pod stands still for a while."""
    CUT = "cut"
    """A pod's connections are closed, and new ones refused."""
    SILENCE = "silence"
    """A pod's connections stay open, and nothing comes through."""
    DEAF = "deaf"
    """What a pod asks for is done, and the answers are lost."""
    SLOW = "slow"
    """Answers come late."""
    RESTART = "restart"
    """A server is killed, and comes back after a while."""
    LIE = "lie"
    """The exchange loses an answer, or an event, or tells one twice."""


LINK_FAULTS: Final = (Kind.CUT, Kind.SILENCE, Kind.DEAF, Kind.SLOW)
LIES: Final[Mapping[str, Mapping[str, object]]] = {
    "executed, connection dropped": {"when": "after", "effect": "drop_connection"},
    "connection dropped": {"when": "before", "effect": "drop_connection"},
    "executed, half an answer": {"effect": "truncate"},
    "executed, 503 unknown": {"when": "after", "effect": {"status": 503, "code": -1000, "msg": "Unknown error"}},
    "503 unknown": {"effect": {"status": 503, "code": -1000, "msg": "Unknown error"}},
    "executed, 408 timeout": {"when": "after", "effect": {"status": 408, "code": -1007, "msg": "Timeout"}},
    "503 page": {"effect": "html_503"},
    "executed, answer late": {"when": "after", "effect": {"delay_ms": 2_500}},
    "event swallowed": {"match": {"event": "ORDER_TRADE_UPDATE"}, "effect": "swallow_event"},
    "event twice": {"match": {"event": "ORDER_TRADE_UPDATE"}, "effect": "duplicate_event"},
    "event late": {"match": {"event": "ORDER_TRADE_UPDATE"}, "effect": {"delay_event_ms": 1_500}},
    "conditional event swallowed": {"match": {"event": "ALGO_UPDATE"}, "effect": "swallow_event"},
    "conditional event twice": {"match": {"event": "ALGO_UPDATE"}, "effect": "duplicate_event"},
    "streams cut": {"match": {}, "effect": "drop_streams"},
    "listen key expired": {"match": {}, "effect": "expire_listen_key"},
}
"""Faults of the exchange's control side by name; those without a match meet requests that place or cancel orders."""

REQUESTS: Final = (
    ("POST", "/fapi/v1/order"),
    ("POST", "/fapi/v1/algoOrder"),
    ("DELETE", "/fapi/v1/order"),
    ("DELETE", "/fapi/v1/algoOrder"),
)


class Fault(NamedTuple):
    """One fault.

    Parameters
    ----------
    at_s
        When, in seconds from the beginning.
    target
        A pod, a pod's link as ``pod-a nats``, a server, or the requests that the exchange lies about.
    lasts_s
        For how long; of a kill 0.
    detail
        Of a lie its name, and of a slow link the milliseconds.
    """

    at_s: float
    kind: Kind
    target: str
    lasts_s: float = 0.0
    detail: str = ""

    def __str__(self) -> str:
        lasts = f" for {self.lasts_s:.1f} s" if self.lasts_s else ""
        return f"{self.at_s:7.2f} s  {self.kind:<8} {self.target}{lasts}{' ' + self.detail if self.detail else ''}"


class Pace(NamedTuple):
    """How often faults of each kind come, as the shortest and longest pause in seconds.

    Parameters
    ----------
    pods
        Kills and freezes, outside of storms.
    storms
        From one storm to the next; in a storm pods are killed every 0.3 to 2 s.
    """

    pods: tuple[float, float] = (4.0, 16.0)
    storms: tuple[float, float] = (60.0, 120.0)
    links: tuple[float, float] = (2.0, 8.0)
    servers: tuple[float, float] = (12.0, 25.0)
    lies: tuple[float, float] = (0.5, 3.0)


def make_plan(seed: int, seconds: float, pace: Pace) -> list[Fault]:
    """Plan the faults of a run, in the order of their time."""
    parts = (_pods, _storms, _links, _servers, _lies)
    # Each kind has a stream of chance of its own: more of one does not change the others.
    found = [fault for part in parts for fault in part(Random(f"{seed} {part.__name__}"), seconds, pace)]
    return sorted(found)


def _times(chance: Random, seconds: float, pause: tuple[float, float]) -> Iterator[float]:
    at_s = chance.uniform(*pause)
    while at_s < seconds:
        yield at_s
        at_s += chance.uniform(*pause)


def _duration(chance: Random, shortest: float, longest: float) -> float:
    """Short ones are as likely as long ones, by their order of magnitude."""
    return round(shortest * math.pow(longest / shortest, chance.random()), 2)


def _pods(chance: Random, seconds: float, pace: Pace) -> Iterator[Fault]:
    frozen_until: defaultdict[str, float] = defaultdict(float)
    for at_s in _times(chance, seconds, pace.pods):
        pod = chance.choice(PODS)
        if chance.random() < 0.6:
            yield Fault(at_s, Kind.KILL, pod)
        elif frozen_until[pod] < at_s:
            lasts_s = _duration(chance, 1.0, 20.0)
            frozen_until[pod] = at_s + lasts_s
            yield Fault(at_s, Kind.FREEZE, pod, lasts_s)


def _storms(chance: Random, seconds: float, pace: Pace) -> Iterator[Fault]:
    for began_s in _times(chance, seconds, pace.storms):
        at_s = began_s
        for _ in range(chance.randint(3, 6)):
            yield Fault(at_s, Kind.KILL, chance.choice(PODS))
            at_s += chance.uniform(0.3, 2.0)


def _links(chance: Random, seconds: float, pace: Pace) -> Iterator[Fault]:
    free_at: defaultdict[str, float] = defaultdict(float)
    for at_s in _times(chance, seconds, pace.links):
        target = f"{chance.choice(PODS)} {chance.choice(list(Link))}"
        kind = chance.choice(LINK_FAULTS)
        lasts_s = _duration(chance, 0.3, 12.0)
        detail = f"{chance.randint(30, 400)}" if kind is Kind.SLOW else ""
        if free_at[target] < at_s:
            free_at[target] = at_s + lasts_s + 1.0
            yield Fault(at_s, kind, target, lasts_s, detail)


def _servers(chance: Random, seconds: float, pace: Pace) -> Iterator[Fault]:
    servers = [Link.NATS, Link.MONGODB, Link.MYSQL]
    for number, at_s in enumerate(_times(chance, seconds, pace.servers)):
        if number % len(servers) == 0:
            chance.shuffle(servers)
        yield Fault(at_s, Kind.RESTART, servers[number % len(servers)], _duration(chance, 0.2, 5.0))


def _lies(chance: Random, seconds: float, pace: Pace) -> Iterator[Fault]:
    for at_s in _times(chance, seconds, pace.lies):
        lie = chance.choice(list(LIES))
        target = "exchange" if "match" in LIES[lie] else " ".join(chance.choices(REQUESTS, (4, 4, 1, 3))[0])
        yield Fault(at_s, Kind.LIE, target, detail=lie)
