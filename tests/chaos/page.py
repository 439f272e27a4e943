"""The figures of a run, for people and for the documentation."""

import re
from pathlib import Path
from typing import Final

from tests.benchmarks.figures import percentile
from tests.chaos.plan import Kind
from tests.chaos.rest import REST_S
from tests.chaos.run import Result
from tests.chaos.stage import LEASE_S

PAGE: Final = "docs/reliability.md"
_BEGIN, _END = "<!-- chaos: begin -->", "<!-- chaos: end -->"
_LOST: Final = ("undecided", "end_not_told", "fill_lost")
_DOUBLED: Final = ("decided_twice", "end_told_twice", "planned_twice", "executed_twice", "fill_booked_twice")


def figures(result: Result) -> list[tuple[str, str]]:
    """Every figure with its name."""
    order, faults, load, history = result.order, result.faults, result.load, result.history
    cuts = sum(faults[kind] for kind in (Kind.CUT, Kind.SILENCE, Kind.DEAF, Kind.SLOW))
    calm = [each.lasted_ms for each in result.silent if each.is_calm]
    restarts = ", ".join(f"{faults[f'restart of {name}']} {name}" for name in ("nats", "mongodb", "mysql"))
    return [
        ("seed", str(order.seed)),
        ("time with faults", f"{order.seconds:.0f} s"),
        ("pods killed", f"{faults[Kind.KILL]}, one every {order.seconds / max(1, faults[Kind.KILL]):.1f} s"),
        ("pods frozen", str(faults[Kind.FREEZE])),
        ("links cut, silent, deaf or slow", str(cuts)),
        ("servers killed", restarts),
        ("answers and events of the exchange lost, late or doubled", str(faults[Kind.LIE])),
        (
            "signals",
            f"{order.signals}; sent {load['by NATS']} times by NATS, {load['by HTTP']} by HTTP, "
            f"{load['copies']} of these as copies",
        ),
        ("signals with exactly one outcome", str(len(history.decisions))),
        ("copies and redeliveries that were told as duplicates", str(history.copies)),
        ("orders planned, fills booked", f"{history.orders}, {history.fills}"),
        ("signals, ends and fills lost", str(_found(result, _LOST))),
        ("signals, ends, orders and fills doubled", str(_found(result, _DOUBLED))),
        ("changes of a shard's owner", str(result.takeovers)),
        (
            f"take-over from a pod that died or stood still (lease time {LEASE_S} s)",
            _spread([each.lasted_ms for each in result.silent]),
        ),
        ("the same where the other pods and their ways to the store were well", _spread(calm)),
        ("longest time without a stop of its size, seen at the exchange", f"{result.naked_s:.1f} s"),
        (f"at rest after the last fault (at most {REST_S:.0f} s)", f"{result.rest_s:.0f} s"),
    ]


def _found(result: Result, kinds: tuple[str, ...]) -> int:
    """How many of some kinds the audit of the history has found."""
    return sum(one["number"] for one in result.audit["findings"] if one["kind"] in kinds)


def _spread(lasted_ms: list[int]) -> str:
    if not lasted_ms:
        return "none"
    half, tail = (percentile(lasted_ms, share) / 1000 for share in (0.5, 0.99))
    return f"p50 {half:.1f} s, p99 {tail:.1f} s, of {len(lasted_ms)}"


def report(result: Result) -> str:
    """Lines for the terminal."""
    return "\n".join(f"chaos: {name}: {value}" for name, value in figures(result)) + f"\nchaos: {result.naked}"


def write_page(page: Path, result: Result) -> None:
    """Renew the figures between the page's marks."""
    rows = "\n".join(f"| {name} | {value} |" for name, value in figures(result))
    table = f"{_BEGIN}\n| figure | |\n|---|---|\n{rows}\n{_END}"
    text = page.read_text(encoding="utf-8")
    page.write_text(re.sub(f"{_BEGIN}.*?{_END}", lambda _: table, text, flags=re.DOTALL), encoding="utf-8")
