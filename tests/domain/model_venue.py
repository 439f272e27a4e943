"""A venue that knows orders and executions only: the independent witness of what the books must say."""

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal

from contracts.enums import OrderKind, OrderStatus, PositionSide, Refusal, Side
from tests.domain.model_average import Average
from tests.support.builders import LONG
from tradeengine.domain import events as ev
from tradeengine.domain import inputs
from tradeengine.domain.money import ZERO
from tradeengine.domain.orders import ApprovedOrder

LegKey = tuple[str, PositionSide]


@dataclass
class Resting:
    """An order at the venue; ``executed`` counts what was executed, reported or not."""

    order: ApprovedOrder
    executed: Decimal = ZERO
    cancel_asked: bool = False

    @property
    def remaining(self) -> Decimal:
        return self.order.quantity - self.executed


def check_shape(order: ApprovedOrder) -> None:
    """Each kind of order carries what the venue asks for, and nothing that it refuses."""
    trailing = order.kind is OrderKind.TRAILING_STOP_MARKET
    assert (order.price is not None) == order.kind.priced
    assert (order.trigger_price is not None) == (order.kind.conditional and not trailing)
    assert (order.callback_pct is not None) == trailing
    assert all(price is None or price > 0 for price in (order.price, order.trigger_price))
    assert order.side is (order.position_side.opening if order.purpose.opening else order.position_side.closing)


class ModelVenue:
    """Takes the engine's orders, executes them as it is told, and keeps what was reported.

    Parameters
    ----------
    held
        Quantity per leg, of all that was reported.
    cash, fees, funding
        Proceeds of sales less cost of purchases, fees paid and funding received, of all that was reported.
    averages
        What each leg holds and at which average, of all that was executed.
    late
        Executions that are not reported yet.
    """

    def __init__(self) -> None:
        self.open: dict[str, Resting] = {}
        self.held: dict[LegKey, Decimal] = {}
        self.averages: defaultdict[LegKey, Average] = defaultdict(Average)
        self.cash = self.fees = self.funding = ZERO
        self.late: list[inputs.FillReported] = []
        self.reported: list[inputs.FillReported] = []
        self.trades = 0

    def observe(self, events: list[ev.AnyEvent]) -> None:
        """Take the orders and cancels that the engine has committed to."""
        for event in events:
            if isinstance(event, ev.OrderPlanned):
                assert event.order.client_order_id not in self.open, "an order id was used twice"
                assert event.order.quantity > 0
                check_shape(event.order)
                self.open[event.order.client_order_id] = Resting(event.order)
            elif isinstance(event, ev.CancelPlanned) and event.client_order_id in self.open:
                self.open[event.client_order_id].cancel_asked = True

    def room(self, resting: Resting) -> Decimal:
        """How much of an order can execute: closing orders take no more than is held."""
        order = resting.order
        if order.purpose.opening:
            return resting.remaining
        return min(resting.remaining, self.closable(order.symbol, order.position_side))

    def closable(self, symbol: str, side: PositionSide) -> Decimal:
        """Quantity of a leg that no unreported execution has taken."""
        taken = sum(
            (
                fill.quantity
                for fill in self.late
                if (fill.symbol, fill.position_side) == (symbol, side) and fill.side is side.closing
            ),
            ZERO,
        )
        return self.held.get((symbol, side), ZERO) - taken

    def execute(self, order: ApprovedOrder, quantity: Decimal, price: Decimal, fee: Decimal) -> inputs.FillReported:
        """Execute part of an order; the order leaves when nothing of it remains."""
        resting = self.open[order.client_order_id]
        resting.executed += quantity
        if not resting.remaining:
            del self.open[order.client_order_id]
        return self.execution(
            order.client_order_id, order.symbol, order.side, order.position_side, quantity, price, fee
        )

    def execution(
        self,
        order_id: str,
        symbol: str,
        side: Side,
        position_side: PositionSide,
        quantity: Decimal,
        price: Decimal,
        fee: Decimal,
    ) -> inputs.FillReported:
        """Make an execution of any order, the engine's or not; its time is set when it is reported."""
        self.trades += 1
        average = self.averages[symbol, position_side]
        if side is position_side.opening:
            average.opened(quantity, price)
        else:
            average.closed(quantity)
        return inputs.FillReported(
            time_ms=0,
            client_order_id=order_id,
            trade_id=str(self.trades),
            symbol=symbol,
            side=side,
            position_side=position_side,
            quantity=quantity,
            price=price,
            fee=fee,
            fee_asset="USDT",
        )

    def end(
        self,
        order: ApprovedOrder,
        status: OrderStatus,
        time_ms: int,
        refusal: Refusal | None = None,
        mark: Decimal | None = None,
    ) -> inputs.OrderReported:
        """End an order and say so, with what was executed of it, and of a refused one why and at which mark price."""
        resting = self.open.pop(order.client_order_id)
        return inputs.OrderReported(
            time_ms=time_ms,
            client_order_id=order.client_order_id,
            status=status,
            executed=resting.executed,
            refusal=refusal,
            mark_price=mark,
        )

    def book(self, fill: inputs.FillReported) -> None:
        """Count an execution that was reported."""
        key = (fill.symbol, fill.position_side)
        opening = fill.side is fill.position_side.opening
        self.held[key] = self.held.get(key, ZERO) + (fill.quantity if opening else -fill.quantity)
        value = fill.quantity * fill.price
        self.cash += value if fill.side is Side.SELL else -value
        self.fees += fill.fee
        self.reported.append(fill)

    def settle(self, symbol: str, rate: Decimal, mark: Decimal) -> None:
        """Count a funding settlement: longs pay when the rate is positive."""
        for (held_symbol, side), quantity in self.held.items():
            if held_symbol == symbol:
                self.funding += (-1 if side is LONG else 1) * quantity * mark * rate
