"""The exchange as one object: time, prices, the account and its orders."""

from decimal import Decimal
from typing import Any

from tradeengine.simulator import deleveraging, errors, liquidation, matching, settlement, snapshots, timetable
from tradeengine.simulator.contract import Contract
from tradeengine.simulator.events import Emitted
from tradeengine.simulator.founding import found
from tradeengine.simulator.funding import settle_funding
from tradeengine.simulator.numbers import ZERO
from tradeengine.simulator.options import Options
from tradeengine.simulator.orders import Order
from tradeengine.simulator.prices import PricePath
from tradeengine.simulator.setup import Setup
from tradeengine.simulator.state import State


class Exchange:
    """A deterministic exchange with one account: same seed and same calls, same answers and messages.

    Parameters
    ----------
    now_ms
        Time at the start, milliseconds since 1970 UTC.
    seed
        What generated ids are derived from.
    setup
        What it starts with.
    """

    def __init__(self, *, now_ms: int, seed: int = 0, setup: Setup | None = None) -> None:
        setup = setup or Setup()
        self._state = found(setup, now_ms if setup.clock_ms is None else setup.clock_ms, seed)

    @property
    def state(self) -> State:
        """What the endpoints read and change."""
        return self._state

    @property
    def now_ms(self) -> int:
        """Time of the exchange, milliseconds since 1970 UTC."""
        return self._state.now_ms

    @property
    def seed(self) -> int:
        """What generated ids are derived from."""
        return self._state.seed

    @property
    def options(self) -> Options:
        """Switches."""
        return self._state.options

    @property
    def api_keys(self) -> dict[str, str]:
        """Secret by key."""
        return self._state.api_keys

    def reset(self, setup: Setup) -> None:
        """Replace the whole state; messages that were not taken are gone.

        Raises
        ------
        ValueError
            If the setup contradicts itself; the state stays as it is.
        """
        self._state = found(setup, self.now_ms if setup.clock_ms is None else setup.clock_ms, self.seed)

    def advance_to(self, now_ms: int) -> None:
        """Let time pass, and do what falls due on the way, at its time; a time that has passed changes nothing."""
        timetable.advance(self._state, now_ms)

    def set_mark(
        self,
        symbol: str,
        price: Decimal,
        bid: Decimal | None = None,
        ask: Decimal | None = None,
        last: Decimal | None = None,
    ) -> None:
        """Move mark price, last price and book; fill, trigger and liquidate what that reaches.

        Parameters
        ----------
        price
            Mark price, quote asset, above 0.
        bid, ask
            Best prices; without them one tick below and above the mark price. 0 is an empty side.
        last
            Last price; without it the mark price.

        Raises
        ------
        ApiError
            -1121 if the symbol is not listed, -4001 if a price is not above 0.
        """
        contract = self._state.contract(symbol)
        if price <= ZERO or any(other is not None and other < ZERO for other in (bid, ask, last)):
            raise errors.price_not_positive()
        timetable.move_market(self._state, contract, price, bid=bid, ask=ask, last=last)

    def fill(self, order_id: int, quantity: Decimal, price: Decimal, *, maker: bool) -> None:
        """Fill an open order whatever the market says.

        Parameters
        ----------
        quantity
            Base asset, above 0, at most what remains of the order.
        price
            Quote asset, above 0.
        maker
            Whether the maker fee is charged.

        Raises
        ------
        ApiError
            -2013 if there is no such open order, -1130 for a quantity or price that cannot be, -2022 if a closing
            order would exceed its leg.
        """
        contract, order = self._open_order(order_id)
        if not ZERO < quantity <= order.remaining:
            raise errors.invalid_data("qty")
        if price <= ZERO:
            raise errors.invalid_data("price")
        if order.closing and quantity > contract.leg(order.position_side).room_for(order.side):
            raise errors.reduce_only_rejected()
        matching.fill_one(self._state, contract, order, quantity, price, maker=maker)

    def settle_funding(self, symbol: str, rate: Decimal) -> None:
        """Settle funding of a symbol now; the times of settlement stay.

        Parameters
        ----------
        rate
            Fraction of the notional; a positive rate takes from longs.

        Raises
        ------
        ApiError
            -1121 if the symbol is not listed.
        """
        settle_funding(self._state, self._state.contract(symbol), rate)
        liquidation.liquidate_due(self._state)

    def deleverage(self, symbol: str, position_side: str, quantity: Decimal, price: Decimal | None = None) -> None:
        """Close part or all of a leg for a bankrupt counterparty: auto-deleveraging.

        Parameters
        ----------
        quantity
            Base asset, a multiple of the lot's step, at most the leg.
        price
            Quote asset; without it the mark price.

        Raises
        ------
        ApiError
            -1121 if the symbol is not listed.
        ValueError
            If the leg does not hold the quantity, or cannot be closed by it.
        """
        deleveraging.deleverage(self._state, self._state.contract(symbol), position_side, quantity, price)

    def settle_symbol(self, symbol: str, price: Decimal, status: settlement.SettledStatus = "SETTLING") -> None:
        """End the trading of a symbol: orders expire, legs are closed, and exchangeInfo says its new status.

        Parameters
        ----------
        price
            Settlement price, quote asset, above 0.

        Raises
        ------
        ApiError
            -1121 if the symbol is not listed.
        """
        settlement.settle_symbol(self._state, self._state.contract(symbol), price, status)

    def play(self, path: PricePath) -> None:
        """Play recorded prices from now on: those that lie in the past at once, as history only.

        Raises
        ------
        ApiError
            -1121 if the symbol is not listed.
        """
        timetable.play(self._state, path)

    def take_events(self) -> list[Emitted]:
        """Messages since the last call, in order."""
        taken, self._state.emitted = self._state.emitted, []
        return taken

    def snapshot(self) -> dict[str, Any]:
        """The whole state, ready for JSON: the same state gives the same document."""
        return snapshots.snapshot(self._state)

    @classmethod
    def restore(cls, document: dict[str, Any]) -> "Exchange":
        """Make the exchange of a snapshot.

        Raises
        ------
        ValueError
            If the document is none.
        """
        exchange = cls.__new__(cls)
        exchange._state = snapshots.restore(document)
        return exchange

    def _open_order(self, order_id: int) -> tuple[Contract, Order]:
        for contract in self._state.contracts.values():
            order = contract.orders.find(order_id, None)
            if order is not None and order.is_open and not order.waiting:
                return contract, order
        raise errors.no_such_order()
