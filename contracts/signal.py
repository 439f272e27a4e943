"""The signal: what a strategy publishes."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Self

import msgspec
from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from contracts.enums import (
    Action,
    OrderType,
    PositionSide,
    StrategyMode,
    Strength,
    TimeInForce,
    TriggerDirection,
)
from contracts.trace import TRACE_CONTEXT, TRACEPARENT, TraceParent
from contracts.values import Fraction, Positive, PositiveFraction, Timestamp, TrailingDistance

MAX_SIGNAL_BYTES = 1_048_576
"""Largest signal that is read, in bytes; the transport's own default limit."""

EXTERNAL = "external"
"""Strategy that owns what no strategy asked for, such as trades by hand; no signal may be in its name."""

MAX_DEPTH = 32
"""Deepest nesting that is read; what is carried must be recorded, and recorders nest it further."""

TIMEFRAMES = ("tick", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M")

# Floats of the JSON text become decimals without ever being a float.
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


CARRIED = (
    "source",
    "strategy",
    "decision_id",
    "rationale",
    "indicators",
    "llm_reasoning",
    "metadata",
    "meta",
)
"""Fields that travel with a signal without deciding anything."""


_STOPS = ("trailing_pct", "stop_loss", "stop_loss_pct", "break_even_at_pct")
"""A trailing stop, and what cannot be given beside it."""


class InvalidSignal(ValueError):
    """The bytes are no valid signal; the text says what is wrong where."""


def _describe(schema: dict[str, Any]) -> None:
    """Say in the JSON Schema what :meth:`Signal.from_document` forgives: null for what has a default."""
    for name, field in schema["properties"].items():
        if name not in schema["required"] and {"type": "null"} not in field.get("anyOf", ()):
            described = {key: field.pop(key) for key in ("title", "description", "default") if key in field}
            schema["properties"][name] = {"anyOf": [field, {"type": "null"}], **described}
    schema["properties"]["signal_id"]["description"] = "also read under the name id; derived when absent or empty"
    schema["properties"]["action"]["description"] = (
        "also read under its deprecated name signal_type; close takes the whole share off at market, or quantity "
        "of it: the other sizes and order_type are for openings"
    )
    schema["properties"]["strategy_id"]["not"] = {"const": EXTERNAL}
    given = {name: {"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in _STOPS}
    schema["not"] = {"allOf": [given.pop("trailing_pct"), {"anyOf": list(given.values())}]}


def _not_external(strategy_id: str) -> str:
    if strategy_id == EXTERNAL:
        raise ValueError(f"must not be {EXTERNAL!r}, which owns what no strategy asked for: choose another name")
    return strategy_id


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")
    return value


class Signal(BaseModel):
    """One trading signal.

    Unknown fields are kept (see :attr:`unknown`) and travel with the signal as metadata.
    """

    model_config = ConfigDict(frozen=True, extra="allow", json_schema_extra=_describe)

    strategy_id: Annotated[str, AfterValidator(_not_external)] = Field(
        min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$"
    )
    symbol: str = Field(pattern=r"^[A-Z0-9]{2,30}$")
    action: Action = Field(validation_alias=AliasChoices("action", "signal_type"))
    signal_id: str = Field(
        default="", max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$", validation_alias=AliasChoices("signal_id", "id")
    )
    confidence: Fraction
    strength: Strength = Strength.MEDIUM
    strategy_mode: StrategyMode = StrategyMode.DETERMINISTIC
    timestamp: Timestamp
    sequence: (
        Annotated[
            int,
            Field(ge=1, lt=2**63, description="number among the strategy's signals on this symbol, without holes"),
            BeforeValidator(_no_bool),
        ]
        | None
    ) = None

    price: Positive | None = None
    current_price: Positive | None = None
    quantity: Positive | None = None
    quote_quantity: Positive | None = None
    position_size_pct: PositiveFraction | None = None
    stop_loss: Positive | None = None
    take_profit: Positive | None = None
    stop_loss_pct: Fraction | None = None
    take_profit_pct: Fraction | None = None
    trailing_pct: TrailingDistance | None = None
    break_even_at_pct: PositiveFraction | None = None

    order_type: OrderType = OrderType.MARKET
    time_in_force: TimeInForce = TimeInForce.GTC
    target_price: Positive | None = None
    conditional_price: Positive | None = None
    conditional_direction: TriggerDirection | None = None
    conditional_timeout: (
        Annotated[int, Field(gt=0, le=31_536_000, description="seconds"), BeforeValidator(_no_bool)] | None
    ) = None
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

    @model_validator(mode="after")
    def _check_stop(self) -> Self:
        if self.trailing_pct is None:
            return self
        for name in _STOPS[1:]:
            if getattr(self, name) is not None:
                raise ValueError(f"trailing_pct and {name} exclude each other: a trailing stop is the stop; give one")
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
        named = {name: value for name in CARRIED if (value := getattr(self, name)) is not None}
        return {**self.unknown, **named}

    def traced(self, traceparent: str | None) -> Self:
        """The signal with the trace that the header it came with says, if one does; that is carried with it.

        The header's word stands before that of the signal's own field: it is the newer one.
        """
        parent = TraceParent.parse(traceparent)
        if parent is None:
            return self
        return self.model_copy(update={TRACE_CONTEXT: {TRACEPARENT: parent.header()}})

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
        return cls.from_document(decode_json(data))

    @classmethod
    def from_document(cls, document: Any) -> Self:
        """Read one signal from decoded JSON; raises :class:`InvalidSignal` as :meth:`from_json` does.

        A field with a default may also be null, which publishers send for what they do not know.
        """
        if not isinstance(document, dict):
            raise InvalidSignal(f"a signal is a JSON object, not {type(document).__name__}")
        _check_nested(document, MAX_DEPTH)
        try:
            return cls.model_validate(_without_nulls(document))
        except ValidationError as error:
            raise InvalidSignal(_summary(error)) from None


def decode_json(data: bytes | str) -> Any:
    """Decode JSON without making a float of any number.

    Parameters
    ----------
    data
        The JSON text, at most :data:`MAX_SIGNAL_BYTES`.

    Raises
    ------
    InvalidSignal
        If the text is too long or no JSON.
    """
    try:
        raw = data.encode() if isinstance(data, str) else data
        if len(raw) > MAX_SIGNAL_BYTES:
            raise InvalidSignal(f"the message has {len(raw)} bytes, a signal at most {MAX_SIGNAL_BYTES}")
        return _DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeError, ArithmeticError, RecursionError) as error:
        raise InvalidSignal(f"not JSON: {error}") from None


def _without_nulls(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave out nulls, and an empty signal_id, where the contract has a default."""
    if None not in document.values() and document.get("signal_id") != "":
        return document
    return {
        name: value
        for name, value in document.items()
        if name not in _DEFAULTED or not (value is None or (name == "signal_id" and value == ""))
    }


def _check_nested(value: Any, levels: int) -> None:
    """Refuse what could be decided but not recorded."""
    if isinstance(value, dict):
        _check_all(value, levels)
        _check_all(value.values(), levels)
    elif isinstance(value, list | tuple):
        _check_all(value, levels)
    elif isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise InvalidSignal(f"text that is no Unicode: {error}") from None
    elif not isinstance(value, _SCALARS):
        raise InvalidSignal(f"a {type(value).__name__} is no JSON value")


def _check_all(values: Iterable[Any], levels: int) -> None:
    if not levels:
        raise InvalidSignal(f"nested deeper than {MAX_DEPTH} levels")
    for value in values:
        # Nearly every value is one of these two, and a call costs more than the look.
        if type(value) is Decimal or (type(value) is str and value.isascii()):
            continue
        _check_nested(value, levels - 1)


_SCALARS = (int, float, Decimal, datetime, type(None))
_DEFAULTED = frozenset(name for name, field in Signal.model_fields.items() if not field.is_required()) | {"id"}


def _summary(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_context=False)
    shown = [
        f"{'.'.join(map(str, p['loc'])) or 'signal'}: {p['msg']} (got {_excerpt(p['input'])})" for p in problems[:5]
    ]
    more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
    return "; ".join(shown) + more


def _excerpt(value: Any) -> str:
    if isinstance(value, dict | list):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, int) and value.bit_length() > 256:
        # Python refuses to print integers of thousands of digits.
        return f"an integer of {value.bit_length()} bits"
    return repr(value[:60]) if isinstance(value, str) else repr(str(value)[:60])
