"""Orders of the matching engine, and the book that finds them."""

from collections.abc import Iterable, Iterator
from decimal import Decimal

import msgspec

from tradeengine.simulator.numbers import ZERO
from tradeengine.simulator.triggers import Trigger

ENDED = frozenset({"FILLED", "CANCELED", "REJECTED", "EXPIRED", "EXPIRED_IN_MATCH"})


class Order(msgspec.Struct, kw_only=True):
    """A regular order.

    Parameters
    ----------
    closing
        Whether it can only reduce its leg: a closing side in hedge mode, ``reduceOnly`` in one-way mode.
    quote
        Sum of price × quantity of its fills, quote asset.
    trigger
        Condition that it waits for, if conditional orders are taken at the old endpoint.
    waiting
        Whether that condition has not been met yet.
    algo_id
        Conditional order that became this order, 0 if none did.
    reason
        ``er`` of the stream: why it expired.
    unmatched
        Whether it is accepted but not matched yet, for latency.
    """

    symbol: str
    order_id: int
    client_id: str
    side: str
    position_side: str
    type: str
    orig_type: str
    time_in_force: str
    quantity: Decimal
    price: Decimal
    created_ms: int
    updated_ms: int
    stop_price: Decimal = ZERO
    working_type: str = "CONTRACT_PRICE"
    price_protect: bool = False
    price_match: str = "NONE"
    stp_mode: str = "EXPIRE_MAKER"
    good_till_ms: int = 0
    reduce_only: bool = False
    close_position: bool = False
    closing: bool = False
    status: str = "NEW"
    executed: Decimal = ZERO
    quote: Decimal = ZERO
    reason: int = 0
    amendments: int = 0
    algo_id: int = 0
    trigger: Trigger | None = None
    waiting: bool = False
    unmatched: bool = False

    @property
    def remaining(self) -> Decimal:
        """Quantity that is not filled, base asset."""
        return self.quantity - self.executed

    @property
    def is_open(self) -> bool:
        """Whether it can still be filled."""
        return self.status not in ENDED

    @property
    def is_resting(self) -> bool:
        """Whether the market can fill it now."""
        return self.is_open and not self.waiting and not self.unmatched

    @property
    def average(self) -> Decimal:
        """Average price of its fills, quote asset; 0 without one."""
        return self.quote / self.executed if self.executed else ZERO


class OrderBook:
    """The account's orders of one symbol.

    Parameters
    ----------
    history
        Orders by rising id.
    """

    def __init__(self, history: Iterable[Order] = ()) -> None:
        self.history: list[Order] = []
        self._by_id: dict[int, Order] = {}
        self._by_client: dict[str, Order] = {}
        self._open: dict[int, Order] = {}
        self._open_clients: dict[str, Order] = {}
        for order in history:
            self.add(order)

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Order]:
        return iter(self._open.values())

    def add(self, order: Order) -> None:
        """Take an order in; ids must rise."""
        self.history.append(order)
        self._by_id[order.order_id] = order
        self._by_client[order.client_id] = order
        if order.is_open:
            self._open[order.order_id] = order
            self._open_clients[order.client_id] = order

    def end(self, order: Order) -> None:
        """Note that an order is no longer open."""
        self._open.pop(order.order_id, None)
        if self._open_clients.get(order.client_id) is order:
            del self._open_clients[order.client_id]

    def is_taken(self, client_id: str) -> bool:
        """Whether an open order has this client order id."""
        return client_id in self._open_clients

    def find(self, order_id: int | None, client_id: str | None) -> Order | None:
        """Order by id, which wins, or by client order id: the open one, else the latest."""
        if order_id is not None:
            return self._by_id.get(order_id)
        if client_id is not None:
            return self._open_clients.get(client_id) or self._by_client.get(client_id)
        return None

    def closing(self, position_side: str, side: str) -> list[Order]:
        """Open orders that reduce a leg, oldest first."""
        return [
            order
            for order in self._open.values()
            if order.closing and not order.waiting and order.position_side == position_side and order.side == side
        ]
