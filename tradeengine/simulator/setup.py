"""The document that a fresh exchange is made from: body of ``POST /sim/reset``."""

from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from tradeengine.simulator.options import Options

_CAMEL = ConfigDict(
    extra="forbid", frozen=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
)


class HeldPosition(BaseModel):
    """A leg that the account holds from the start.

    Parameters
    ----------
    symbol, position_side
        Which leg; BOTH in one-way mode.
    qty
        Size, base asset, above 0; in one-way mode negative for a short.
    entry_price
        Average entry price, quote asset.
    isolated_wallet
        Margin that the leg keeps of the wallet in isolated mode; without it, notional at entry over leverage.
    """

    model_config = _CAMEL

    symbol: str
    position_side: Literal["LONG", "SHORT", "BOTH"]
    qty: Decimal
    entry_price: Decimal = Field(gt=0)
    isolated_wallet: Decimal | None = Field(default=None, ge=0)


class Setup(BaseModel):
    """Everything that can be chosen at the start; each field has a default. On the wire names are in camelCase.

    Parameters
    ----------
    dual_side_position
        Hedge mode.
    multi_assets_margin
        Multi-assets mode; it only forbids isolated margin here.
    wallet
        Wallet balance, USDT.
    maker_rate, taker_rate
        Fee rates, fractions of the notional.
    clock_ms
        Time, milliseconds since 1970 UTC; without it, the time goes on.
    marks
        Mark price by symbol; other symbols keep their default (BTCUSDT 50000, ETHUSDT 3000, others 100).
    leverage
        By symbol, 20 for others.
    margin_type
        ``CROSSED`` or ``ISOLATED`` by symbol.
    positions
        Legs that are held.
    symbols
        Entries of exchangeInfo that replace BTCUSDT and ETHUSDT.
    funding_interval_hours
        Hours between two settlements of funding by symbol, 8 for others.
    brackets
        Entries of leverageBracket's ``brackets`` by symbol.
    api_keys
        Secret by key.
    options
        Switches.
    """

    model_config = _CAMEL

    dual_side_position: bool = True
    multi_assets_margin: bool = False
    wallet: Decimal = Decimal(100_000)
    maker_rate: Decimal = Field(default=Decimal("0.0002"), gt=-1, lt=1)
    taker_rate: Decimal = Field(default=Decimal("0.0005"), gt=-1, lt=1)
    clock_ms: int | None = Field(default=None, ge=0, alias="clock_ms")
    marks: dict[str, Decimal] = {}
    leverage: dict[str, int] = {}
    margin_type: dict[str, Literal["CROSSED", "ISOLATED"]] = {}
    funding_interval_hours: dict[str, Literal[1, 2, 4, 8]] = {}
    positions: list[HeldPosition] = []
    symbols: list[dict[str, Any]] | None = None
    brackets: dict[str, list[dict[str, Any]]] = {}
    api_keys: dict[str, str] = {"simulator-key": "simulator-secret"}
    options: Options = Options()
