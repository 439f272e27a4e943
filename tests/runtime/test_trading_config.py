"""Settings become the configuration that decisions depend on, all of it and in its units."""

import msgspec

from shared.settings import Settings
from tradeengine.domain.config import TradingConfig
from tradeengine.runtime.trading_config import trading_config

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
