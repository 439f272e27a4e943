"""Plans: everything that is to happen in a history, as data that follows from its seed.

The generator (this module, :mod:`.faults`, and whatever else draws from a seed) is frozen: the table of what the
simulation notices when a safety is taken out, in docs/reliability.md, names seeds. Who changes it raises
:data:`GENERATION`, and makes the table anew (``python -m tests.simulation.sharpness``).
"""

from dataclasses import dataclass, field, replace
from decimal import Decimal
from random import Random
from typing import Any, Final

from tests.simulation.exchange import CENTRE, SYMBOLS
from tests.simulation.fault import BEGIN_S, PODS, Fault
from tests.simulation.faults import make_faults

GENERATION: Final = 1
"""Number of the generator: of what seeds mean."""
SHARDS: Final = 3
LEASE_S: Final = 3
WINDOW_MS: Final = 1_000
"""``recvWindow`` of orders; like the lease it is short, so that a take-over takes seconds."""

LOT: Final = {"BTCUSDT": Decimal("0.003"), "ETHUSDT": Decimal("0.017")}
"""Base asset: odd, so that averages do not end."""
_STRATEGIES: Final = ("A", "B", "C")
_CONFIGS: Final[tuple[dict[str, str], ...]] = (
    {"STOP_LOSS_PCT": "0.02"},
    {"STOP_LOSS_PCT": "0.02", "TAKE_PROFIT_PCT": "0.03"},
    {"STOP_LOSS_PCT": "0.01", "CROSSED_STOP_POLICY": "reprice"},
    {"STOP_LOSS_PCT": "0.03", "SAME_DIRECTION_CONFLICT_RESOLUTION": "strongest_wins"},
    # A late copy is not in memory any more: the journal has to be asked.
    {"STOP_LOSS_PCT": "0.02", "MAX_SIGNAL_AGE_SECONDS": "2"},
    # A limit of the account, which the shards' owners have to keep together.
    {"STOP_LOSS_PCT": "0.02", "MAX_TOTAL_EXPOSURE_USD": "1500"},
)
_OPTIONS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {},
    {"events_before_answer": True},
    {"spawned_client_id": "generated"},
    {"depth": "0.004", "levels": 200},
    {"latency_ms": 40},
    {"not_found_lag_ms": 900},
)
_PROTECTIONS: Final[tuple[dict[str, str], ...]] = (
    {},
    {},
    {"stop_loss_pct": "0.01", "take_profit_pct": "0.015"},
    {"stop_loss_pct": "0.004"},
    {"trailing_pct": "0.01"},
)
_MORE, _HARD_S = 4, 10.0
_COPIES_S: Final = (0.01, 0.5, 3.0, 6.0)


@dataclass(frozen=True)
class Send:
    """A strategy publishes a signal, or a copy of one.

    Parameters
    ----------
    way
        ``nats``: under the signal's message id; ``again``: under another, so that the broker keeps the copy too;
        ``bare``: by the bare subject; ``http``: to a pod.
    """

    at_s: float
    number: int
    way: str
    pod: int = 0


@dataclass(frozen=True)
class Move:
    """A price moves, to so many 1/10,000 of where the symbol began."""

    at_s: float
    symbol: str
    part: int


@dataclass(frozen=True)
class Machine:
    """How a pod's clocks are wrong, and when it starts."""

    skew_s: float
    rate: float
    base_s: float
    start_s: float


@dataclass(frozen=True)
class Plan:
    """A history, before it happens."""

    seed: int
    config: dict[str, str]
    options: dict[str, Any]
    machines: tuple[Machine, ...]
    signals: tuple[dict[str, Any], ...]
    sends: tuple[Send, ...]
    moves: tuple[Move, ...]
    shuffled: int
    faults: tuple[Fault, ...] = field(default=())

    @property
    def ends_s(self) -> float:
        """When nothing new happens any more."""
        times = [*[send.at_s for send in self.sends], *[move.at_s for move in self.moves]]
        return max([*times, *[fault.at_s + fault.lasts_s for fault in self.faults]])


def make_plan(seed: int, faults: tuple[Fault, ...] | None = None) -> Plan:
    """The plan of a seed.

    Parameters
    ----------
    faults
        Instead of those that the seed asks for.
    """
    random = Random(f"plan {seed}")
    lasts_s = random.uniform(3, 7)
    signals, sends = _signals(random, lasts_s)
    machines = tuple(
        Machine(
            skew_s=random.choice((0.0, 0.0, random.uniform(-3, 3))),
            rate=1 + random.uniform(-0.0004, 0.0004),
            base_s=random.uniform(0, 1e5),
            start_s=random.choice((0.0, random.uniform(0, 1.5))),
        )
        for _ in range(PODS)
    )
    return Plan(
        seed=seed,
        config=random.choice(_CONFIGS),
        options=random.choice(_OPTIONS),
        machines=machines,
        signals=signals,
        sends=sends,
        moves=_moves(random, lasts_s),
        shuffled=random.choice((1, 1, 4)),
        faults=make_faults(Random(f"faults {seed}"), lasts_s) if faults is None else faults,
    )


def harder(plan: Plan) -> Plan:
    """The same history with the faults of five, none of them longer than :data:`_HARD_S`."""
    lasts_s = max(send.at_s for send in plan.sends) - BEGIN_S
    more = [fault for number in range(_MORE) for fault in make_faults(Random(f"extra {plan.seed} {number}"), lasts_s)]
    faults = [replace(fault, lasts_s=min(fault.lasts_s, _HARD_S)) for fault in (*plan.faults, *more)]
    return replace(plan, faults=tuple(sorted(faults, key=lambda fault: fault.at_s)))


def _signals(random: Random, lasts_s: float) -> tuple[tuple[dict[str, Any], ...], tuple[Send, ...]]:
    signals: list[dict[str, Any]] = []
    sends: list[Send] = []
    at_s = BEGIN_S
    for number in range(random.choice((random.randint(4, 14), random.randint(4, 14), random.randint(15, 30)))):
        # Some come at once.
        at_s = at_s + random.uniform(0, 0.02) if random.random() < 0.25 else BEGIN_S + random.uniform(0, lasts_s)
        symbol = random.choice(SYMBOLS)
        action = random.choice(("buy", "buy", "sell", "close")) if number else "buy"
        signal: dict[str, Any] = {
            "signal_id": f"s{number}",
            "strategy_id": random.choice(_STRATEGIES),
            "symbol": symbol,
            "action": action,
            "confidence": "0.9",
        }
        if action != "close":
            signal["quantity"] = str(random.randint(1, 9) * LOT[symbol])
            signal |= random.choice(_PROTECTIONS)
            if random.random() < 0.12:
                side = 1 if action == "buy" else -1
                price = CENTRE[symbol] * (10_000 - side * random.randint(-20, 40)) / 10_000
                signal |= {"order_type": "limit", "target_price": str(price.quantize(Decimal("0.1")))}
        signals.append(signal)
        way = random.choice(("nats", "nats", "nats", "bare", "http"))
        sends.append(Send(at_s, number, way, random.randrange(PODS)))
        while random.random() < 0.25:
            later_s = at_s + random.choice(_COPIES_S) * random.uniform(0.5, 1.5)
            sends.append(Send(later_s, number, random.choice(("nats", "again", "http")), random.randrange(PODS)))
    return tuple(signals), tuple(sorted(sends, key=lambda send: send.at_s))


def _moves(random: Random, lasts_s: float) -> tuple[Move, ...]:
    moves: list[Move] = []
    for symbol in SYMBOLS:
        part, at_s = 10_000, BEGIN_S + random.uniform(0, 2)
        while at_s < BEGIN_S + lasts_s:
            gaps = random.random() < 0.12
            part = min(10_700, max(9_300, part + (random.randint(-350, 350) if gaps else random.randint(-15, 15))))
            moves.append(Move(at_s, symbol, part))
            at_s += random.expovariate(0.7)
    return tuple(sorted(moves, key=lambda move: move.at_s))
