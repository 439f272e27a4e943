"""The signal: each rule of the contract, and nothing but a Signal or InvalidSignal for any bytes."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.enums import Action, OrderType, StrategyMode, Strength, TimeInForce
from contracts.signal import MAX_DEPTH, MAX_SIGNAL_BYTES, TIMEFRAMES, InvalidSignal, Signal

BASE: dict[str, Any] = {
    "strategy_id": "momentum",
    "symbol": "BTCUSDT",
    "action": "buy",
    "confidence": 0.9,
    "timestamp": "2025-01-01T00:00:00Z",
}
POSITIVE = (
    "price",
    "current_price",
    "quantity",
    "quote_quantity",
    "stop_loss",
    "take_profit",
    "target_price",
    "conditional_price",
)
FRACTIONS = ("stop_loss_pct", "take_profit_pct")
TRAILING = ("stop_loss", "stop_loss_pct", "break_even_at_pct")


def read(**fields: Any) -> Signal:
    return Signal.from_json(json.dumps({**BASE, **fields}))


def raw(number: str, field: str = "price") -> bytes:
    return json.dumps(BASE)[:-1].encode() + f', "{field}": {number}}}'.encode()


def test_the_least_signal_has_the_defaults_of_the_contract() -> None:
    signal = read()

    assert signal.strength is Strength.MEDIUM
    assert signal.strategy_mode is StrategyMode.DETERMINISTIC
    assert signal.order_type is OrderType.MARKET
    assert signal.time_in_force is TimeInForce.GTC
    assert signal.timeframe == "1h"
    assert signal.timestamp == datetime(2025, 1, 1, tzinfo=UTC)
    assert signal.unknown == {}


@pytest.mark.parametrize("field", BASE)
def test_the_required_fields(field: str) -> None:
    for document in ({k: v for k, v in BASE.items() if k != field}, {**BASE, field: None}):
        with pytest.raises(InvalidSignal, match=f"^{field}: "):
            Signal.from_json(json.dumps(document))


@pytest.mark.parametrize("field", POSITIVE)
def test_prices_and_quantities_are_exact_and_positive(field: str) -> None:
    for text in ("0.1", "1e-7", "45000.123456789012345678", "999999999999999.9"):
        assert getattr(Signal.from_json(raw(text, field)), field) == Decimal(text)
        assert getattr(read(**{field: text}), field) == Decimal(text)
    for value in ("0", "-1", "1e15", "NaN", "Infinity", "-Infinity", "true", '"NaN"', '"inf"', '""', "[]", "1e-19"):
        with pytest.raises(InvalidSignal):
            Signal.from_json(raw(value, field))


def test_a_trailing_stop_follows_in_the_exchanges_steps() -> None:
    field = "trailing_pct"
    for text in ("0.001", "0.015", "0.1", "0.1000", "1e-2"):
        assert getattr(Signal.from_json(raw(text, field)), field) == Decimal(text)
    for value in ("0", "0.0005", "0.0015", "0.101", "1", "-0.01", "true"):
        with pytest.raises(InvalidSignal, match=field):
            Signal.from_json(raw(value, field))


def test_a_break_even_asks_for_a_gain() -> None:
    assert read(break_even_at_pct="0.02").break_even_at_pct == Decimal("0.02")
    with pytest.raises(InvalidSignal, match="break_even_at_pct"):
        read(break_even_at_pct="0")


@pytest.mark.parametrize("field", TRAILING)
def test_a_trailing_stop_is_the_only_stop(field: str) -> None:
    with pytest.raises(InvalidSignal, match=f"trailing_pct and {field} exclude each other"):
        read(trailing_pct="0.01", **{field: "0.5"})
    read(trailing_pct="0.01", take_profit="100")


@pytest.mark.parametrize("field", FRACTIONS)
def test_fractions_lie_between_0_and_1(field: str) -> None:
    for text in ("0", "0.02", "1", "1.000"):
        assert getattr(Signal.from_json(raw(text, field)), field) == Decimal(text)
    for value in ("1.0000001", "2", "-0.1", "NaN", "false"):
        with pytest.raises(InvalidSignal, match=field if value != "NaN" else "not JSON"):
            Signal.from_json(raw(value, field))


def test_a_fraction_of_equity_is_above_0() -> None:
    assert read(position_size_pct="0.05").position_size_pct == Decimal("0.05")
    for value in ("0", "1.1"):
        with pytest.raises(InvalidSignal, match="position_size_pct"):
            read(position_size_pct=value)


def test_no_number_of_the_text_is_ever_a_float() -> None:
    text = "0.1000000000000000055"
    signal = Signal.from_json(raw(text, "quantity")[:-1] + f', "metadata": {{"rate": {text}}}}}'.encode())

    assert str(signal.quantity) == "0.100000000000000006"
    assert signal.metadata == {"rate": Decimal(text)}


@pytest.mark.parametrize(
    "number", ["1e999999999", "1e9999999999999999999", "1e-9999999999999999999", "9" * 5000, "1" + "0" * 400]
)
def test_absurd_numbers_are_refused(number: str) -> None:
    for body in (raw(number), raw(f'"{number}"'), raw(number, "confidence"), raw(number, "timestamp")):
        with pytest.raises(InvalidSignal):
            Signal.from_json(body)


@pytest.mark.parametrize("symbol", ["", "B", "btcusdt", "BTC-USDT", "BTC USDT", "BTCUSDT\n", "A" * 31, "ÄBC", 7])
def test_symbols_have_one_form(symbol: object) -> None:
    with pytest.raises(InvalidSignal, match="symbol"):
        read(symbol=symbol)


@pytest.mark.parametrize("strategy_id", ["", "x" * 65, "a\nb", "a\x00", 7, "a\x7f", "external"])
def test_strategy_ids_have_1_to_64_printable_characters(strategy_id: object) -> None:
    with pytest.raises(InvalidSignal, match="strategy_id"):
        read(strategy_id=strategy_id)
    assert read(strategy_id="é" * 64).strategy_id == "é" * 64


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("action", "BUY"),
        ("action", "short"),
        ("strength", "huge"),
        ("strategy_mode", "ai"),
        ("order_type", "iceberg"),
        ("time_in_force", "gtc"),
        ("position_side", "BOTH"),
        ("conditional_direction", "up"),
        ("timeframe", "7m"),
        ("timeframe", "1h\n"),
        ("metadata", "text"),
        ("indicators", [1]),
        ("rationale", {"a": 1}),
        ("conditional_timeout", 0),
        ("conditional_timeout", 1.5),
        ("conditional_timeout", True),
        ("signal_id", "x" * 129),
        ("signal_id", 5),
        ("signal_id", "a\nb"),
    ],
)
def test_what_the_contract_does_not_list_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(InvalidSignal, match=field):
        read(**{field: value})


def test_every_timeframe_and_action_is_read() -> None:
    assert [read(timeframe=timeframe).timeframe for timeframe in TIMEFRAMES] == list(TIMEFRAMES)
    assert [read(action=action.value).action for action in Action] == list(Action)


def test_the_deprecated_names() -> None:
    document = {name: value for name, value in BASE.items() if name != "action"}

    assert Signal.from_document({**document, "signal_type": "sell"}).action is Action.SELL
    assert read(id="x").signal_id == "x"
    assert read(id="mongo", signal_id="own").signal_id == "own"
    assert read(id="mongo", signal_id="own").unknown == {"id": "mongo"}
    assert read(id="x", signal_id="").signal_id == "x"


def test_an_id_is_derived_from_what_makes_the_signal() -> None:
    derived = read().signal_id

    assert len(derived) == 32
    assert read(timestamp=1_735_689_600).signal_id == derived
    assert read(confidence=0.5, price=1, signal_id=None).signal_id == derived
    others = [
        read(strategy_id="other"),
        read(symbol="ETHUSDT"),
        read(action="sell"),
        read(timeframe="1m"),
        read(timestamp="2025-01-01T00:00:00.001Z"),
    ]
    assert len({derived, *(other.signal_id for other in others)}) == 6


def test_null_is_a_default_where_there_is_one() -> None:
    signal = read(strength=None, price=None, order_type=None, metadata=None, note=None)

    assert signal.strength is Strength.MEDIUM
    assert signal.unknown == {"note": None}


def test_unknown_fields_are_kept_and_carried() -> None:
    signal = read(rationale="why", model="m7", nested={"a": [1, {"b": None}]}, self=1, model_config=2)

    assert signal.unknown == {"model": "m7", "nested": {"a": [1, {"b": None}]}, "self": 1, "model_config": 2}
    assert signal.carried() == {"rationale": "why", **signal.unknown}


def test_a_signal_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        read().symbol = "ETHUSDT"  # type: ignore[misc]


def test_size_is_counted_in_bytes() -> None:
    room = MAX_SIGNAL_BYTES - len(raw('""', "rationale"))
    fits = raw('"' + "x" * room + '"', "rationale")

    assert len(fits) == MAX_SIGNAL_BYTES
    assert Signal.from_json(fits).symbol == "BTCUSDT"
    for body in (fits + b" ", fits.decode() + " ", raw('"' + "é" * (room // 2 + 1) + '"', "rationale").decode()):
        with pytest.raises(InvalidSignal, match="the message has"):
            Signal.from_json(body)


def test_ten_megabytes_are_refused_by_size() -> None:
    with pytest.raises(InvalidSignal, match="the message has 10485760 bytes, a signal at most 1048576"):
        Signal.from_json(b"x" * 10_485_760)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"\x00", b"\xef\xbb\xbf{}", b'"\xff"', "\ud800", '{"a": "\\ud800"}', b"{'a': 1}"]
)
def test_what_is_not_json_is_refused(body: bytes | str) -> None:
    with pytest.raises(InvalidSignal, match="not JSON"):
        Signal.from_json(body)


@pytest.mark.parametrize("body", ["[]", "7", "null", '"text"', "true"])
def test_what_is_no_object_is_refused(body: str) -> None:
    with pytest.raises(InvalidSignal, match="a signal is a JSON object"):
        Signal.from_json(body)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_deep_nesting_is_refused_and_reasonable_nesting_is_kept(opening: str) -> None:
    closing = "]" if opening == "[" else "}"
    inner = "[]" if opening == "[" else "{}"
    for depth, allowed in ((MAX_DEPTH - 2, True), (MAX_DEPTH - 1, False), (900, False)):
        body = raw(opening * depth + inner + closing * depth, "extra")
        if allowed:
            assert "extra" in Signal.from_json(body).unknown
        else:
            with pytest.raises(InvalidSignal, match="nested deeper than 32 levels"):
                Signal.from_json(body)
    with pytest.raises(InvalidSignal, match="not JSON"):
        Signal.from_json(raw(opening * 100_000, "extra"))


@pytest.mark.parametrize("value", ["\ud800", {"\udfff": 1}, ["\ud800"], object(), {1, 2}, b"bytes"])
def test_what_could_not_be_recorded_is_refused(value: object) -> None:
    with pytest.raises(InvalidSignal):
        Signal.from_document({**BASE, "metadata": {"x": value}})


def test_an_integer_too_long_to_print_is_refused_too() -> None:
    with pytest.raises(InvalidSignal, match="an integer of 16610 bits"):
        Signal.from_document({**BASE, "price": 10**5000})


def test_the_refusal_names_each_field_and_what_was_sent() -> None:
    with pytest.raises(InvalidSignal) as refused:
        read(symbol="btc", price=-1, strength="x" * 1000, metadata=[1] * 1000)

    text = str(refused.value)
    assert "symbol: String should match pattern" in text
    assert "(got 'btc')" in text
    assert "(got a list of 1000)" in text
    assert len(text) < 700


# ---------------------------------------------------------------- fuzz

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.decimals().map(str)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)
names = st.sampled_from([*Signal.model_fields, "id", "signal_type"]) | st.text()


def outcome(body: bytes | str) -> Signal | None:
    try:
        return Signal.from_json(body)
    except InvalidSignal as error:
        return None if str(error) else pytest.fail("a refusal without a reason")


def check(signal: Signal) -> None:
    """What was accepted can be recorded, and read again as the same."""
    again = Signal.from_json(signal.model_dump_json())
    assert (again.signal_id, again.timestamp, again.price) == (signal.signal_id, signal.timestamp, signal.price)
    msgspec.json.decode(msgspec.json.encode(signal.carried()))


@given(st.binary() | st.text())
def test_any_bytes_give_a_signal_or_invalid_signal(body: bytes | str) -> None:
    assert outcome(body) is None


@given(st.dictionaries(names, values, max_size=6))
def test_any_fields_give_a_signal_or_invalid_signal(fields: dict[str, Any]) -> None:
    signal = outcome(json.dumps({**BASE, **fields}))
    if signal is not None:
        check(signal)


@given(st.data())
def test_any_mutilation_of_a_signal_gives_a_signal_or_invalid_signal(data: st.DataObject) -> None:
    body = bytearray(json.dumps({**BASE, "price": 45000.5, "metadata": {"a": [1, 2.5, "x"]}}).encode())
    for place, byte in data.draw(st.lists(st.tuples(st.integers(0, len(body) - 1), st.integers(0, 255)), max_size=8)):
        body[place] = byte
    signal = outcome(bytes(body))
    if signal is not None:
        check(signal)


@given(
    st.from_regex(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,12})?", fullmatch=True), st.sampled_from(POSITIVE)
)
def test_any_number_is_exact_or_refused(number: str, field: str) -> None:
    for body in (raw(number, field), raw(f'"{number}"', field)):
        signal = outcome(body)
        if signal is not None:
            assert abs(getattr(signal, field) - Decimal(number)) <= Decimal("5e-19")


@pytest.mark.parametrize("sequence", [1, "17", 2**63 - 1, 3.0])
def test_a_signal_may_be_numbered(sequence: object) -> None:
    assert read(sequence=sequence).sequence == int(str(sequence).removesuffix(".0"))
    assert "sequence" not in read(sequence=sequence).carried()


@pytest.mark.parametrize("sequence", [0, -1, True, 1.5, "first", 2**63])
def test_a_number_that_is_none_is_refused(sequence: object) -> None:
    with pytest.raises(InvalidSignal, match="sequence"):
        read(sequence=sequence)


def test_a_signal_without_a_number_is_as_good() -> None:
    assert read().sequence is None
    assert read(sequence=None).sequence is None
