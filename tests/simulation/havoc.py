"""Havoc: how each fault is made in a world, and mended."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from tests.simulation.fault import Fault
from tests.simulation.faults import ANSWERS, EVENTS
from tests.simulation.plan import WINDOW_MS
from tests.simulation.road import QUICK_S

if TYPE_CHECKING:
    from tests.simulation.world import World

_ORDERS: Final = "/fapi/v1/*rder"
"""Orders, conditional or not."""
_LATE_S: Final = 1.5
_WINDOW: Final = {"recvwindow": str(WINDOW_MS)}


def begin(world: "World", fault: Fault) -> None:
    """Let a fault begin."""
    _BEGIN[fault.kind](world, fault)


def end(world: "World", fault: Fault) -> None:
    """Let a fault that lasts be over."""
    if fault.kind in _END:
        _END[fault.kind](world, fault)


def _suspend(world: "World", fault: Fault) -> None:
    world.pods[fault.pod].clock.stop()
    world.pods[fault.pod].freeze()


def _resume(world: "World", fault: Fault) -> None:
    world.pods[fault.pod].clock.go_on()
    world.pods[fault.pod].thaw()


def _cut(world: "World", fault: Fault, is_cut: bool) -> None:
    server, way = fault.detail
    weather = world.pods[fault.pod].weather[server]
    if way in ("both", "there"):
        weather.is_cut_there = is_cut
    if way in ("both", "back"):
        weather.is_cut_back = is_cut


def _slow(world: "World", fault: Fault) -> None:
    server, most_s = fault.detail
    world.pods[fault.pod].weather[server].latency_s = (float(most_s) / 10, float(most_s))


def _quick(world: "World", fault: Fault) -> None:
    world.pods[fault.pod].weather[fault.detail[0]].latency_s = QUICK_S


def _hold_up(world: "World", fault: Fault) -> None:
    """What the pod sends once it goes on arrives late, though in time for the exchange."""
    world.pods[fault.pod].freeze()
    world.pods[fault.pod].weather["exchange"].latency_s = (0.3, 0.95)


def _let_go(world: "World", fault: Fault) -> None:
    pod = world.pods[fault.pod]
    pod.thaw()
    world.later(_LATE_S, lambda: setattr(pod.weather["exchange"], "latency_s", QUICK_S))


def _answer(world: "World", fault: Fault) -> None:
    method, answer, when, times = fault.detail
    match = {"method": method, "path": "*" if method == "GET" else _ORDERS, "params": _WINDOW}
    world.exchange.arm({"match": match, "effect": ANSWERS[answer], "when": when, "times": int(times)})


def _silence(world: "World", fault: Fault) -> None:
    """Orders are executed, and for seconds neither their answers nor the stream tell of it."""
    answer, times = fault.detail
    match = {"method": "POST", "path": _ORDERS, "params": _WINDOW}
    world.exchange.arm({"match": match, "effect": ANSWERS[answer], "when": "after", "times": int(times)})
    for name in ("ORDER_TRADE_UPDATE", "TRADE_LITE", "ALGO_UPDATE", "ACCOUNT_UPDATE"):
        world.exchange.arm({"match": {"event": name}, "effect": EVENTS["very late"], "times": 2 * int(times)})


def _event(world: "World", fault: Fault) -> None:
    effect, name, times = fault.detail
    world.exchange.arm({"match": {"event": name}, "effect": EVENTS[effect], "times": int(times)})


_BEGIN: Final[dict[str, Callable[["World", Fault], None]]] = {
    "kill": lambda world, fault: world.pods[fault.pod].kill(),
    "freeze": lambda world, fault: world.pods[fault.pod].freeze(),
    "held up": _hold_up,
    "suspend": _suspend,
    "stop": lambda world, fault: world.pods[fault.pod].stop(),
    "partition": lambda world, fault: _cut(world, fault, True),
    "slow": _slow,
    "lost answer": lambda world, fault: (
        world.pods[fault.pod].weather["mongodb"].lost.append((fault.detail[0], fault.detail[1]))
    ),
    "torn append": lambda world, fault: world.truth.tears.append(int(fault.detail[0])),
    "server away": lambda world, fault: world.take_away(fault.detail[0]),
    "server hangs": lambda world, fault: world.loop.freeze(world.servers[fault.detail[0]].process),
    "exchange answers": _answer,
    "exchange events": _event,
    "unheard order": _silence,
    "listen key expires": lambda world, fault: world.exchange.arm({"effect": "expire_listen_key"}),
    "streams cut": lambda world, fault: world.exchange.arm({"effect": "drop_streams"}),
    "lost ack": lambda world, fault: world.pods[fault.pod].weather["nats"].lost.append(("ack", "before")),
    "wall clock jumps": lambda world, fault: world.pods[fault.pod].clock.jump(float(fault.detail[0])),
    "drain": lambda world, fault: world.drain(world.pods[fault.pod].owner, True),
}
_END: Final[dict[str, Callable[["World", Fault], None]]] = {
    "kill": lambda world, fault: world.pods[fault.pod].start(),
    "freeze": lambda world, fault: world.pods[fault.pod].thaw(),
    "held up": _let_go,
    "suspend": _resume,
    "stop": lambda world, fault: world.pods[fault.pod].start(),
    "partition": lambda world, fault: _cut(world, fault, False),
    "slow": _quick,
    "drain": lambda world, _: world.undrain(),
    "server away": lambda world, fault: world.bring_back(fault.detail[0]),
    "server hangs": lambda world, fault: world.loop.thaw(world.servers[fault.detail[0]].process),
}
