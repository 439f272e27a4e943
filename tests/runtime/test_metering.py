"""Trading metrics follow from committed records, and a fault in them stops nobody."""

import pytest

from contracts.enums import OrderPurpose, OrderStatus
from shared.metrics import Metrics
from tests.support.builders import T0
from tests.support.records import RecordedWorld
from tradeengine.journal.record import decode, encode
from tradeengine.runtime import metering
from tradeengine.runtime.metering import Meter

LONG = {"symbol": "BTCUSDT", "position_side": "LONG", "exchange": "paper"}


def metered(world: RecordedWorld) -> Metrics:
    metrics = Metrics("test")
    Meter(metrics, "paper").observe(decode(encode(world.cut())))
    return metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"tradeengine_{name}", labels)


def test_the_users_report_in_figures() -> None:
    world = RecordedWorld()
    world.trade("buy", "A", "45000", "0.001", fee="0.02")
    world.trade("buy", "B", "46000", "0.002", fee="0.04")
    world.trade("sell", "C", "46000", "0.001", fee="0.02")
    world.trade("close", "A", "46000", fee="0.03")
    metrics = metered(world)

    assert value(metrics, "signals_received_total") == 4
    assert value(metrics, "signals_processed_total", status="accepted") == 4
    assert value(metrics, "signal_age_seconds_count") == 4
    assert value(metrics, "positions_opened_total", **LONG) == 2
    assert value(metrics, "positions_opened_total", **{**LONG, "position_side": "SHORT"}) == 1
    assert value(metrics, "positions_closed_total", **LONG, close_reason="manual") == 1
    assert value(metrics, "positions_winning_total", **LONG) == 1
    assert value(metrics, "position_pnl_usd_sum", **LONG) == pytest.approx(0.95)
    assert value(metrics, "position_commission_usd_sum", **LONG) == pytest.approx(0.05)
    assert value(metrics, "position_entry_price_usd_sum", **LONG) == 45_000
    assert value(metrics, "position_exit_price_usd_sum", **LONG) == 46_000
    assert value(metrics, "orders_executed_total", symbol="BTCUSDT", side="BUY", status="filled") == 2
    assert value(metrics, "orders_executed_total", symbol="BTCUSDT", side="SELL", status="filled") == 2
    assert value(metrics, "order_execution_seconds_count") == 4


def test_a_position_is_opened_once_however_often_it_is_filled() -> None:
    world = RecordedWorld()
    order = world.order(quantity="0.003", signal_id="one")
    for _ in range(3):
        world.fill(order, "45000", "0.001")
    world.trade("buy", "A", "46000", "0.001", signal_id="two")
    metrics = metered(world)

    assert value(metrics, "positions_opened_total", **LONG) == 1
    assert value(metrics, "positions_closed_total", **LONG, close_reason="manual") is None
    assert value(metrics, "orders_executed_total", symbol="BTCUSDT", side="BUY", status="filled") == 2


def test_a_stop_closes_with_its_reason_and_a_loss() -> None:
    world = RecordedWorld()
    world.trade("buy", "A", "45000", "0.001", stop_loss="44000")
    world.fill(world.resting(OrderPurpose.STOP_LOSS), "43990")
    metrics = metered(world)

    assert value(metrics, "positions_closed_total", **LONG, close_reason="stop_loss") == 1
    assert value(metrics, "positions_losing_total", **LONG) == 1
    assert value(metrics, "order_execution_seconds_count") == 1, "a stop waits for a price, that is no latency"


def test_orders_that_did_not_fill() -> None:
    world = RecordedWorld()
    world.report(world.order(quantity="0.001", signal_id="r"), OrderStatus.REJECTED)
    world.report(world.order("sell", quantity="0.001", signal_id="e"), OrderStatus.EXPIRED)
    metrics = metered(world)

    assert value(metrics, "orders_executed_total", symbol="BTCUSDT", side="BUY", status="rejected") == 1
    assert value(metrics, "orders_executed_total", symbol="BTCUSDT", side="SELL", status="expired") == 1
    assert value(metrics, "orders_refused_total", refusal="other") == 1
    assert value(metrics, "orders_refused_total", refusal="no_margin") == 0


def test_an_order_that_the_venue_calls_filled_before_its_fill_is_counted_once() -> None:
    world = RecordedWorld()
    order = world.order(quantity="0.001")
    world.report(order, OrderStatus.FILLED)
    world.fill(order, "45000")
    metrics = metered(world)

    assert value(metrics, "orders_executed_total", symbol="BTCUSDT", side="BUY", status="filled") == 1


def test_refusals_and_copies() -> None:
    world = RecordedWorld()
    for _ in range(2):
        world.signal("close", signal_id="nothing-held")
    world.signal("hold", signal_id="h")
    world.signal("buy", timestamp_ms=T0 - 3_600_000, quantity="0.001")
    metrics = metered(world)

    assert value(metrics, "signals_rejected_total", reason="no_position") == 1
    assert value(metrics, "signals_rejected_total", reason="stale_signal") == 1
    assert value(metrics, "signals_duplicate_total") == 1
    assert value(metrics, "signals_processed_total", status="held") == 1


def test_a_fault_in_the_metrics_does_not_reach_the_shard(monkeypatch: pytest.MonkeyPatch) -> None:
    world = RecordedWorld()
    world.signal("hold")
    metrics = Metrics("test")

    def fails(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(metrics, "signal_decided", fails)
    Meter(metrics, "paper").observe(world.cut())

    assert value(metrics, "signals_received_total") == 1


def test_risk_checks_are_counted_up_to_the_first_that_fails() -> None:
    world = RecordedWorld(max_exposure_usd="100")
    world.signal(quantity="1", mark="50", exposure="0")
    world.signal(quantity="3", mark="50", exposure="0")
    world.signal("close", "B")
    metrics = metered(world)

    for check in ("daily_loss", "drawdown", "stop_side", "position_size"):
        assert value(metrics, "risk_checks_total", check=check, result="passed") == 2
    assert value(metrics, "risk_checks_total", check="exposure", result="passed") == 1
    assert value(metrics, "risk_checks_total", check="exposure", result="failed") == 1


def test_unknown_fields_are_counted() -> None:
    world = RecordedWorld()
    world.signal(quantity="1", carried={"rationale": "why not", "colour": "red", "shape": "round"})

    assert value(metered(world), "signals_unknown_fields_total") == 2


def test_orders_whose_fill_never_comes_here_are_not_timed_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metering, "MOST_TIMED", 5)
    world, metrics = RecordedWorld(), Metrics("test")
    meter = Meter(metrics, "paper")
    orders = [world.order(quantity="0.001", signal_id=f"s{number}") for number in range(15)]
    meter.observe(world.cut())
    assert meter.timed == 5

    for order in (orders[0], orders[-1]):
        world.fill(order, "45000", "0.001")
    meter.observe(world.cut())
    assert value(metrics, "order_execution_seconds_count") == 1, "the newest are timed, the oldest are not"
    assert value(metrics, "orders_executed_total", symbol="BTCUSDT", side="BUY", status="filled") == 2
    assert meter.timed == 4
