"""The paper exchange's memory: orders, legs and trades."""

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal, localcontext
from itertools import count

from contracts.enums import OrderStatus, PositionSide, Refusal
from shared.errors import Rejected
from tradeengine.domain.inputs import FillReported, OrderReported, VenueOrder, VenuePosition
from tradeengine.domain.instrument import Instrument
from tradeengine.domain.money import MONEY, ZERO, average, plain
from tradeengine.domain.orders import ApprovedOrder, LiveOrder
from tradeengine.venue.base import Report
from tradeengine.venue.paper.order import AT_ONCE, PaperOrder, Rank, accept
from tradeengine.venue.paper.terms import PaperTerms

Leg = tuple[str, PositionSide]

ENDED_KEPT = 10_000
"""How many ended orders can still be asked for."""

DEFAULT_ASSET = "USDT"
NOTHING_HELD = "nothing of the position is left to close"
LESS_HELD = "closed all that was left of the position"


class Ledger:
    """What rests, what is held, what was traded.

    Parameters
    ----------
    instruments
        Tell the asset that a symbol's fees are paid in; without one it is USDT.
    """

    def __init__(self, terms: PaperTerms, instruments: Iterable[Instrument] = ()) -> None:
        self._terms = terms
        self._assets = {instrument.symbol: instrument.settle_asset for instrument in instruments}
        self._orders: dict[str, PaperOrder] = {}
        self._live: dict[str, dict[str, PaperOrder]] = {}
        self._ended: deque[PaperOrder] = deque()
        self._held: dict[Leg, Decimal] = {}
        self._entries: dict[Leg, Decimal] = {}
        self._trades: dict[str, int] = {}
        self._numbers = count(1)
        self._prefix = ""

    def forget(self, symbols: Collection[str]) -> None:
        """Forget what rests and what is held of symbols."""
        for symbol in symbols:
            for client_order_id in self._live.pop(symbol, {}):
                del self._orders[client_order_id]
            for side in PositionSide:
                self._held.pop((symbol, side), None)
                self._entries.pop((symbol, side), None)

    def restore(
        self,
        orders: Iterable[LiveOrder],
        positions: Mapping[Leg, Decimal],
        entry_prices: Mapping[Leg, Decimal],
        prefix: str,
    ) -> None:
        """Take over what the books say: open orders rest again, planned ones never arrived."""
        self._prefix = prefix
        self._held.update(positions)
        self._entries.update(entry_prices)
        for live in orders:
            if live.status is not OrderStatus.OPEN:
                continue
            order = live.order
            resting = self._take_in(order, order.planned_ms, live.venue_order_id)
            resting.filled = live.filled
            if order.kind.conditional and live.filled > 0:
                resting.trigger()
            # One that must fill at once or never can only be open because it has not met a price yet.
            resting.rested = resting.rank is Rank.LIMIT and order.time_in_force not in AT_ONCE

    def admit(self, order: ApprovedOrder, now_ms: int) -> PaperOrder:
        """Let an order rest and report that it does.

        Raises
        ------
        Rejected
            If it is malformed, its id belongs to an order that is open, or it closes more than its leg holds.
        """
        known = self._orders.get(order.client_order_id)
        if known is not None and not known.status.terminal:
            raise Rejected(f"order {order.client_order_id}: this id belongs to an order that is open", code="-4116")
        held = self.held(order.symbol, order.position_side)
        if order.side is order.position_side.closing and not order.kind.conditional and order.quantity > held:
            raise Rejected(
                f"order {order.client_order_id}: closes {order.quantity} of {order.symbol} {order.position_side}, "
                f"which holds {held}",
                code="-2022",
                refusal=Refusal.NO_POSITION,
            )
        return self._take_in(order, now_ms, None)

    def _take_in(self, order: ApprovedOrder, now_ms: int, venue_order_id: str | None) -> PaperOrder:
        number = next(self._numbers)
        resting = accept(order, venue_order_id or f"{self._prefix}{number}", number, now_ms)
        self._orders[order.client_order_id] = resting
        self._live.setdefault(order.symbol, {})[order.client_order_id] = resting
        self._say(resting, OrderStatus.OPEN, now_ms)
        return resting

    def find(self, client_order_id: str) -> PaperOrder | None:
        """The order of an id, live or ended; ``None`` if it never arrived or ended long ago."""
        return self._orders.get(client_order_id)

    def live(self, symbol: str) -> Collection[PaperOrder]:
        """Orders of a symbol that have not ended, by arrival."""
        return self._live.get(symbol, {}).values()

    def held(self, symbol: str, side: PositionSide) -> Decimal:
        """Quantity of a leg, base asset, >= 0."""
        return self._held.get((symbol, side), ZERO)

    def positions(self, symbol: str) -> tuple[VenuePosition, ...]:
        """Legs of a symbol that hold something."""
        return tuple(
            VenuePosition(position_side=side, quantity=held, entry_price=self._entries.get((symbol, side), ZERO))
            for side in PositionSide
            if (held := self.held(symbol, side))
        )

    def resting(self, symbol: str) -> tuple[VenueOrder, ...]:
        """Orders of a symbol that have not ended, as the exchange lists them."""
        return tuple(_listed(resting) for resting in self.live(symbol))

    def fill(self, resting: PaperOrder, price: Decimal, quantity: Decimal, now_ms: int, *, maker: bool) -> list[Report]:
        """Execute a quantity of an order, or as much of it as its leg still holds when it closes.

        Returns
        -------
        list of Report
            The fill, if any, and the order's end, if it has ended.
        """
        order = resting.order
        leg = order.symbol, order.position_side
        held = self.held(*leg)
        executed = min(quantity, held) if resting.closing else quantity
        if not executed:
            return [self.end(resting, OrderStatus.EXPIRED, now_ms, NOTHING_HELD)]
        trade = self._trades[order.symbol] = self._trades.get(order.symbol, 0) + 1
        with localcontext(MONEY):
            if resting.closing:
                self._held[leg] = held - executed
            else:
                cost = self._entries.get(leg, ZERO) * held + price * executed
                self._held[leg] = held + executed
                self._entries[leg] = average(cost, held + executed)
            resting.filled += executed
            fill = FillReported(
                time_ms=now_ms,
                client_order_id=order.client_order_id,
                trade_id=f"{self._prefix}{trade}",
                symbol=order.symbol,
                side=order.side,
                position_side=order.position_side,
                quantity=executed,
                price=plain(price),
                fee=plain(self._terms.fee(price, executed, maker=maker)),
                fee_asset=self._assets.get(order.symbol, DEFAULT_ASSET),
                maker=maker,
            )
        resting.reports.append(fill)
        if not resting.remaining:
            return [fill, self.end(resting, OrderStatus.FILLED, now_ms)]
        if executed < quantity:
            return [fill, self.end(resting, OrderStatus.EXPIRED, now_ms, LESS_HELD)]
        return [fill]

    def end(self, resting: PaperOrder, status: OrderStatus, now_ms: int, reason: str | None = None) -> OrderReported:
        """Take an order off the book and report its end."""
        resting.status = status
        del self._live[resting.order.symbol][resting.order.client_order_id]
        self._ended.append(resting)
        if len(self._ended) > ENDED_KEPT:
            oldest = self._ended.popleft()
            # The id may name a younger order by now, which stays.
            if self._orders.get(oldest.order.client_order_id) is oldest:
                del self._orders[oldest.order.client_order_id]
        return self._say(resting, status, now_ms, reason)

    def _say(self, resting: PaperOrder, status: OrderStatus, now_ms: int, reason: str | None = None) -> OrderReported:
        report = OrderReported(
            time_ms=now_ms,
            client_order_id=resting.order.client_order_id,
            status=status,
            venue_order_id=resting.venue_order_id,
            executed=resting.filled if status.terminal else None,
            reason=reason,
        )
        resting.reports.append(report)
        return report


def _listed(resting: PaperOrder) -> VenueOrder:
    order = resting.order
    return VenueOrder(
        client_order_id=order.client_order_id,
        venue_order_id=resting.venue_order_id,
        side=order.side,
        position_side=order.position_side,
        kind=order.kind,
        quantity=order.quantity,
        filled=resting.filled,
        price=order.price,
        trigger_price=order.trigger_price,
    )
