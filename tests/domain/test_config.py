"""Configuration: confidence floors, weights, and a memory that outlasts every signal."""

from decimal import Decimal

import pytest

from contracts.enums import StrategyMode, Strength
from tests.support.builders import World, build
from tradeengine.domain.config import MODE_FLOOR, MODE_WEIGHT, STRENGTH_WEIGHT, TradingConfig


@pytest.mark.parametrize(("mode", "floor"), [("deterministic", "0.6"), ("ml_light", "0.5"), ("llm_reasoning", "0.7")])
def test_each_mode_has_its_own_floor_of_confidence(mode: str, floor: str) -> None:
    below = str(Decimal(floor) - Decimal("0.001"))
    assert World().signal(quantity="1", strategy_mode=mode, confidence=below).reason == "low_confidence"
    assert World().signal(quantity="1", strategy_mode=mode, confidence=floor).outcome == "accepted"


def test_the_configured_floor_holds_beside_the_modes_own() -> None:
    config = build(TradingConfig, min_confidence="0.65")
    assert config.confidence_floor("A", StrategyMode.ML_LIGHT) == Decimal("0.65")
    assert config.confidence_floor("A", StrategyMode.LLM_REASONING) == Decimal("0.7")


def test_a_strategys_own_floor_replaces_both() -> None:
    config = build(TradingConfig, min_confidence="0.9", min_confidence_by_strategy={"A": "0.1"})
    assert config.confidence_floor("A", StrategyMode.LLM_REASONING) == Decimal("0.1")
    assert config.confidence_floor("B", StrategyMode.LLM_REASONING) == Decimal("0.9")


def test_every_mode_and_strength_has_its_weight() -> None:
    assert set(MODE_WEIGHT) == set(MODE_FLOOR) == set(StrategyMode)
    assert set(STRENGTH_WEIGHT) == set(Strength)


def test_the_memory_outlasts_the_oldest_and_the_earliest_signal() -> None:
    config = build(TradingConfig, max_signal_age_ms=1_000, max_signal_lead_ms=50)
    assert config.memory_ms >= config.max_signal_age_ms + config.max_signal_lead_ms
