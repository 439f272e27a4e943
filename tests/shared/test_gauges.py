"""Gauges show how things stand: what is gone is gone, labels are bounded, and what cannot be shown stops nobody."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from contracts.enums import DifferenceKind, PositionSide
from shared.gauges import MOST_STRATEGIES, ExchangeFigures, Holding, ShardFigures, StreamFigures
from shared.metrics import Metrics

LONG = PositionSide.LONG


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("test")


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"tradeengine_{name}", labels)


def holding(strategy: str, worth: str = "10") -> Holding:
    return Holding(strategy, "BTCUSDT", LONG, Decimal(worth), Decimal("0.5"))


def figures(rebuilds: int = 0, *, error_s: float | None = 0.01) -> ExchangeFigures:
    streams = {"user": StreamFigures(is_heard=False, silent_s=None, rebuilds=rebuilds)}
    return ExchangeFigures({"weight_1m": (120, 2400)}, 0.25, 3.5, -0.2, error_s, streams)


def test_what_strategies_hold_is_shown_until_they_hold_it_no_more(metrics: Metrics) -> None:
    by = {"symbol": "BTCUSDT", "position_side": "LONG"}
    metrics.gauges.strategies_hold([holding("A", "40"), holding("B", "2")])

    assert value(metrics, "strategy_position_value_usd", strategy_id="A", **by) == 40
    assert value(metrics, "strategy_unrealized_pnl_usd", strategy_id="B", **by) == 0.5
    metrics.gauges.strategies_hold([holding("B", "2")])
    assert value(metrics, "strategy_position_value_usd", strategy_id="A", **by) is None


def test_strategies_beyond_the_first_hundred_are_one(metrics: Metrics) -> None:
    metrics.gauges.strategies_hold(holding(f"S{number}") for number in range(MOST_STRATEGIES + 3))
    shown = metrics.samples()["tradeengine_strategy_position_value_usd"]

    assert len(shown) == MOST_STRATEGIES + 1
    assert [worth for labels, worth in shown if labels["strategy_id"] == "others"] == [30]
    assert sum(worth for _, worth in shown) == 10 * (MOST_STRATEGIES + 3)


def test_rebuilds_are_counted_on_when_the_venue_is_opened_anew(metrics: Metrics) -> None:
    for rebuilds in (0, 2, 2, 5, 1):
        metrics.gauges.exchange_measured(figures(rebuilds))

    assert value(metrics, "stream_rebuilds_total", stream="user") == 6


def test_the_exchange_is_shown_as_far_as_it_is_known(metrics: Metrics) -> None:
    metrics.gauges.exchange_measured(figures())
    metrics.gauges.exchange_measured(figures(error_s=None))
    metrics.gauges.conditional_orders(7, None)

    assert value(metrics, "exchange_limit_used", limit="weight_1m") == 120
    assert value(metrics, "exchange_limit", limit="weight_1m") == 2400
    assert value(metrics, "exchange_limit_used", limit="conditional_orders") == 7
    assert value(metrics, "exchange_limit", limit="conditional_orders") is None
    assert value(metrics, "exchange_order_share") == 0.25
    assert value(metrics, "exchange_stopped_seconds") == 3.5
    assert value(metrics, "exchange_clock_offset_seconds") == -0.2
    assert value(metrics, "exchange_clock_error_seconds") == 0.01, "the last that was known"
    assert value(metrics, "stream_up", stream="user") == 0
    assert value(metrics, "stream_silent_seconds", stream="user") is None


def test_limits_that_are_not_set_are_absent(metrics: Metrics) -> None:
    metrics.gauges.limits_set({"day_loss": Decimal(500), "exposure": None})

    assert value(metrics, "account_limit_usd", limit="day_loss") == 500
    assert value(metrics, "account_limit_usd", limit="exposure") is None


def test_differences_end_where_they_began(metrics: Metrics) -> None:
    metrics.gauges.differences_stand({DifferenceKind.GHOST: 2}, halted=1)
    assert value(metrics, "books_differences", kind="ghost") == 2
    assert value(metrics, "books_differences", kind="unhedged") == 0

    metrics.gauges.differences_stand({}, halted=0)
    assert value(metrics, "books_differences", kind="ghost") == 0
    assert value(metrics, "halted_symbols") == 0


def test_shards_and_cover_are_shown(metrics: Metrics) -> None:
    metrics.gauges.shards_seen(ShardFigures(total=8, working=3, ownerless=1, view_age_s=0.5))
    metrics.gauges.protection_seen({"naked": 1, "protected": 4}, 12.5)

    assert [value(metrics, name) for name in ("shards", "shards_working", "shards_ownerless")] == [8, 3, 1]
    assert value(metrics, "strategy_positions", cover="naked") == 1
    assert value(metrics, "naked_position_seconds") == 12.5


def test_i89_what_cannot_be_shown_stops_nobody(metrics: Metrics) -> None:
    def fails() -> Iterator[Holding]:
        yield holding("A")
        raise RuntimeError("a defect")

    metrics.gauges.strategies_hold(fails())
    metrics.gauges.intake_seen(ready=True)

    assert value(metrics, "intake_ready") == 1
