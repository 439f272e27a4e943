"""A close that the exchange forces on a leg: its order, what it books, and the messages that tell of it."""

from decimal import Decimal
from typing import Any, NamedTuple

from tradeengine.simulator import closing, user_events
from tradeengine.simulator.contract import Contract
from tradeengine.simulator.fills import settle
from tradeengine.simulator.legs import Leg
from tradeengine.simulator.numbers import ZERO
from tradeengine.simulator.orders import Order
from tradeengine.simulator.state import State
from tradeengine.simulator.trades import Trade


class Kind(NamedTuple):
    """Why the exchange closes a leg (Binance docs, Event Order Update).

    Parameters
    ----------
    client_id
        Client order id; ``{}`` is filled with a number.
    execution
        ``x`` of the message, as captured.
    status
        ``X`` of a message whose ``x`` is CALCULATED.
    is_charged
        Whether the taker fee may be charged; what a liquidation costs goes to the insurance fund.
    """

    client_id: str
    execution: str
    status: str
    is_charged: bool


LIQUIDATION = Kind("autoclose-{}", "CALCULATED", "FILLED", False)
DELEVERAGING = Kind("adl_autoclose", "CALCULATED", "NEW_ADL", True)
SETTLEMENT = Kind("settlement_autoclose-{}", "TRADE", "FILLED", True)


class ForcedClose:
    """One such close; it is booked first and told of when all that belongs to it is booked.

    Parameters
    ----------
    kind
        Why.
    quantity
        Base asset, above 0, at most the leg.
    price
        Quote asset, above 0.
    """

    def __init__(
        self, state: State, contract: Contract, leg: Leg, kind: Kind, quantity: Decimal, price: Decimal
    ) -> None:
        self._state = state
        self._contract = contract
        self._leg = leg
        self._kind = kind
        self.order = _order(state, leg, kind, quantity, price)

    def book(self) -> Trade:
        """Close at the price; one that is to be announced is told of before."""
        state, contract, order = self._state, self._contract, self.order
        contract.orders.add(order)
        rate = state.terms.taker_rate if self._kind.is_charged and state.options.forced_fee else ZERO
        if state.options.forced_messages == "announced":
            state.emit(self._update("CALCULATED", status="NEW_ADL" if self._kind is DELEVERAGING else "NEW"))
        self._trade = settle(state, contract, order, order.quantity, order.price, rate=rate, maker=False)
        self._leg.called = False
        return self._trade

    def tell(self) -> None:
        """Send the messages in the order of the option; then let what exceeds the leg expire."""
        state, contract, trade = self._state, self._contract, self._trade
        execution = {"captured": self._kind.execution, "calculated": "CALCULATED"}.get(
            state.options.forced_messages, "TRADE"
        )
        status = self._kind.status if execution == "CALCULATED" else self.order.status
        messages = {
            "ORDER_TRADE_UPDATE": self._update(execution, status, trade),
            "ACCOUNT_UPDATE": user_events.account_update(state, contract, [self._leg], "ORDER"),
        }
        if execution == "TRADE":
            messages["TRADE_LITE"] = user_events.trade_lite(state, self.order, trade)
        for name in state.options.event_order:
            if name in messages:
                state.emit(messages[name])
        closing.tidy(state, contract, self._leg)

    def _update(self, execution: str, status: str, trade: Trade | None = None) -> dict[str, Any]:
        message = user_events.order_update(self._state, self._contract, self.order, execution, trade)
        message["o"]["X"] = status
        return message


def _order(state: State, leg: Leg, kind: Kind, quantity: Decimal, price: Decimal) -> Order:
    state.ids.order += 1
    return Order(
        symbol=leg.symbol,
        order_id=state.ids.order,
        client_id=kind.client_id.format(f"{state.now_ms}{state.ids.order % 1000:03d}"),
        side="SELL" if leg.is_long else "BUY",
        position_side=leg.position_side,
        type="LIMIT",
        orig_type="LIMIT",
        time_in_force="IOC",
        quantity=quantity,
        price=price,
        created_ms=state.now_ms,
        updated_ms=state.now_ms,
        closing=True,
    )
