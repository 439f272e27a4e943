"""Types of single settings: how a text of the environment becomes a value."""

import json
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from contracts.values import Fraction, Number, Positive


class LogFormat(StrEnum):
    """How log lines look; ``auto`` is ``console`` on a terminal and ``json`` elsewhere."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


class Embedded(StrEnum):
    """Whether the engine starts a nats-server of its own; ``auto`` does where NATS_URL is not set."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


class MarginType(StrEnum):
    """Whether a position may lose the whole account's margin, or only its own."""

    CROSSED = "CROSSED"
    ISOLATED = "ISOLATED"


class LogLevel(StrEnum):
    """Least severity that is logged."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


def _listed(value: Any) -> Any:
    """Read a list written as JSON or with commas."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return _json(value)
    return [part.strip() for part in value.split(",") if part.strip()]


def _mapped(value: Any) -> Any:
    return _json(value) if isinstance(value, str) else value


def _json(text: str) -> Any:
    try:
        return json.loads(text, parse_float=Decimal)
    except ValueError as error:
        raise ValueError(f"is no JSON ({error})") from None


def _key(value: SecretStr) -> SecretStr:
    if not all("!" <= character <= "~" for character in value.get_secret_value()):
        raise ValueError("must be printable ASCII without blanks, because it travels in an HTTP header")
    return value


def uri(*schemes: str) -> AfterValidator:
    """Require URIs, with commas between several, that have one of the schemes and a host."""
    rule = f"must be {' or '.join(f'{scheme}://host' for scheme in schemes)}, perhaps with a port"

    def check(value: str) -> str:
        for part in value.split(",") if not schemes[0].startswith("mongodb") else [value]:
            try:
                split = urlsplit(part.strip())
                # A MongoDB URI lists several hosts in one authority, which has no single port.
                port_ok = "," in split.netloc or split.port != 0
            except ValueError:
                raise ValueError(rule) from None
            if not port_ok or split.scheme not in schemes or not split.netloc.rpartition("@")[2].strip(":"):
                raise ValueError(rule)
        return value

    return AfterValidator(check)


Symbols = Annotated[
    tuple[Annotated[str, Field(pattern=r"^[A-Z0-9]{2,30}$")], ...],
    BeforeValidator(_listed),
    AfterValidator(lambda symbols: tuple(dict.fromkeys(symbols))),
]
FloorByStrategy = Annotated[dict[str, Fraction], BeforeValidator(_mapped)]
Level = Annotated[LogLevel, BeforeValidator(_upper)]
Margin = Annotated[MarginType, BeforeValidator(_upper)]
ApiKey = Annotated[SecretStr, AfterValidator(_key)]
Port = Annotated[int, Field(ge=0, le=65_535)]
Seconds = Annotated[Number, Field(ge=0, le=31_536_000)]
FeeRate = Annotated[Number, Field(ge=Decimal("-0.1"), le=Decimal("0.1"))]
BasisPoints = Annotated[Number, Field(ge=0, lt=10_000)]
Money = Positive
