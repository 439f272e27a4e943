"""From the settings to the configuration that decisions depend on."""

from collections.abc import Iterable
from decimal import Decimal

from contracts.enums import PositionSide
from shared.errors import ConfigError
from shared.settings import Settings
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.instrument import Instrument


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
        max_stop_distance_pct=settings.max_stop_distance_pct,
        crossed_stop=settings.crossed_stop_policy,
        difference_policy=settings.difference_policy,
        unprotected=settings.unprotected_policy,
        conditional_reserve=settings.conditional_order_reserve,
        order_size_pct=settings.order_size_pct,
        order_size_quote=settings.order_size_quote,
    )


def policies(settings: Settings) -> dict[str, str]:
    """What decides in the engine's place when something is wrong, and where orders go: for the metrics."""
    return {
        "trading_mode": settings.trading_mode.value,
        "position_mode": settings.position_mode.value,
        "crossed_stop": settings.crossed_stop_policy.value,
        "unprotected": settings.unprotected_policy.value,
        "difference": settings.difference_policy.value,
    }


def check_armable(config: TradingConfig, instruments: Iterable[Instrument]) -> list[str]:
    """Hold the least stop distance against what the exchange takes, before anything is opened.

    Parameters
    ----------
    instruments
        Trading rules of all symbols that may be traded.

    Returns
    -------
    list of str
        Symbols that can have no stop because it would lie outside the exchange's band, each with the figures: openings
        that want one are refused there.

    Raises
    ------
    ConfigError
        If that is so of a symbol that ``ALLOWED_SYMBOLS`` names.
    """
    found = {rules.symbol: _too_narrow(config, rules) for rules in instruments}
    narrow = {symbol: text for symbol, text in found.items() if text}
    named = [text for symbol, text in narrow.items() if symbol in config.allowed_symbols]
    if named:
        raise ConfigError(
            f"MIN_STOP_DISTANCE_PCT={config.min_stop_distance_pct} is more than the exchange takes: "
            f"{'; '.join(named)}; lower it, or take these symbols out of ALLOWED_SYMBOLS"
        )
    return list(narrow.values())


def _too_narrow(config: TradingConfig, rules: Instrument) -> str | None:
    for side in PositionSide:
        room = rules.room_beyond(side)
        if room is not None and config.min_stop_distance_pct > room:
            return f"{rules.symbol} {side} has no stop farther than {room} from the market"
    return None


def _millis(seconds: Decimal) -> int:
    return int(seconds * 1000)
