"""The metrics that dashboards know, with bounded labels."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
from prometheus_client.parser import text_string_to_metric_families

from contracts.enums import CloseReason, OrderStatus, Outcome, PositionSide, Reason, RejectionSource, Side
from shared.metrics import ClosedPosition, Metrics, Valuation


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"tradeengine_{name}", labels)


def closed(pnl: str) -> ClosedPosition:
    return ClosedPosition(
        strategy_id="A",
        symbol="BTCUSDT",
        position_side=PositionSide.LONG,
        exchange="paper",
        close_reason=CloseReason.STOP_LOSS,
        pnl=Decimal(pnl),
        commission=Decimal("1.5"),
        funding=Decimal("-0.5"),
        entry_price=Decimal(45_000),
        exit_price=Decimal(46_000),
        entry_value=Decimal(100),
        duration_s=90,
    )


def test_a_decision_is_counted_by_outcome_and_reason() -> None:
    metrics = Metrics("1.0")
    metrics.signal_received()
    metrics.signal_decided(Outcome.ACCEPTED, None, None)
    metrics.signal_decided(Outcome.DUPLICATE, Reason.DUPLICATE_SIGNAL, RejectionSource.INTAKE)
    metrics.signal_decided(Outcome.REJECTED, Reason.EXPOSURE_LIMIT, RejectionSource.RISK)
    metrics.signal_decided(Outcome.REJECTED, Reason.STALE_SIGNAL, RejectionSource.VALIDATION)
    metrics.signal_invalid(3)

    assert value(metrics, "signals_received_total") == 1
    assert value(metrics, "signals_processed_total", status="accepted") == 1
    assert value(metrics, "signals_processed_total", status="rejected") == 2
    assert value(metrics, "signals_duplicate_total") == 1
    assert value(metrics, "signals_rejected_total", reason="stale_signal") == 1
    assert value(metrics, "signals_rejected_total", reason="invalid_signal") == 3
    assert value(metrics, "risk_rejections_total", reason="exposure_limit") == 1
    assert value(metrics, "risk_rejections_total", reason="stale_signal") is None


def test_a_closed_position_is_measured_net() -> None:
    metrics = Metrics("1.0")
    metrics.position_closed(closed("12"))
    metrics.position_closed(closed("2"))
    leg = {"symbol": "BTCUSDT", "position_side": "LONG", "exchange": "paper"}

    assert value(metrics, "positions_closed_total", **leg, close_reason="stop_loss") == 2
    assert value(metrics, "positions_winning_total", **leg) == 1
    assert value(metrics, "positions_losing_total", **leg) == 1
    assert value(metrics, "position_pnl_usd_sum", **leg) == 10
    assert value(metrics, "position_pnl_percentage_sum", **leg) == 10
    assert value(metrics, "position_roi_sum", **leg) == 0.1
    assert value(metrics, "position_duration_seconds_sum", **leg) == 180
    assert value(metrics, "position_commission_usd_sum", **leg) == 3
    assert value(metrics, "position_entry_price_usd_sum", **leg) == 90_000
    assert value(metrics, "position_exit_price_usd_sum", **leg) == 92_000
    by = {"strategy_id": "A", "symbol": "BTCUSDT", "position_side": "LONG"}
    assert value(metrics, "strategy_gains_usd_total", **by) == 10
    assert value(metrics, "strategy_losses_usd_total", **by) == 0


def test_a_position_that_is_gone_leaves_no_gauge_behind() -> None:
    metrics = Metrics("1.0")
    leg = {"symbol": "BTCUSDT", "position_side": "SHORT"}
    metrics.positions_valued([Valuation("BTCUSDT", PositionSide.SHORT, Decimal("45.5"), Decimal("-1.25"))])

    assert value(metrics, "open_positions_value_usd", **leg) == 45.5
    assert value(metrics, "unrealized_pnl_usd", **leg) == -1.25
    metrics.positions_valued([])
    assert value(metrics, "open_positions_value_usd", **leg) is None


def test_the_text_is_what_prometheus_reads() -> None:
    metrics = Metrics("1.2.3")
    metrics.order_ended("BTCUSDT", Side.BUY, OrderStatus.FILLED)
    metrics.order_filled_after(0.02)
    metrics.position_opened("BTCUSDT", PositionSide.LONG, "paper")
    metrics.nats_messages("parked", 2)
    metrics.http_request("/orders", "GET", 200, 0.01)
    families = {family.name: family for family in text_string_to_metric_families(metrics.text().decode())}

    assert {"process_resident_memory_bytes", "python_info", "tradeengine_orders_executed"} <= families.keys()
    assert value(metrics, "build_info", version="1.2.3") == 1
    assert value(metrics, "orders_executed_total", symbol="BTCUSDT", side="BUY", status="filled") == 1
    assert value(metrics, "nats_messages_processed_total", status="parked") == 2
    assert value(metrics, "order_execution_seconds_count") == 1
    assert metrics.samples()["tradeengine_positions_opened_total"] == [
        ({"symbol": "BTCUSDT", "position_side": "LONG", "exchange": "paper"}, 1.0)
    ]


def test_each_process_object_has_its_own() -> None:
    first, second = Metrics("1"), Metrics("1")
    first.signal_received()

    assert value(second, "signals_received_total") == 0


@pytest.mark.parametrize("name", ["strategy_id", "signal_id"])
def test_no_metric_has_an_unbounded_label(name: str) -> None:
    metrics = Metrics("1")
    labels = {label for family in metrics.registry.collect() for sample in family.samples for label in sample.labels}

    assert name not in labels


def test_i89_to_record_a_fact_never_raises() -> None:
    metrics = Metrics("1.0")

    def fails() -> Iterator[Valuation]:
        yield Valuation("BTCUSDT", PositionSide.LONG, Decimal(1), Decimal(1))
        raise RuntimeError("a defect")

    metrics.positions_valued(fails())
    metrics.signal_invalid(-1)
    metrics.signal_received()

    assert value(metrics, "signals_received_total") == 1
