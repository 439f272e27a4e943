"""Settings become the configuration that decisions depend on, all of it and in its units."""

import msgspec
import pytest

from shared.errors import ConfigError
from shared.settings import Settings
from tests.support.builders import build, instrument
from tradeengine.domain.config import TradingConfig
from tradeengine.runtime.trading_config import check_armable, trading_config

ENV = {
    "POSITION_MODE": "one-way",
    "SAME_DIRECTION_CONFLICT_RESOLUTION": "strongest_wins",
    "OPPOSITE_DIRECTION_CONFLICT_RESOLUTION": "flip",
    "ALLOWED_SYMBOLS": "BTCUSDT,ETHUSDT",
    "MAX_SIGNAL_AGE_SECONDS": "1.5",
    "MIN_CONFIDENCE": "0.1",
    "MIN_CONFIDENCE_BY_STRATEGY": '{"a": 0.2}',
    "MAX_ACCUMULATIONS_PER_POSITION": "3",
    "ACCUMULATION_COOLDOWN_SECONDS": "60",
    "MAX_POSITION_SIZE_USD": "1000",
    "MAX_TOTAL_EXPOSURE_USD": "5000",
    "MAX_DAILY_LOSS_USD": "100",
    "MAX_DRAWDOWN_PCT": "0.2",
    "STOP_LOSS_PCT": "0.02",
    "TAKE_PROFIT_PCT": "0.04",
    "MIN_STOP_DISTANCE_PCT": "0.001",
    "MAX_STOP_DISTANCE_PCT": "0.2",
    "CROSSED_STOP_POLICY": "reprice",
    "UNPROTECTED_POLICY": "hold",
    "CONDITIONAL_ORDER_RESERVE": "20",
    "DIFFERENCE_POLICY": "halt",
    "ORDER_SIZE_PCT": "0.05",
}


def test_nothing_set_is_the_domains_own_default() -> None:
    assert trading_config(Settings.load({})) == TradingConfig()


def test_every_setting_arrives() -> None:
    made = msgspec.to_builtins(trading_config(Settings.load(ENV)))
    default = msgspec.to_builtins(TradingConfig())
    unmoved = {name for name, value in made.items() if value == default[name]}

    assert unmoved == {"max_signal_lead_ms", "order_size_quote"}
    assert (made["max_signal_age_ms"], made["cooldown_ms"]) == (1500, 60_000)
    assert made["min_confidence_by_strategy"] == {"a": "0.2"}
    quote = trading_config(Settings.load({"ORDER_SIZE_QUOTE": "250.5"}))
    assert str(quote.order_size_quote) == "250.5"


WIDE = instrument("ETHUSDT", percent_up="1.1", percent_down="0.9")
NARROW = instrument("XLMUSDT", percent_up="1.05", percent_down="0.95")


def test_i21_a_floor_that_no_stop_of_an_allowed_symbol_could_keep_refuses_to_start() -> None:
    config = build(TradingConfig, min_stop_distance_pct="0.06", allowed_symbols=("ETHUSDT", "XLMUSDT"))
    with pytest.raises(ConfigError, match=r"MIN_STOP_DISTANCE_PCT=0\.06 .*XLMUSDT LONG .*0\.0475"):
        check_armable(config, (WIDE, NARROW))


def test_i21_symbols_that_nobody_named_are_told_and_not_refused() -> None:
    config = build(TradingConfig, min_stop_distance_pct="0.06")
    assert [text.split()[0] for text in check_armable(config, (WIDE, NARROW, instrument()))] == ["XLMUSDT"]
    assert check_armable(build(TradingConfig, min_stop_distance_pct="0.04"), (WIDE, NARROW)) == []
