"""The example strategies with their parameters: for recorded bars of an hour, and for the demonstration's ticks."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

from contracts.enums import PositionSide, Strength
from shared.errors import ConfigError
from tradeengine.domain.position import Leg
from tradeengine.runtime.demo.strategies import Breakout, MeanReversion, MovingAverageCross, Strategy
from tradeengine.runtime.demo.writer import SignalWriter

MakeStrategy = Callable[[], Strategy]

MOVING_AVERAGE = "moving-average"
MEAN_REVERSION = "mean-reversion"
BREAKOUT = "breakout"


def _trend_on_bars() -> Strategy:
    return MovingAverageCross(_bar_writer(MOVING_AVERAGE, Strength.MEDIUM, stop="0.05"), fast=24, slow=96)


def _reversion_on_bars() -> Strategy:
    writer = _bar_writer(MEAN_REVERSION, Strength.WEAK, stop="0.04")
    return MeanReversion(writer, window=48, entry_deviations=Decimal("2.5"))


def _breakout_on_bars() -> Strategy:
    return Breakout(_bar_writer(BREAKOUT, Strength.STRONG, stop="0.02", target="0.04"), bars=72)


BAR_STRATEGIES: Mapping[str, MakeStrategy] = {
    MOVING_AVERAGE: _trend_on_bars,
    MEAN_REVERSION: _reversion_on_bars,
    BREAKOUT: _breakout_on_bars,
}
"""Makers of the strategies for hourly bars, by name."""


def bar_strategy(name: str) -> MakeStrategy:
    """Maker of one of :data:`BAR_STRATEGIES`.

    Raises
    ------
    ConfigError
        If there is none of this name.
    """
    make = BAR_STRATEGIES.get(name)
    if make is None:
        raise ConfigError(f"there is no example strategy {name!r}; choose one of {', '.join(BAR_STRATEGIES)}")
    return make


def tick_strategies(legs: Iterable[Leg] = ()) -> list[Strategy]:
    """Make the strategies of the demonstration: quick ones, for prices that come every second or so.

    Parameters
    ----------
    legs
        What the engine holds when they start, of which each finds its own.
    """
    held = _held_sides(legs)
    return [
        MovingAverageCross(_tick_writer(MOVING_AVERAGE, Strength.MEDIUM, held, stop="0.006"), fast=4, slow=12),
        MeanReversion(
            _tick_writer(MEAN_REVERSION, Strength.WEAK, held, stop="0.004"), window=15, entry_deviations=Decimal(2)
        ),
        Breakout(_tick_writer(BREAKOUT, Strength.STRONG, held, stop="0.003", target="0.005"), bars=10),
    ]


def _bar_writer(name: str, strength: Strength, *, stop: str, target: str | None = None) -> SignalWriter:
    return SignalWriter(
        name,
        quote_quantity=Decimal(1000),
        confidence=Decimal("0.75"),
        strength=strength,
        timeframe="1h",
        stop_loss_pct=Decimal(stop),
        take_profit_pct=Decimal(target) if target else None,
    )


def _tick_writer(
    name: str,
    strength: Strength,
    held: Mapping[str, Mapping[str, PositionSide]],
    *,
    stop: str,
    target: str | None = None,
) -> SignalWriter:
    return SignalWriter(
        name,
        quote_quantity=Decimal(500),
        confidence=Decimal("0.75"),
        strength=strength,
        timeframe="tick",
        stop_loss_pct=Decimal(stop),
        take_profit_pct=Decimal(target) if target else None,
        held=held.get(name),
    )


def _held_sides(legs: Iterable[Leg]) -> dict[str, dict[str, PositionSide]]:
    """Side that each strategy holds of each symbol; what is being closed is not held."""
    sides: dict[str, dict[str, PositionSide]] = {}
    for leg in legs:
        for position in leg.strategies.values():
            if position.closable > 0:
                sides.setdefault(position.strategy_id, {})[leg.symbol] = leg.side
    return sides
