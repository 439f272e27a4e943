"""Trading configuration: every number and policy that decisions depend on."""

from decimal import Decimal

import msgspec

from contracts.enums import (
    CrossedStopPolicy,
    DifferencePolicy,
    OppositeDirectionPolicy,
    PositionMode,
    SameDirectionPolicy,
    StrategyMode,
    Strength,
    UnprotectedPolicy,
)

MODE_WEIGHT = {
    StrategyMode.DETERMINISTIC: Decimal("1.0"),
    StrategyMode.ML_LIGHT: Decimal("1.2"),
    StrategyMode.LLM_REASONING: Decimal("1.5"),
}
STRENGTH_WEIGHT = {
    Strength.WEAK: Decimal("0.5"),
    Strength.MEDIUM: Decimal("1.0"),
    Strength.STRONG: Decimal("1.5"),
    Strength.EXTREME: Decimal("2.0"),
}
MODE_FLOOR = {
    StrategyMode.DETERMINISTIC: Decimal("0.6"),
    StrategyMode.ML_LIGHT: Decimal("0.5"),
    StrategyMode.LLM_REASONING: Decimal("0.7"),
}


class TradingConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator sets; ``None`` switches a limit off.

    Parameters
    ----------
    max_signal_age_ms
        Oldest opening signal that is acted on, in milliseconds.
    max_signal_lead_ms
        How far a timestamp may lie ahead of the engine's clock, in milliseconds.
    min_confidence
        Floor of every opening signal (0 to 1); the mode's own floor holds beside it.
    min_confidence_by_strategy
        Floors that replace both for single strategies.
    max_accumulations, cooldown_ms
        How often, and after how long a pause, one strategy may add to its own position.
    max_position_usd
        Cap of one exchange position, in quote currency; orders are cut down to what is left of it.
    max_exposure_usd, max_daily_loss_usd, max_drawdown_pct
        Limits of the account; opening signals beyond them are refused.
    stop_loss_pct, take_profit_pct
        Distances (fractions of the fill price) for signals that bring none.
    min_stop_distance_pct
        A stop nearer than this (fraction of the fill price) is moved out to it.
    max_stop_distance_pct
        An opening whose stop lies farther than this (fraction of the price) is refused.
    crossed_stop, unprotected
        What becomes of a position whose stop the market has crossed, or the venue refuses otherwise.
    difference_policy
        What becomes of a difference between books and exchange.
    conditional_reserve
        Conditional orders of the account that openings leave free, so that stops can be replaced.
    order_size_pct, order_size_quote
        Size of an order whose signal brings none: fraction of equity, or quote currency.
    """

    position_mode: PositionMode = PositionMode.HEDGE
    same_direction: SameDirectionPolicy = SameDirectionPolicy.ACCUMULATE
    opposite_direction: OppositeDirectionPolicy = OppositeDirectionPolicy.REDUCE
    allowed_symbols: tuple[str, ...] = ()
    max_signal_age_ms: int = 300_000
    max_signal_lead_ms: int = 5_000
    min_confidence: Decimal = Decimal(0)
    min_confidence_by_strategy: dict[str, Decimal] = {}
    max_accumulations: int | None = None
    cooldown_ms: int = 0
    max_position_usd: Decimal | None = None
    max_exposure_usd: Decimal | None = None
    max_daily_loss_usd: Decimal | None = None
    max_drawdown_pct: Decimal | None = None
    stop_loss_pct: Decimal | None = None
    take_profit_pct: Decimal | None = None
    min_stop_distance_pct: Decimal = Decimal(0)
    max_stop_distance_pct: Decimal | None = None
    crossed_stop: CrossedStopPolicy = CrossedStopPolicy.CLOSE
    unprotected: UnprotectedPolicy = UnprotectedPolicy.FLATTEN
    conditional_reserve: int = 10
    difference_policy: DifferencePolicy = DifferencePolicy.REPAIR
    order_size_pct: Decimal | None = None
    order_size_quote: Decimal | None = None

    @property
    def memory_ms(self) -> int:
        """How long decisions stay in memory: longer than a signal may be old."""
        return self.max_signal_age_ms + 2 * self.max_signal_lead_ms

    def confidence_floor(self, strategy_id: str, mode: StrategyMode) -> Decimal:
        """Least confidence of an opening signal of this strategy and mode."""
        own = self.min_confidence_by_strategy.get(strategy_id)
        return own if own is not None else max(self.min_confidence, MODE_FLOOR[mode])
