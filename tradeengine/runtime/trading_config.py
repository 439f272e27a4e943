"""From the settings to the configuration that decisions depend on."""

from decimal import Decimal

from shared.settings import Settings
from tradeengine.domain.config import TradingConfig


def trading_config(settings: Settings) -> TradingConfig:
    """Trading configuration of the settings; no symbols listed means that all are allowed."""
    return TradingConfig(
        position_mode=settings.position_mode,
        same_direction=settings.same_direction_conflict_resolution,
        opposite_direction=settings.opposite_direction_conflict_resolution,
        allowed_symbols=settings.allowed_symbols,
        max_signal_age_ms=_millis(settings.max_signal_age_seconds),
        min_confidence=settings.min_confidence,
        min_confidence_by_strategy=dict(settings.min_confidence_by_strategy),
        max_accumulations=settings.max_accumulations_per_position,
        cooldown_ms=_millis(settings.accumulation_cooldown_seconds),
        max_position_usd=settings.max_position_size_usd,
        max_exposure_usd=settings.max_total_exposure_usd,
        max_daily_loss_usd=settings.max_daily_loss_usd,
        max_drawdown_pct=settings.max_drawdown_pct,
        stop_loss_pct=settings.stop_loss_pct,
        take_profit_pct=settings.take_profit_pct,
        min_stop_distance_pct=settings.min_stop_distance_pct,
        order_size_pct=settings.order_size_pct,
        order_size_quote=settings.order_size_quote,
    )


def _millis(seconds: Decimal) -> int:
    return int(seconds * 1000)
