"""What can happen in one step of an example, and how hypothesis makes them up.

A step names no order and no trade: numbers choose among what there is when it comes to pass, so an example means the
same however the one before was shortened.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from contracts.enums import PositionSide
from tests.campaigns.exchange import SYMBOLS
from tests.campaigns.troubles import TROUBLES, Trouble

STRATEGIES = ("A", "B", "C")
LOT = {"BTCUSDT": Decimal("0.003"), "ETHUSDT": Decimal("0.017")}
"""Base asset: odd, so that averages do not end."""

PROTECTIONS: tuple[dict[str, str], ...] = (
    {},
    {"stop_loss_pct": "0.01", "take_profit_pct": "0.015"},
    {"stop_loss_pct": "0.004"},
    {"take_profit_pct": "0.005"},
    {"trailing_pct": "0.01"},
    {"trailing_pct": "0.005", "take_profit_pct": "0.04"},
    {"stop_loss_pct": "0.02", "break_even_at_pct": "0.004"},
    {"break_even_at_pct": "0.01", "take_profit_pct": "0.03"},
)
ENTRIES: tuple[dict[str, Any], ...] = (
    {},
    {},
    {},
    {"order_type": "limit"},
    {"order_type": "limit", "conditional_timeout": 30},
    {"order_type": "limit", "time_in_force": "IOC"},
    {"order_type": "stop"},
    {"order_type": "take_profit", "conditional_timeout": 60},
)
CONFIGS: tuple[dict[str, str], ...] = (
    {"STOP_LOSS_PCT": "0.02"},
    {"STOP_LOSS_PCT": "0.02", "TAKE_PROFIT_PCT": "0.03"},
    {"STOP_LOSS_PCT": "0.005", "CROSSED_STOP_POLICY": "reprice"},
    {"STOP_LOSS_PCT": "0.01", "UNPROTECTED_POLICY": "hold"},
    {"STOP_LOSS_PCT": "0.03", "SAME_DIRECTION_CONFLICT_RESOLUTION": "strongest_wins"},
)
OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"events_before_answer": True},
    {"event_order": ["ACCOUNT_UPDATE", "ORDER_TRADE_UPDATE", "TRADE_LITE"]},
    {"spawned_client_id": "generated"},
    {"depth": "0.004", "levels": 200},
    {"latency_ms": 40},
    {"not_found_lag_ms": 900},
)
"""What the exchange's documents leave open, books so thin that orders fill in parts, and an exchange that is slow."""


@dataclass(frozen=True)
class Look:
    """The engine looks at what the exchange holds: a step in which nothing else happens."""


@dataclass(frozen=True)
class Enter:
    """A strategy opens, or adds; ``offset`` is the limit's or trigger's distance from the mark, in 1/10,000."""

    action: str
    strategy: str
    symbol: str
    lots: int
    entry: dict[str, Any]
    protection: dict[str, str]
    offset: int


@dataclass(frozen=True)
class Close:
    """A strategy closes what it holds, or some lots of it; it may hold nothing."""

    choice: int
    side: PositionSide | None
    lots: int | None


@dataclass(frozen=True)
class Repeat:
    """A signal comes again."""

    choice: int


@dataclass(frozen=True)
class AtOnce:
    """Signals come together."""

    signals: tuple[Enter | Close, ...]


@dataclass(frozen=True)
class Mark:
    """The price moves, in 1/10,000 of where the symbol began."""

    symbol: str
    offset: int


@dataclass(frozen=True)
class Fill:
    """The exchange fills some quarters of an order that rests."""

    choice: int
    quarters: int


@dataclass(frozen=True)
class ByHand:
    """Somebody trades at market beside the engine; never more than the leg holds."""

    symbol: str
    side: PositionSide
    opening: bool
    lots: int


@dataclass(frozen=True)
class CancelByHand:
    """Somebody cancels an order of the engine's."""

    choice: int


@dataclass(frozen=True)
class Funding:
    """Funding is settled."""

    symbol: str
    rate: str


@dataclass(frozen=True)
class Wait:
    """Time passes."""

    seconds: float


@dataclass(frozen=True)
class Restart:
    """The engine is stopped, or killed in the midst of a signal, and starts again.

    Parameters
    ----------
    after_ms
        How far the signal gets: a commit takes :data:`~tests.campaigns.play.COMMIT_S`, an answer much less.
    """

    signal: Enter | Close | None
    after_ms: float


Step = Look | Enter | Close | Repeat | AtOnce | Mark | Fill | ByHand | CancelByHand | Funding | Wait | Trouble | Restart


@dataclass(frozen=True)
class Example:
    """Settings of the engine, options of the exchange, and what happens."""

    config: dict[str, str]
    options: dict[str, Any]
    steps: list[Step]


_a_strategy = st.sampled_from(STRATEGIES)
_a_symbol = st.sampled_from(SYMBOLS)
_a_side = st.sampled_from(PositionSide)
_a_choice = st.integers(0, 11)

_enter = st.builds(
    Enter,
    action=st.sampled_from(("buy", "sell")),
    strategy=_a_strategy,
    symbol=_a_symbol,
    lots=st.integers(1, 9),
    entry=st.sampled_from(ENTRIES),
    protection=st.sampled_from(PROTECTIONS),
    offset=st.integers(-60, 60),
)
_close = st.builds(
    Close,
    choice=_a_choice,
    side=st.sampled_from((None, None, *PositionSide)),
    lots=st.one_of(st.none(), st.integers(1, 9)),
)
_signal = st.one_of(_enter, _enter, _close)
_mark = st.builds(Mark, symbol=_a_symbol, offset=st.one_of(st.integers(-80, 80), st.integers(-400, 400)))
_WEIGHTS: tuple[tuple[int, st.SearchStrategy[Step]], ...] = (
    (1, st.just(Look())),
    (4, _enter),
    (2, st.builds(AtOnce, signals=st.lists(_signal, min_size=2, max_size=4).map(tuple))),
    (2, _close),
    (3, _mark),
    (2, st.builds(Fill, choice=_a_choice, quarters=st.integers(1, 4))),
    (1, st.builds(ByHand, symbol=_a_symbol, side=_a_side, opening=st.booleans(), lots=st.integers(1, 9))),
    (1, st.builds(CancelByHand, choice=_a_choice)),
    (1, st.builds(Funding, symbol=_a_symbol, rate=st.sampled_from(("0.0001", "-0.000375", "0.00003333")))),
    (1, st.builds(Repeat, choice=_a_choice)),
    (4, st.sampled_from(TROUBLES)),
    (1, st.builds(Wait, seconds=st.sampled_from((0.2, 1.1, 6.0, 35.0)))),
    (
        2,
        st.builds(
            Restart,
            signal=st.one_of(st.none(), _signal),
            after_ms=st.integers(0, 80).map(lambda quarters: quarters / 4),
        ),
    ),
)
_KINDS = tuple(number for number, (weight, _) in enumerate(_WEIGHTS) for _ in range(weight))


@st.composite
def _step(draw: st.DrawFn) -> Step:
    return draw(_WEIGHTS[draw(st.sampled_from(_KINDS))][1])


@st.composite
def _first(draw: st.DrawFn) -> Enter:
    """Something is held from the start on: with nothing held little can happen."""
    return replace(draw(_enter), entry={}, lots=draw(st.integers(3, 9)))


def examples(steps: int) -> st.SearchStrategy[Example]:
    """Examples of so many steps."""
    return st.builds(
        Example,
        config=st.sampled_from(CONFIGS),
        options=st.sampled_from(OPTIONS),
        steps=st.tuples(
            st.builds(AtOnce, signals=st.lists(_first(), min_size=1, max_size=5).map(tuple)),
            st.lists(_step(), min_size=steps - 1, max_size=steps - 1),
        ).map(lambda drawn: [drawn[0], *drawn[1]]),
    )
