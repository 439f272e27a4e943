"""The one builder of order requests: what leaves, to the letter, and what never does."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.enums import OrderKind, OrderPurpose, PositionMode, PositionSide, Refusal, Side, TimeInForce
from shared.errors import Rejected
from tests.venue.binance.makers import BTC, MARK, entry, exit_, stop_of
from tests.venue.paper.makers import SHORT, D
from tradeengine.domain.instrument import Instrument
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.venue.binance import endpoints
from tradeengine.venue.binance.requests import RequestBuilder

HEDGE, ONE_WAY = RequestBuilder(PositionMode.HEDGE), RequestBuilder(PositionMode.ONE_WAY)
CONDITIONAL = tuple(kind for kind in OrderKind if kind.conditional)


def placed(order: ApprovedOrder, builder: RequestBuilder = HEDGE, mark: Decimal | None = MARK) -> dict[str, str]:
    return builder.place(order, BTC, mark).params


def refusal(order: ApprovedOrder, rules: Instrument = BTC, mark: Decimal | None = MARK) -> Rejected:
    with pytest.raises(Rejected) as refused:
        HEDGE.place(order, rules, mark)
    assert order.client_order_id in str(refused.value)
    return refused.value


def of_kind(kind: OrderKind, **changes: Any) -> ApprovedOrder:
    terms: dict[str, Any] = {"trigger": "49000"} if kind.conditional else {}
    if kind.priced:
        terms["price"] = "48990"
    if kind is OrderKind.TRAILING_STOP_MARKET:
        terms |= {"trigger": None, "callback_pct": D("0.01")}
    purpose = OrderPurpose.STOP_LOSS if kind.conditional else OrderPurpose.CLOSE
    return exit_(kind, **({"purpose": purpose} | terms | changes))


def test_a_market_order() -> None:
    order = entry(quantity="0.0100")
    request = HEDGE.place(order, BTC, MARK)

    assert request.endpoint is endpoints.PLACE
    assert request.params == {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "positionSide": "LONG",
        "type": "MARKET",
        "quantity": "0.01",
        "newClientOrderId": order.client_order_id,
        "newOrderRespType": "ACK",
    }


def test_a_limit_order() -> None:
    order = entry(OrderKind.LIMIT, side=SHORT, price="50000.11", time_in_force=TimeInForce.GTX)

    assert placed(order) == {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "positionSide": "SHORT",
        "type": "LIMIT",
        "quantity": "0.01",
        "price": "50000.2",  # a seller's limit is never worsened
        "timeInForce": "GTX",
        "newClientOrderId": order.client_order_id,
        "newOrderRespType": "ACK",
    }


def test_a_stop_goes_to_the_algo_endpoint_with_its_own_id() -> None:  # I42, I03: with a quantity, never closePosition
    order = stop_of("48999.94")
    request = HEDGE.place(order, BTC, MARK)

    assert request.endpoint is endpoints.PLACE_ALGO
    assert request.params == {
        "algoType": "CONDITIONAL",
        "symbol": "BTCUSDT",
        "side": "SELL",
        "positionSide": "LONG",
        "type": "STOP_MARKET",
        "quantity": "0.01",
        "triggerPrice": "48999.9",
        "workingType": "MARK_PRICE",
        "priceProtect": "FALSE",
        "clientAlgoId": order.client_order_id,
        "newOrderRespType": "ACK",
    }


@pytest.mark.parametrize("kind", [OrderKind.STOP, OrderKind.TAKE_PROFIT])
def test_a_priced_conditional_order_has_trigger_price_and_time_in_force(kind: OrderKind) -> None:
    params = placed(of_kind(kind))

    assert (params["triggerPrice"], params["price"], params["timeInForce"]) == ("49000", "48990", "GTC")


@pytest.mark.parametrize(
    ("fraction", "rate"), [("0.01", "1.0"), ("0.001", "0.1"), ("0.1", "10.0"), ("0.0125", "1.3"), ("0.00095", "0.1")]
)
def test_a_trailing_stop_follows_by_percent_with_one_decimal(fraction: str, rate: str) -> None:
    params = placed(of_kind(OrderKind.TRAILING_STOP_MARKET, callback_pct=D(fraction)))

    assert params["callbackRate"] == rate
    assert not {"triggerPrice", "activatePrice", "activationPrice", "stopPrice"} & params.keys()


def test_a_trailing_stop_may_name_where_it_begins() -> None:
    params = placed(of_kind(OrderKind.TRAILING_STOP_MARKET, trigger="51000.04"))

    assert params["activatePrice"] == "51000"
    assert "triggerPrice" not in params


@pytest.mark.parametrize("fraction", ["0.0004", "0.1006", "0", "-0.01", "NaN"])
def test_a_trailing_stop_that_the_exchange_would_refuse_is_not_sent(fraction: str) -> None:
    refusal(of_kind(OrderKind.TRAILING_STOP_MARKET, callback_pct=D(fraction)))


@pytest.mark.parametrize("kind", OrderKind)
@pytest.mark.parametrize("side", PositionSide)
def test_hedge_mode_names_the_leg_and_never_reduce_only(kind: OrderKind, side: PositionSide) -> None:  # I41
    params = placed(of_kind(kind, side=side))

    assert params["positionSide"] == side.value
    assert params["side"] == side.closing.value
    assert not {"reduceOnly", "closePosition"} & params.keys()


@pytest.mark.parametrize("kind", OrderKind)
def test_one_way_mode_closes_by_reduce_only(kind: OrderKind) -> None:
    params = placed(of_kind(kind), ONE_WAY)

    assert (params["positionSide"], params["reduceOnly"]) == ("BOTH", "true")


def test_one_way_mode_opens_without_reduce_only() -> None:
    params = placed(entry(), ONE_WAY)

    assert params["positionSide"] == "BOTH"
    assert "reduceOnly" not in params


@pytest.mark.parametrize("kind", OrderKind)
def test_cancel_and_query_name_the_engines_own_id(kind: OrderKind) -> None:  # I43, I57
    order = of_kind(kind)
    cancel, query = HEDGE.cancel(order), HEDGE.query(order)

    if kind.conditional:
        assert cancel == (endpoints.CANCEL_ALGO, {"clientAlgoId": order.client_order_id})
        assert query == (endpoints.ALGO_ORDER, {"clientAlgoId": order.client_order_id})
    else:
        assert cancel == (endpoints.CANCEL, {"symbol": "BTCUSDT", "origClientOrderId": order.client_order_id})
        assert query == (endpoints.ORDER, {"symbol": "BTCUSDT", "origClientOrderId": order.client_order_id})


@pytest.mark.parametrize("figure", ["0", "-0.010", "NaN", "Infinity", "-Infinity", "sNaN"])
@pytest.mark.parametrize("field", ["quantity", "price", "trigger_price"])
def test_no_figure_that_is_not_above_zero_is_ever_sent(field: str, figure: str) -> None:  # I59
    order = msgspec.structs.replace(of_kind(OrderKind.STOP), **{field: D(figure)})

    assert "must be above zero" in str(refusal(order))


@pytest.mark.parametrize("kind", [kind for kind in OrderKind if kind is not OrderKind.TRAILING_STOP_MARKET])
def test_a_price_that_is_missing_is_not_invented(kind: OrderKind) -> None:
    order = of_kind(kind, price=None, trigger=None)
    if kind is OrderKind.MARKET:
        assert placed(order)
    else:
        assert "is None" in str(refusal(order))


@pytest.mark.parametrize(
    ("quantity", "kind"),
    [("0.0009", "MARKET"), ("120.001", "MARKET"), ("1000.001", "LIMIT"), ("0.0009", "STOP_MARKET")],
)
def test_quantities_outside_of_the_lot_are_not_sent(quantity: str, kind: str) -> None:
    assert "quantity" in str(refusal(of_kind(OrderKind(kind), quantity=quantity, price="50000")))


def test_limits_of_market_orders_are_not_those_of_others() -> None:
    assert placed(entry(OrderKind.LIMIT, "999", price="50000"))["quantity"] == "999"


@pytest.mark.parametrize(("price", "side"), [("52500.1", Side.BUY), ("47499.9", Side.SELL)])
def test_a_limit_beyond_the_band_around_the_mark_price_is_not_sent(price: str, side: Side) -> None:
    leg = PositionSide.LONG if side is Side.BUY else PositionSide.SHORT

    assert refusal(entry(OrderKind.LIMIT, price=price, side=leg)).refusal is Refusal.OUT_OF_BAND
    assert placed(entry(OrderKind.LIMIT, price=price, side=leg.opposite))  # the better direction is free
    assert placed(entry(OrderKind.LIMIT, price=price, side=leg), mark=None)  # nobody knows: the exchange decides


@pytest.mark.parametrize("trigger", ["52500.1", "47499.9"])
@pytest.mark.parametrize("side", PositionSide)
def test_a_trigger_beyond_the_band_is_not_sent(trigger: str, side: PositionSide) -> None:  # I19
    assert refusal(stop_of(trigger, side)).refusal is Refusal.OUT_OF_BAND


@pytest.mark.parametrize("price", ["499.9", "4000000.1"])
def test_a_price_outside_of_the_symbols_range_is_not_sent(price: str) -> None:
    assert refusal(entry(OrderKind.LIMIT, price=price), mark=None).refusal is Refusal.OUT_OF_BAND


def test_an_opening_below_the_least_notional_is_not_sent_and_a_closing_is() -> None:  # I52
    assert "worth less" in str(refusal(entry(quantity="0.001")))
    assert "worth less" in str(refusal(entry(OrderKind.LIMIT, "0.002", price="49999.9")))
    assert placed(entry(OrderKind.LIMIT, "0.002", price="50000"))["quantity"] == "0.002"
    assert placed(exit_(quantity="0.001"))["quantity"] == "0.001"


def test_a_symbol_that_does_not_trade_opens_nothing_and_closes() -> None:
    halted = msgspec.structs.replace(BTC, trading=False)

    assert refusal(entry(), halted).refusal is Refusal.NOT_ALLOWED
    assert HEDGE.place(exit_(), halted, MARK).params["quantity"] == "0.01"


@pytest.mark.parametrize("name", ["", "x" * 37, "a b", "a:b", "a/b", "ä", "a\n"])
def test_an_id_that_the_exchange_or_the_library_would_spoil_is_not_sent(name: str) -> None:
    order = entry(client_order_id=name)
    with pytest.raises(Rejected, match="its id must be"):
        HEDGE.place(order, BTC, MARK)
    for about in (HEDGE.cancel, HEDGE.query):
        with pytest.raises(Rejected, match="its id must be"):
            about(order)


UNITS = st.sampled_from(["1e-8", "1e-7", "1e-5", "0.001", "0.05", "0.5", "1", "10"]).map(Decimal)


@given(UNITS, UNITS, st.decimals("0.00000001", "999999", places=9), st.decimals("0.00000001", "999999", places=9))
def test_whatever_is_sent_is_plain_text_and_a_multiple(
    tick: Decimal, step: Decimal, quantity: Decimal, price: Decimal
) -> None:  # I131
    rules = Instrument("BTCUSDT", tick, step)
    order = entry(OrderKind.LIMIT, price=format(price, "f"), quantity=format(quantity, "f"))
    try:
        params = HEDGE.place(order, rules, None).params
    except Rejected:
        assert quantity < step or price < tick
        return
    sent_quantity, sent_price = Decimal(params["quantity"]), Decimal(params["price"])

    assert sent_quantity % step == 0
    assert sent_price % tick == 0
    assert 0 < sent_quantity <= quantity < sent_quantity + step
    assert 0 < sent_price <= price
    assert not set(params["quantity"] + params["price"]) - set("0123456789.")
