"""What is generated is what the code would generate, and every metric that users rely on is declared."""

import json

from scripts.observability.__main__ import generated
from shared.metrics import Metrics
from tests.observability.files import DASHBOARDS, panel_expressions, panels, rule_expressions

RELIED_ON = [
    "positions_opened_total",
    "positions_closed_total",
    "position_pnl_usd",
    "position_pnl_percentage",
    "position_duration_seconds",
    "position_roi",
    "position_commission_usd",
    "position_entry_price_usd",
    "position_exit_price_usd",
    "open_positions_value_usd",
    "unrealized_pnl_usd",
    "positions_winning_total",
    "positions_losing_total",
    "signals_received_total",
    "signals_processed_total",
    "signals_duplicate_total",
    "signals_rejected_total",
    "orders_executed_total",
    "order_execution_seconds",
    "nats_messages_processed_total",
    "risk_rejections_total",
    "risk_checks_total",
]
"""Names that dashboards of users know."""

LABELS = {
    "action", "check", "close_reason", "copy", "cover", "exchange", "kind", "limit", "method", "name", "position_side",
    "reason", "refusal", "result", "route", "severity", "side", "status", "strategy_id", "stream", "symbol",
}  # fmt: skip
"""Whose values are bounded; whoever adds one has to see to that."""

DECLARED = {metric.name: metric for metric in Metrics("test").declared}


def test_every_generated_file_is_up_to_date() -> None:
    stale = [file.name for file, text in generated().items() if file.read_text(encoding="utf-8") != text]

    assert stale == [], "make observability"


def test_every_metric_that_users_rely_on_is_declared() -> None:
    assert {f"tradeengine_{name}" for name in RELIED_ON} <= DECLARED.keys()


def test_every_metric_has_a_meaning_and_bounded_labels() -> None:
    for metric in DECLARED.values():
        assert metric.meaning.endswith("."), metric
        assert set(metric.labels) <= LABELS, metric


def test_what_is_served_is_what_is_declared() -> None:
    served = {family.name for family in Metrics("test").registry.collect() if family.name.startswith("tradeengine_")}

    assert {f"{name}_total" if f"{name}_total" in DECLARED else name for name in served} - {
        "tradeengine_build",
        "tradeengine_policies",
    } == DECLARED.keys() - {"tradeengine_build_info", "tradeengine_policies_info"}


def test_expressions_ask_for_metrics_that_are_declared() -> None:
    for expression in [*panel_expressions(), *rule_expressions()]:
        assert expression.selectors, expression
        for selector in expression.selectors:
            name = selector.partition("{")[0]
            if name.startswith("tradeengine_"):
                stems = {name, name.removesuffix("_bucket"), name.removesuffix("_sum"), name.removesuffix("_count")}
                assert stems & DECLARED.keys(), expression


def test_dashboards_are_distinct_and_every_panel_says_what_it_shows() -> None:
    made = [json.loads(file.read_text(encoding="utf-8")) for file in DASHBOARDS]

    assert {board["uid"] for board in made} == {file.stem for file in DASHBOARDS}
    assert len(made) == 3
    for file in DASHBOARDS:
        for panel in panels(file):
            assert panel["description"], panel["title"]
            assert all(target["expr"] for target in panel["targets"])
            assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
