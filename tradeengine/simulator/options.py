"""What can be switched: behaviour that the exchange's documents leave open, and help for tests."""

from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tradeengine.simulator.wallet import ASSET

Switch = Literal["on", "off"]
MESSAGES = ("TRADE_LITE", "ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE")


class Options(BaseModel):
    """Switches of the exchange; the defaults are the behaviour that evidence supports best.

    Parameters
    ----------
    filters
        Whether trading filters (PRICE_FILTER, LOT_SIZE, …) are checked; signs always are.
    margin
        Whether initial margin (-2019) and the largest position at the leverage (-2027) are checked.
    brackets
        ``off``: of these two the initial margin only.
    funding, liquidation
        Whether funding is settled when its time comes, and whether positions are liquidated.
    algo_endpoints
        ``False``: paths of conditional orders answer 404, as test networks of old did.
    conditional_on_order_endpoint
        ``True``: conditional orders are taken at ``/fapi/v1/order``, as before December 2025.
    ack_with_average
        ``True``: acknowledgements carry ``avgPrice`` and ``cumQuote``, as before July 2026.
    closing_overflow
        A closing MARKET order larger than its leg is refused with -2022, or cut to the leg.
    event_order
        Order of the messages of a fill.
    both_row_in_hedge
        Whether ACCOUNT_UPDATE lists a flat BOTH row in hedge mode.
    v3_lists_flat_leg
        Whether positionRisk v3 lists the flat leg beside a held one.
    spawned_client_id
        Client order id of the order that a conditional order becomes: the same, or one that the exchange makes.
    forced_messages
        How a leg that the exchange closes itself is told of (Binance docs, Event Order Update, names no one way):
        ``captured`` as seen on streams (liquidation and auto-deleveraging CALCULATED, settlement TRADE); all
        ``calculated``; all ``trade``; ``announced``: CALCULATED without a quantity, then TRADE.
    forced_fee
        Whether auto-deleveraging and settlement are charged the taker fee.
    gte_required
        ``True``: a closePosition order must say ``timeInForce=GTE_GTC``, else -4509.
    algo_in_max_orders
        Whether conditional orders count towards MAX_NUM_ORDERS.
    price_protect
        A protected order whose trigger is reached while mark and last price are apart waits, or expires.
    not_found_lag_ms
        For so long after it was placed an order cannot be queried (-2013).
    latency_ms
        For so long after it was accepted an order is not matched.
    events_before_answer
        Whether the messages that a request causes are sent before its answer.
    depth, levels
        Base asset on each level of the book and number of levels, one tick apart; without depth, any quantity
        fills at the best price.
    slippage_ticks
        So many ticks worse than the best price MARKET orders fill.
    short_limit_markup, market_long_markup
        Assumed price of the initial margin: a LIMIT short counts at least last × (1 + markup), a MARKET long the
        ask × (1 + markup).
    funding_rate
        Rate that is settled until another is set.
    max_conditional_orders
        Open conditional orders of the account.
    max_modifications
        How often an order can be modified (-5026).
    fee_asset, fee_asset_price, fee_discount
        What fees are paid in, such as BNB; its price in the quote asset, and the part of the fee that this saves.
    fee_balance
        Of the fee asset at the start; once it does not suffice, fees are paid in the quote asset, in full.
    margin_call_ratio
        Maintenance margin over margin balance from which MARGIN_CALL is sent.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    filters: Switch = "on"
    margin: Switch = "on"
    brackets: Switch = "on"
    funding: Switch = "on"
    liquidation: Switch = "on"
    algo_endpoints: bool = True
    conditional_on_order_endpoint: bool = False
    ack_with_average: bool = False
    closing_overflow: Literal["reject", "cut"] = "reject"
    event_order: tuple[str, ...] = MESSAGES
    both_row_in_hedge: bool = False
    v3_lists_flat_leg: bool = False
    spawned_client_id: Literal["same", "generated"] = "same"
    forced_messages: Literal["captured", "calculated", "trade", "announced"] = "captured"
    forced_fee: bool = True
    gte_required: bool = False
    algo_in_max_orders: bool = False
    price_protect: Literal["waits", "expires"] = "waits"
    not_found_lag_ms: int = Field(default=0, ge=0)
    latency_ms: int = Field(default=0, ge=0)
    events_before_answer: bool = False
    depth: Decimal | None = Field(default=None, gt=0)
    levels: int = Field(default=20, ge=1, le=1000)
    slippage_ticks: int = Field(default=0, ge=0)
    short_limit_markup: Decimal = Field(default=Decimal("0.0015"), ge=0)
    market_long_markup: Decimal = Field(default=Decimal("0.0005"), ge=0)
    funding_rate: Decimal = Field(default=Decimal("0.0001"), gt=-1, lt=1)
    max_conditional_orders: int = Field(default=200, ge=0)
    max_modifications: int = Field(default=10_000, ge=0)
    fee_asset: str = Field(default=ASSET, min_length=1)
    fee_asset_price: Decimal = Field(default=Decimal(600), gt=0)
    fee_discount: Decimal = Field(default=Decimal("0.1"), ge=0, lt=1)
    fee_balance: Decimal = Field(default=Decimal(10), ge=0)
    margin_call_ratio: Decimal = Field(default=Decimal("0.8"), gt=0)

    @field_validator("event_order")
    @classmethod
    def _is_permutation(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if sorted(value) != sorted(MESSAGES):
            raise ValueError(f"must hold each of {', '.join(MESSAGES)} once")
        return value
