"""The one builder of order requests: whatever leaves for the exchange about an order is written here."""

import re
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import NamedTuple

from contracts.enums import OrderKind, PositionMode, Refusal, Side
from shared.errors import Rejected
from tradeengine.domain.instrument import Instrument
from tradeengine.domain.money import MONEY
from tradeengine.domain.orders import ApprovedOrder, OrderName
from tradeengine.venue.binance import endpoints
from tradeengine.venue.binance.endpoints import Endpoint

# Binance allows ":" and "/" too, but the library signs them otherwise than it sends them.
_CLIENT_ID = re.compile(r"[A-Za-z0-9._-]{1,36}")
_LEAST_CALLBACK, _MOST_CALLBACK = Decimal("0.1"), Decimal(10)
_TENTH = Decimal("0.1")


class OrderRequest(NamedTuple):
    """A request and its parameters, all of them text."""

    endpoint: Endpoint
    params: dict[str, str]


class RequestBuilder:
    """Writes requests that the exchange's documented rules let pass, or says why there is none.

    Parameters
    ----------
    mode
        Position mode of the account. In hedge mode the leg says what closes, and ``reduceOnly`` must not be sent;
        in one-way mode ``reduceOnly`` says it (Binance docs, "New Order").
    """

    def __init__(self, mode: PositionMode) -> None:
        self._hedge = mode is PositionMode.HEDGE

    def place(self, order: ApprovedOrder, rules: Instrument, mark: Decimal | None) -> OrderRequest:
        """The request that places an order.

        Parameters
        ----------
        rules
            Trading rules of its symbol.
        mark
            Mark price of the symbol, ``None`` if not known: then what depends on it is left to the exchange.

        Raises
        ------
        Rejected
            If the exchange would refuse it by its rules, or no figure of it may be sent. Nothing was sent.
        """
        with localcontext(MONEY):
            return self._place(order, rules, mark)

    def _place(self, order: ApprovedOrder, rules: Instrument, mark: Decimal | None) -> OrderRequest:
        if not rules.trading and order.purpose.opening:
            raise _rejected(order, f"{order.symbol} does not trade now", Refusal.NOT_ALLOWED)
        params = {
            "symbol": order.symbol,
            "side": order.side.value,
            "type": order.kind.value,
            "quantity": _plain(_quantity(order, rules)),
            "newOrderRespType": "ACK",
            **self._leg(order),
            **_prices(order, rules, mark),
        }
        _check_notional(order, rules, mark)
        if order.kind.conditional:
            terms = {"algoType": "CONDITIONAL", "workingType": "MARK_PRICE", "priceProtect": "FALSE"}
            return OrderRequest(endpoints.PLACE_ALGO, params | terms | {"clientAlgoId": _client_id(order)})
        return OrderRequest(endpoints.PLACE, params | {"newClientOrderId": _client_id(order)})

    def cancel(self, order: ApprovedOrder | OrderName) -> OrderRequest:
        """The request that cancels an order."""
        return _about(order, endpoints.CANCEL, endpoints.CANCEL_ALGO)

    def query(self, order: ApprovedOrder | OrderName) -> OrderRequest:
        """The request that asks for an order."""
        return _about(order, endpoints.ORDER, endpoints.ALGO_ORDER)

    def _leg(self, order: ApprovedOrder) -> dict[str, str]:
        if self._hedge:
            return {"positionSide": order.position_side.value}
        closing = {} if order.purpose.opening else {"reduceOnly": "true"}
        return {"positionSide": "BOTH", **closing}


def _about(order: ApprovedOrder | OrderName, plain: Endpoint, conditional: Endpoint) -> OrderRequest:
    if order.kind.conditional:
        return OrderRequest(conditional, {"clientAlgoId": _client_id(order)})
    return OrderRequest(plain, {"symbol": order.symbol, "origClientOrderId": _client_id(order)})


def _quantity(order: ApprovedOrder, rules: Instrument) -> Decimal:
    asked = _sendable(order, "quantity", order.quantity)
    quantity = rules.floor_quantity(asked)
    least, most = rules.quantity_limits(market=order.kind is OrderKind.MARKET)
    if quantity <= 0 or quantity < least or (most and quantity > most):
        raise _rejected(
            order, f"quantity {_plain(asked)} in steps of {rules.step_size} is outside {least} to {most or 'any'}"
        )
    return quantity


def _prices(order: ApprovedOrder, rules: Instrument, mark: Decimal | None) -> dict[str, str]:
    params = {}
    trigger = _trigger(order, rules, mark)
    if order.kind is OrderKind.TRAILING_STOP_MARKET:
        params["callbackRate"] = _plain(_callback(order))
        if trigger is not None:
            params["activatePrice"] = _plain(trigger)
    elif trigger is not None:
        params["triggerPrice"] = _plain(trigger)
    if order.kind.priced:
        price = rules.limit_price(_sendable(order, "price", order.price), order.side)
        _check_range(order, rules, "price", price)
        # Binance docs, "Error Codes" -4183 and -4184: the limit of a triggered order keeps near its trigger.
        reference = trigger or mark
        if reference is not None and not rules.price_in_band(price, order.side, reference):
            raise _rejected(order, f"price {price} is too far from {reference}{_band(rules)}", Refusal.OUT_OF_BAND)
        params["price"] = _plain(price)
        params["timeInForce"] = order.time_in_force.value
    return params


def _trigger(order: ApprovedOrder, rules: Instrument, mark: Decimal | None) -> Decimal | None:
    if not order.kind.conditional:
        return None
    if order.trigger_price is None and order.kind is OrderKind.TRAILING_STOP_MARKET:
        return None
    trigger = rules.round_price(_sendable(order, "trigger price", order.trigger_price))
    _check_range(order, rules, "trigger price", trigger)
    # Binance docs, "Error Codes" -4210 and -4211: both directions are bounded.
    if mark is not None and not all(rules.price_in_band(trigger, side, mark) for side in Side):
        raise _rejected(order, f"trigger price {trigger} is too far from {mark}{_band(rules)}", Refusal.OUT_OF_BAND)
    return trigger


def _callback(order: ApprovedOrder) -> Decimal:
    """The exchange's ``callbackRate``: percent, with one decimal."""
    percent = (_sendable(order, "callback", order.callback_pct) * 100).quantize(_TENTH, rounding=ROUND_HALF_UP)
    if not _LEAST_CALLBACK <= percent <= _MOST_CALLBACK:
        raise _rejected(
            order,
            f"it would follow the price by {percent} %, and the exchange takes {_LEAST_CALLBACK} to {_MOST_CALLBACK} %",
            Refusal.OUT_OF_BAND,
        )
    return percent


def _check_range(order: ApprovedOrder, rules: Instrument, name: str, price: Decimal) -> None:
    if not rules.price_in_range(price):
        bounds = f"{rules.min_price} to {rules.max_price or 'any'}"
        raise _rejected(order, f"{name} {price} is outside {bounds}", Refusal.OUT_OF_BAND)


def _check_notional(order: ApprovedOrder, rules: Instrument, mark: Decimal | None) -> None:
    """Refuse openings that are too small; what closes is not bound by it (Binance docs, "Filters", MIN_NOTIONAL)."""
    price = order.price if order.kind.priced else order.trigger_price or mark
    if order.purpose.opening and price is not None and order.quantity * price < rules.min_notional:
        raise _rejected(
            order, f"{_plain(order.quantity)} at {_plain(price)} is worth less than the least of {rules.min_notional}"
        )


def _client_id(order: ApprovedOrder | OrderName) -> str:
    if not _CLIENT_ID.fullmatch(order.client_order_id):
        raise _rejected(order, "its id must be 1 to 36 letters, digits, dots, dashes or underscores")
    return order.client_order_id


def _sendable(order: ApprovedOrder, name: str, value: Decimal | None) -> Decimal:
    if value is None or not value.is_finite() or value <= 0:
        raise _rejected(order, f"{name} is {value}, it must be above zero")
    return value


def _band(rules: Instrument) -> str:
    return f": the exchange takes {rules.percent_down} to {rules.percent_up} times that"


def _rejected(order: ApprovedOrder | OrderName, why: str, refusal: Refusal = Refusal.OTHER) -> Rejected:
    return Rejected(
        f"order {order.client_order_id} ({order.symbol} {order.position_side} {order.kind}) was not sent: {why}",
        refusal=refusal,
    )


def _plain(value: Decimal) -> str:
    return format(value, "f")
