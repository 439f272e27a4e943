"""The signal: what a strategy publishes."""

import hashlib
from decimal import Decimal
from typing import Any, Self

import msgspec
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, model_validator

from contracts.enums import (
    Action,
    OrderType,
    PositionSide,
    StrategyMode,
    Strength,
    TimeInForce,
    TriggerDirection,
)
from contracts.values import Fraction, Positive, Timestamp

MAX_SIGNAL_BYTES = 1_048_576
"""Largest signal that is read, in bytes; the transport's own default limit."""

TIMEFRAMES = ("tick", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M")

# Floats of the JSON text become decimals without ever being a float.
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


class InvalidSignal(ValueError):
    """The bytes are no valid signal; the text says what is wrong where."""


class Signal(BaseModel):
    """One trading signal.

    Unknown fields are kept (see :attr:`unknown`) and travel with the signal as metadata.
    """

    model_config = ConfigDict(frozen=True, extra="allow", str_strip_whitespace=False)

    strategy_id: str = Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")
    symbol: str = Field(pattern=r"^[A-Z0-9]{2,30}$")
    action: Action = Field(validation_alias=AliasChoices("action", "signal_type"))
    signal_id: str = Field(
        default="", max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$", validation_alias=AliasChoices("signal_id", "id")
    )
    confidence: Fraction
    strength: Strength = Strength.MEDIUM
    strategy_mode: StrategyMode = StrategyMode.DETERMINISTIC
    timestamp: Timestamp

    price: Positive | None = None
    current_price: Positive | None = None
    quantity: Positive | None = None
    quote_quantity: Positive | None = None
    position_size_pct: Fraction | None = None
    stop_loss: Positive | None = None
    take_profit: Positive | None = None
    stop_loss_pct: Fraction | None = None
    take_profit_pct: Fraction | None = None

    order_type: OrderType = OrderType.MARKET
    time_in_force: TimeInForce = TimeInForce.GTC
    target_price: Positive | None = None
    conditional_price: Positive | None = None
    conditional_direction: TriggerDirection | None = None
    conditional_timeout: int | None = Field(default=None, gt=0, le=31_536_000, description="seconds")
    position_side: PositionSide | None = None
    timeframe: str = Field(default="1h", pattern=f"^({'|'.join(TIMEFRAMES)})$")

    source: str | None = None
    strategy: str | None = None
    decision_id: str | None = None
    rationale: str | None = None
    indicators: dict[str, Any] | None = None
    llm_reasoning: str | None = None
    metadata: dict[str, Any] | None = None
    meta: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _identify(self) -> Self:
        if not self.signal_id:
            # The model is frozen for its users; here it is still being made.
            self.__dict__["signal_id"] = self._derived_id()
        return self

    def _derived_id(self) -> str:
        parts = (self.strategy_id, self.symbol, self.action, self.timeframe, self.timestamp.isoformat())
        return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]

    @property
    def unknown(self) -> dict[str, Any]:
        """Fields that the contract does not name."""
        return self.model_extra or {}

    def carried(self) -> dict[str, Any]:
        """What travels with the signal to events and records without deciding anything."""
        named = {name: value for name in _CARRIED if (value := getattr(self, name)) is not None}
        return {**self.unknown, **named}

    @classmethod
    def from_json(cls, data: bytes | str) -> Self:
        """Read one signal from JSON.

        Parameters
        ----------
        data
            The JSON text, at most :data:`MAX_SIGNAL_BYTES`.

        Raises
        ------
        InvalidSignal
            If the text is too long, no JSON object, or breaks a rule of a field.
        """
        if len(data) > MAX_SIGNAL_BYTES:
            raise InvalidSignal(f"the message has {len(data)} bytes, a signal at most {MAX_SIGNAL_BYTES}")
        try:
            document = _DECODER.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, ArithmeticError, RecursionError) as error:
            raise InvalidSignal(f"not JSON: {error}") from None
        return cls.from_document(document)

    @classmethod
    def from_document(cls, document: Any) -> Self:
        """Read one signal from decoded JSON; raises :class:`InvalidSignal` as :meth:`from_json` does."""
        if not isinstance(document, dict):
            raise InvalidSignal(f"a signal is a JSON object, not {type(document).__name__}")
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise InvalidSignal(_summary(error)) from None


_CARRIED = (
    "source",
    "strategy",
    "decision_id",
    "rationale",
    "indicators",
    "llm_reasoning",
    "metadata",
    "meta",
)


def _summary(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_context=False)
    shown = [f"{'.'.join(map(str, p['loc'])) or 'signal'}: {p['msg']} (got {str(p['input'])[:60]!r})" for p in problems[:5]]
    more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
    return "; ".join(shown) + more
