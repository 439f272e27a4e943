"""Conditional orders, which wait outside the matching engine, and the book that finds them."""

from collections.abc import Iterable, Iterator
from decimal import Decimal

import msgspec

from tradeengine.simulator.numbers import ZERO
from tradeengine.simulator.triggers import STOPS, Trigger

ENDED = frozenset({"CANCELED", "EXPIRED", "REJECTED", "FINISHED"})
GTE = "GTE_GTC"


class AlgoOrder(msgspec.Struct, kw_only=True):
    """A conditional order (Binance docs, New Algo Order).

    Parameters
    ----------
    trigger
        When it fires.
    status
        ``NEW``, ``TRIGGERING``, ``TRIGGERED``, ``FINISHED``, ``CANCELED``, ``EXPIRED`` or ``REJECTED``.
    order_id
        Order that it became, 0 before.
    actual_type
        Type of that order, empty before.
    filled, average
        What that order got when the conditional order finished: base asset, quote asset.
    message
        Why it was refused, empty if it was not.
    """

    symbol: str
    algo_id: int
    client_id: str
    side: str
    position_side: str
    type: str
    time_in_force: str
    trigger: Trigger
    created_ms: int
    updated_ms: int
    quantity: Decimal = ZERO
    price: Decimal = ZERO
    price_match: str = "NONE"
    stp_mode: str = "EXPIRE_MAKER"
    good_till_ms: int = 0
    close_position: bool = False
    reduce_only: bool = False
    status: str = "NEW"
    triggered_ms: int = 0
    order_id: int = 0
    actual_type: str = ""
    filled: Decimal = ZERO
    average: Decimal = ZERO
    message: str = ""

    @property
    def is_waiting(self) -> bool:
        """Whether it can still fire or be cancelled."""
        return self.status == "NEW"

    @property
    def lives_with_leg(self) -> bool:
        """Whether it expires when its leg is closed."""
        return self.close_position or self.time_in_force == GTE

    @property
    def group(self) -> tuple[str, str, bool]:
        """What only one closePosition order may share: leg, side, and stop or target."""
        return self.position_side, self.side, self.type in STOPS


class AlgoBook:
    """The account's conditional orders of one symbol.

    Parameters
    ----------
    history
        Orders by rising id.
    """

    def __init__(self, history: Iterable[AlgoOrder] = ()) -> None:
        self.history: list[AlgoOrder] = []
        self._by_id: dict[int, AlgoOrder] = {}
        self._by_client: dict[str, AlgoOrder] = {}
        self._open: dict[int, AlgoOrder] = {}
        self._open_clients: dict[str, AlgoOrder] = {}
        for algo in history:
            self.add(algo)

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[AlgoOrder]:
        return iter(self._open.values())

    def add(self, algo: AlgoOrder) -> None:
        """Take an order in; ids must rise."""
        self.history.append(algo)
        self._by_id[algo.algo_id] = algo
        self._by_client[algo.client_id] = algo
        if algo.is_waiting:
            self._open[algo.algo_id] = algo
            self._open_clients[algo.client_id] = algo

    def leave(self, algo: AlgoOrder) -> None:
        """Note that an order waits no longer: it fired or ended."""
        self._open.pop(algo.algo_id, None)
        if self._open_clients.get(algo.client_id) is algo:
            del self._open_clients[algo.client_id]

    def is_taken(self, client_id: str) -> bool:
        """Whether a waiting order has this client algo id."""
        return client_id in self._open_clients

    def find(self, algo_id: int | None, client_id: str | None) -> AlgoOrder | None:
        """Order by id, which wins, or by client algo id: the waiting one, else the latest."""
        if algo_id is not None:
            return self._by_id.get(algo_id)
        if client_id is not None:
            return self._open_clients.get(client_id) or self._by_client.get(client_id)
        return None
