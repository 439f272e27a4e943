"""Arithmetic and spelling of amounts, as recorded answers of the exchange show them."""

from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal

ZERO = Decimal(0)
ONE = Decimal(1)

_EIGHT = Decimal("1e-8")
# whatever a request may say fits
_WIDE = Context(prec=80)
_THIRTEEN = Context(prec=13, rounding=ROUND_DOWN)
_QUANTA = tuple(Decimal(1).scaleb(-places) for places in range(19))


def truncate(value: Decimal) -> Decimal:
    """Eight decimals, cut toward zero: money."""
    # adding 0 turns a negative zero into zero
    return value.quantize(_EIGHT, ROUND_DOWN, _WIDE) + ZERO


def round_price(value: Decimal) -> Decimal:
    """Eight decimals, rounded: the liquidation price, the one recorded figure that is not cut."""
    return value.quantize(_EIGHT, ROUND_HALF_UP, _WIDE)


def significant(value: Decimal) -> Decimal:
    """Thirteen significant digits, cut toward zero: average prices."""
    return _THIRTEEN.plus(value)


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """Largest multiple of the step that is not above the value; any value for a step of 0."""
    return value if not step else (value / step).to_integral_value(ROUND_FLOOR) * step


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """Smallest multiple of the step that is not below the value; any value for a step of 0."""
    return value if not step else (value / step).to_integral_value(ROUND_CEILING) * step


def decimals(value: Decimal) -> int:
    """Digits after the point that the value needs."""
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def plain(value: Decimal) -> str:
    """The digits as they came, without exponent."""
    return format(value, "f")


def trimmed(value: Decimal) -> str:
    """Without exponent and without zeros at the end."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text if text not in {"-0", ""} else "0"


def fixed(value: Decimal, places: int) -> str:
    """So many decimals, cut toward zero if there were more."""
    return format(value.quantize(_QUANTA[places], ROUND_DOWN, _WIDE), "f")


def money(value: Decimal) -> str:
    """Eight decimals."""
    return format(truncate(value), "f")


def average(value: Decimal) -> str:
    """An average price: at least one decimal."""
    text = trimmed(value)
    return text if "." in text else f"{text}.0"
