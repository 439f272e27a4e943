"""Whose order an order id of the exchange is, and which orders may still be alive there."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from contracts.enums import PositionSide
from tradeengine.domain.ids import shard_in
from tradeengine.domain.orders import ApprovedOrder

K = TypeVar("K")
V = TypeVar("V")

MOST_LINKS = 50_000
"""Ids that are remembered; older ones are asked for again when they turn up."""


@dataclass(slots=True)
class OpenLink:
    """An order whose end was not heard of.

    Parameters
    ----------
    conditional
        Whether it is asked for as an algo order.
    position_side
        Which leg it works on, if that is known: in one-way mode the exchange does not say.
    noted_s
        When it was first heard of or sent, on the monotonic clock, seconds.
    heard
        Whether the stream told anything of it.
    opened
        Whether its acceptance was told.
    """

    client_order_id: str
    symbol: str
    conditional: bool
    noted_s: float
    position_side: PositionSide | None = None
    heard: bool = False
    opened: bool = False


class OrderLinks:
    """Memory of order ids, bounded.

    A conditional order has two ids: its algo id, and the id of the order that it becomes when it triggers. What that
    order does is reported under the client id of the conditional one.
    """

    def __init__(self, limit: int = MOST_LINKS) -> None:
        self._limit = limit
        self._clients: OrderedDict[tuple[str, int], str] = OrderedDict()
        self._open: dict[str, OpenLink] = {}
        self._sides: OrderedDict[str, PositionSide] = OrderedDict()
        self._ended: OrderedDict[str, OpenLink | None] = OrderedDict()

    def sent(self, order: ApprovedOrder, now_s: float) -> None:
        """Note an order that is about to be sent: it is the engine's own, whatever its id looks like.

        Parameters
        ----------
        now_s
            Monotonic clock, seconds.
        """
        client_id = order.client_order_id
        _keep(self._sides, client_id, order.position_side, self._limit)
        if client_id not in self._ended and client_id not in self._open:
            self._open[client_id] = OpenLink(
                client_id, order.symbol, order.kind.conditional, now_s, order.position_side
            )

    def remember(self, symbol: str, order_id: int, client_order_id: str) -> None:
        """Note that executions of an order id belong to a client order id (or client algo id)."""
        _keep(self._clients, (symbol, order_id), client_order_id, self._limit)

    def client_order_id(self, symbol: str, order_id: int) -> str | None:
        """Whose order it is, ``None`` if not known."""
        return self._clients.get((symbol, order_id))

    def is_own(self, client_order_id: str) -> bool:
        """Whether the engine gave an order its id, in this life of the process or an earlier one."""
        return client_order_id in self._sides or shard_in(client_order_id) is not None

    def position_side(self, client_order_id: str) -> PositionSide | None:
        """Leg that an order works on, as far as the process sent it itself."""
        return self._sides.get(client_order_id)

    def heard(self, client_order_id: str, symbol: str, now_s: float, *, conditional: bool) -> None:
        """Note that the stream told of an own order that lives; ``now_s`` is of the monotonic clock, seconds."""
        if client_order_id in self._ended:
            return
        link = self._open.get(client_order_id)
        if link is None:
            link = self._open[client_order_id] = OpenLink(client_order_id, symbol, conditional, now_s)
        link.heard = True

    def is_heard(self, client_order_id: str) -> bool:
        """Whether the exchange told anything of an order."""
        link = self._open.get(client_order_id)
        return client_order_id in self._ended or (link is not None and link.heard)

    def accept(self, client_order_id: str) -> bool:
        """Note an order's acceptance; ``False`` if that was told before, or its end was."""
        link = self._open.get(client_order_id)
        if client_order_id in self._ended or (link is not None and link.opened):
            return False
        if link is not None:
            link.opened = True
        return True

    def reopen(self, client_order_id: str) -> None:
        """An order's end that was noted was not told after all."""
        link = self._ended.pop(client_order_id, None)
        if link is not None:
            self._open[client_order_id] = link

    def end(self, client_order_id: str) -> bool:
        """Note an order's end; ``False`` if it had ended before."""
        link = self._open.pop(client_order_id, None)
        if client_order_id in self._ended:
            return False
        _keep(self._ended, client_order_id, link, self._limit)
        return True

    def has_ended(self, client_order_id: str) -> bool:
        """Whether an order's end was told."""
        return client_order_id in self._ended

    def drop(self, client_order_id: str) -> None:
        """Forget an order that the exchange refused, or never got."""
        self._open.pop(client_order_id, None)

    def symbol(self, client_order_id: str) -> str:
        """Symbol of an own order whose end was not heard of; empty for any other."""
        link = self._open.get(client_order_id)
        return link.symbol if link else ""

    def open(self) -> Sequence[OpenLink]:
        """Own orders whose end was not heard of."""
        return tuple(self._open.values())


def _keep(memory: OrderedDict[K, V], key: K, value: V, limit: int) -> None:
    memory[key] = value
    memory.move_to_end(key)
    while len(memory) > limit:
        memory.popitem(last=False)
