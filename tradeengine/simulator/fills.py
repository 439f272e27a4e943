"""A fill: what it does to order, leg, wallet and history, and the messages that tell of it."""

from decimal import Decimal
from typing import Any

from tradeengine.simulator import user_events
from tradeengine.simulator.contract import Contract
from tradeengine.simulator.fees import charge
from tradeengine.simulator.legs import Leg
from tradeengine.simulator.market_events import agg_trade
from tradeengine.simulator.numbers import ZERO, truncate
from tradeengine.simulator.orders import Order
from tradeengine.simulator.state import State
from tradeengine.simulator.trades import Trade
from tradeengine.simulator.wallet import ASSET


class Batch:
    """Fills of one moment on one symbol; their messages leave together, in the order of the option.

    ``ACCOUNT_UPDATE`` tells of the result of all of them.
    """

    def __init__(self, state: State, contract: Contract) -> None:
        self._state = state
        self._contract = contract
        self._fills: list[dict[str, dict[str, Any]]] = []
        self._legs: dict[str, Leg] = {}

    def fill(self, order: Order, quantity: Decimal, price: Decimal, *, maker: bool) -> Trade:
        """Fill an order.

        Parameters
        ----------
        quantity
            Base asset, above 0, at most what remains.
        price
            Quote asset.
        maker
            Whether the order rested.
        """
        state, contract = self._state, self._contract
        rate = state.terms.maker_rate if maker else state.terms.taker_rate
        trade = settle(state, contract, order, quantity, price, rate=rate, maker=maker)
        self._legs[order.position_side] = contract.leg(order.position_side)
        self._fills.append(
            {
                "TRADE_LITE": user_events.trade_lite(state, order, trade),
                "ORDER_TRADE_UPDATE": user_events.order_update(state, contract, order, "TRADE", trade),
            }
        )
        public = contract.market.record(price, quantity, state.now_ms, buyer_is_maker=maker == (order.side == "BUY"))
        state.emit_market(f"{contract.symbol.lower()}@aggTrade", agg_trade(contract.symbol, public, state.now_ms))
        return trade

    def close(self) -> None:
        """Send the messages."""
        if not self._fills:
            return
        state = self._state
        for group in _groups(state.options.event_order):
            if group == ("ACCOUNT_UPDATE",):
                state.emit(user_events.account_update(state, self._contract, self._legs.values(), "ORDER"))
                continue
            for messages in self._fills:
                for name in group:
                    state.emit(messages[name])
        self._fills = []


def settle(
    state: State, contract: Contract, order: Order, quantity: Decimal, price: Decimal, *, rate: Decimal, maker: bool
) -> Trade:
    """Book a fill, without telling of it.

    The wallet changes by realised profit less commission, each cut to eight decimals.
    """
    leg = contract.leg(order.position_side)
    closed_share = _closed_share(leg, order.side, quantity)
    quote = price * quantity
    fee = quote * rate
    commission, asset = charge(state, fee)
    realized = leg.trade(order.side, quantity, price)
    if leg.amount and asset == ASSET:
        # recorded break-even prices count the fee before it is cut
        leg.fees += fee if closed_share in {ZERO, quantity} else fee * (quantity - closed_share) / quantity
    state.ids.trade += 1
    trade = Trade(
        symbol=contract.symbol,
        trade_id=state.ids.trade,
        order_id=order.order_id,
        side=order.side,
        position_side=order.position_side,
        price=price,
        quantity=quantity,
        quote=quote,
        realized=realized,
        commission=commission,
        time_ms=state.now_ms,
        maker=maker,
        commission_asset=asset,
    )
    contract.trades.append(trade)
    trade_id = str(trade.trade_id)
    state.wallet.book(contract.symbol, "REALIZED_PNL", realized, state.now_ms, info=trade_id, trade_id=trade_id)
    state.wallet.book(
        contract.symbol, "COMMISSION", -commission, state.now_ms, info="COMMISSION", trade_id=trade_id, asset=asset
    )
    if contract.isolated:
        _keep_margin(contract, leg, quantity, closed_share, price)
    leg.updated_ms = state.now_ms
    order.executed += quantity
    order.quote += quote
    order.updated_ms = state.now_ms
    order.status = "FILLED" if order.executed == order.quantity else "PARTIALLY_FILLED"
    if order.status == "FILLED":
        contract.orders.end(order)
    return trade


def _closed_share(leg: Leg, side: str, quantity: Decimal) -> Decimal:
    return min(quantity, leg.room_for(side))


def _keep_margin(contract: Contract, leg: Leg, quantity: Decimal, closed: Decimal, price: Decimal) -> None:
    """Move margin between the cross wallet and the leg's own: what opens brings it, what closes returns its share.

    Profit and fees go to the cross wallet.
    """
    if closed:
        before = abs(leg.amount) + closed if closed == quantity else closed
        leg.isolated_wallet -= truncate(leg.isolated_wallet * closed / before)
    if not leg.amount or closed not in {ZERO, quantity}:
        leg.isolated_wallet = ZERO
    if closed < quantity:
        leg.isolated_wallet += truncate(price * (quantity - closed) / contract.leverage)


def _groups(event_order: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Messages that alternate fill by fill; ACCOUNT_UPDATE alone."""
    place = event_order.index("ACCOUNT_UPDATE")
    groups = (event_order[:place], event_order[place : place + 1], event_order[place + 1 :])
    return tuple(group for group in groups if group)
