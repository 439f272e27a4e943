"""What ``/sim`` takes: each document as a model, and what is said about one that is wrong."""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from tradeengine.simulator.faults import Fault
from tradeengine.simulator.server_options import ServerOptions
from tradeengine.simulator.settlement import SettledStatus
from tradeengine.simulator.setup import Setup

T = TypeVar("T")

_REMEDIES = {
    "missing": "add it",
    "extra_forbidden": "remove it, or correct its name",
    "decimal": 'give a decimal number, best as text: "50000.1"',
    "int": "give a whole number",
    "bool": "give true or false",
    "string": "give text",
    "list": "give a list",
    "dict": "give an object",
    "model": "give an object",
}


class ControlError(Exception):
    """A control request that is not carried out.

    Parameters
    ----------
    errors
        For each thing that is wrong: the field, the problem and the remedy.
    status
        HTTP status of the answer.
    """

    def __init__(self, errors: list[dict[str, str]], status: int = 422) -> None:
        super().__init__("; ".join(f"{error['field']}: {error['problem']}" for error in errors))
        self.errors = errors
        self.status = status

    def document(self) -> dict[str, Any]:
        """Body of the answer."""
        return {"error": str(self), "errors": self.errors}


def wrong(field: str, problem: str, remedy: str) -> ControlError:
    """One thing that is wrong."""
    return ControlError([{"field": field, "problem": problem, "remedy": remedy}])


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MarkDocument(_Document):
    """Body of ``POST /sim/mark``: prices in the quote asset."""

    symbol: str
    price: Decimal = Field(gt=0)
    bid: Decimal | None = Field(default=None, gt=0)
    ask: Decimal | None = Field(default=None, gt=0)
    last: Decimal | None = Field(default=None, gt=0)


class FillDocument(_Document):
    """Body of ``POST /sim/fill``: quantity in the base asset."""

    order_id: int = Field(alias="orderId")
    qty: Decimal = Field(gt=0)
    price: Decimal = Field(gt=0)
    maker: bool = True


class FundingDocument(_Document):
    """Body of ``POST /sim/funding``: the rate is a fraction, positive when longs pay."""

    symbol: str
    rate: Decimal = Field(gt=-1, lt=1)


class DeleveragingDocument(_Document):
    """Body of ``POST /sim/adl``: quantity in the base asset, price in the quote asset."""

    symbol: str
    position_side: Literal["LONG", "SHORT", "BOTH"] = Field(alias="positionSide")
    qty: Decimal = Field(gt=0)
    price: Decimal | None = Field(default=None, gt=0)


class SettlementDocument(_Document):
    """Body of ``POST /sim/settle``: price in the quote asset, status of the symbol from then on."""

    symbol: str
    price: Decimal = Field(gt=0)
    status: SettledStatus = "SETTLING"


class ClockDocument(_Document):
    """Body of ``POST /sim/clock``: at most ten years, for every funding time on the way is settled."""

    advance_ms: int = Field(ge=0, le=3660 * 86_400_000)


_faults: TypeAdapter[list[Fault]] = TypeAdapter(list[Fault])


def parse_json(body: bytes) -> Any:
    """Read a body; numbers keep their digits. An empty one is an empty object.

    Raises
    ------
    ControlError
        If it is not JSON.
    """
    if not body.strip():
        return {}
    try:
        return json.loads(body, parse_float=Decimal)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise wrong("body", f"is not JSON: {error}", "send a JSON document") from None


def parse_reset(document: Any) -> tuple[Setup, ServerOptions]:
    """Read the body of ``POST /sim/reset``; options of the exchange and of the server stand side by side.

    Raises
    ------
    ControlError
        Naming each field that is wrong.
    """
    server: dict[str, Any] = {}
    if isinstance(document, dict) and isinstance(options := document.get("options"), dict):
        server = {name: options[name] for name in options if name in ServerOptions.model_fields}
        document = document | {"options": {name: options[name] for name in options if name not in server}}
    return parse(Setup.model_validate, document, Setup), parse(
        ServerOptions.model_validate, server, ServerOptions, "options."
    )


def parse_faults(document: Any) -> list[Fault]:
    """Read the body of ``POST /sim/faults``: a list, or a single fault.

    Raises
    ------
    ControlError
        Naming each field that is wrong.
    """
    return parse(_faults.validate_python, [document] if isinstance(document, dict) else document, Fault)


def parse(validate: Callable[[Any], T], document: Any, model: type[BaseModel], prefix: str = "") -> T:
    """Validate a document.

    Parameters
    ----------
    validate
        What makes the value or raises ``ValidationError``.
    model
        What the fields belong to, for remedies.
    prefix
        What stands before the fields' names.

    Raises
    ------
    ControlError
        Naming each field that is wrong.
    """
    try:
        return validate(document)
    except ValidationError as error:
        raise ControlError(
            [
                {
                    "field": prefix + _name(detail["loc"]),
                    "problem": detail["msg"].removeprefix("Value error, "),
                    "remedy": _remedy(detail["type"], detail.get("ctx", {}), model),
                }
                for detail in error.errors(include_url=False)
            ]
        ) from None


def _name(location: tuple[int | str, ...]) -> str:
    name = ""
    for part in location:
        name += f"[{part}]" if isinstance(part, int) else f".{part}" if name else part
    return name or "body"


def _remedy(kind: str, context: Mapping[str, Any], model: type[BaseModel]) -> str:
    if kind == "extra_forbidden":
        known = ", ".join(field.alias or name for name, field in model.model_fields.items())
        return f"{_REMEDIES[kind]}; the document's fields are {known}"
    if "expected" in context:
        return f"give {context['expected']}"
    for sign, name in ((">", "gt"), (">=", "ge"), ("<", "lt"), ("<=", "le")):
        if name in context:
            return f"give a number {sign} {context[name]}"
    return _REMEDIES.get(kind) or _REMEDIES.get(kind.split("_", maxsplit=1)[0]) or "correct it as the problem says"
