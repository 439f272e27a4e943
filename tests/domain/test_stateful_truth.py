"""Whatever happened before: a faithful look finds nothing, and one at what others did makes the books equal."""

from decimal import Decimal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from contracts.enums import OrderKind, OrderStatus, PositionSide, Side
from tests.domain.model_venue import Resting
from tests.domain.reconcile_cases import stop_named
from tests.domain.test_stateful import CENTRE, STEP, Shard, a_choice, a_fee, a_price, a_side, a_symbol, at
from tests.support.builders import of_kind
from tradeengine.domain import events as ev
from tradeengine.domain import inputs
from tradeengine.domain.money import ZERO
from tradeengine.domain.reconcile_absent import LOST
from tradeengine.domain.reconcile_entry import ROUNDING
from tradeengine.domain.reconcile_resting import CANCEL_MS

_SETTLED_ROUNDS = 50


class Truth(Shard):
    """The shard is shown what its venue holds, and the venue is used behind its back."""

    def __init__(self) -> None:
        super().__init__()
        self.orphans: set[str] = set()
        self.disordered = False

    def give(self, given: inputs.AnyInput) -> list[ev.AnyEvent]:
        events = super().give(given)
        for event in events:
            if isinstance(event, ev.OrderFilled) and event.reconciled:
                # What the books make up, the witness has to believe: it was held all along.
                value = event.quantity * event.price
                self.venue.cash += value if event.side is Side.SELL else -value
            elif isinstance(event, ev.OrderEnded) and event.reason == LOST:
                self.venue.open.pop(event.client_order_id, None)
            elif isinstance(event, ev.OrphanCancelPlanned):
                self.orphans.discard(event.order.client_order_id)
        return events

    def look(self, symbol: str) -> list[ev.AnyEvent]:
        """Tell every trade, and then what is held; what the engine asks for is answered."""
        while self.venue.late:
            self.deliver(self.venue.late.pop())
        events = self.give(
            inputs.VenueObserved(
                time_ms=self.now,
                symbol=symbol,
                asked_ms=self.now,
                mark_price=CENTRE[symbol],
                positions=tuple(
                    [
                        inputs.VenuePosition(
                            position_side=side, quantity=quantity, entry_price=self.venue.averages[symbol, side].price
                        )
                        for (held, side), quantity in self.venue.held.items()
                        if held == symbol and quantity
                    ]
                ),
                orders=tuple([_rests(r) for r in self.resting(symbol)] + [stop_named(name) for name in self.orphans]),
            )
        )
        for query in of_kind(events, ev.QueryPlanned):
            there = query.client_order_id in self.venue.open
            status = OrderStatus.OPEN if there else OrderStatus.CANCELLED
            executed = None if there else self.state.orders[query.client_order_id].filled
            self.give(
                inputs.OrderReported(
                    time_ms=self.now, client_order_id=query.client_order_id, status=status, executed=executed
                )
            )
        return events

    def deliver(self, fill: inputs.FillReported) -> None:
        told = [int(f.trade_id) for f in self.venue.reported]
        self.disordered = self.disordered or int(fill.trade_id) < max(told, default=0)
        super().deliver(fill)

    def check_averages(self, symbol: str) -> None:
        """Every leg's average is the exchange's, but for its rounding."""
        for side in PositionSide:
            leg, average = self.state.leg(symbol, side), self.venue.averages[symbol, side]
            if leg is not None and leg.quantity:
                assert abs(leg.books.entry_price - average.price) <= 2 * ROUNDING * average.price

    def resting(self, symbol: str) -> list[Resting]:
        """Orders that rest, which those at market never do."""
        orders = [r for r in self.venue.open.values() if r.order.symbol == symbol]
        return [r for r in orders if r.order.kind is not OrderKind.MARKET]

    @rule(symbol=a_symbol)
    def look_faithfully(self, symbol: str) -> None:
        for found in of_kind(self.look(symbol), ev.DifferenceFound):
            if found.kind == "entry_price":
                assert self.disordered or self.mixed, "trades that were told in order give the exchange's average"
                continue
            live = self.state.orders[found.client_order_id or ""]
            if found.kind == "orphan_order":
                # A cancel that does nothing for seconds is worth an alert.
                assert live.cancelling
                assert self.now - live.changed_ms > CANCEL_MS
                continue
            # An order at market that has no end for minutes is worth a question.
            assert (found.kind, found.action) == ("lost_order", "asked"), found
            assert live.order.kind is OrderKind.MARKET

    @precondition(lambda self: self.venue.open)
    @rule(choice=a_choice, price=a_price, fee=a_fee)
    def execute_what_was_given_up(self, choice: int, price: int, fee: str) -> None:
        """An order that never seemed to arrive was executed at once."""
        orders = [r for r in self.venue.open.values() if not r.executed]
        if not orders:
            return
        order = orders[choice % len(orders)].order
        room = self.venue.room(self.venue.open[order.client_order_id])
        self.give(
            inputs.OrderReported(
                time_ms=self.now, client_order_id=order.client_order_id, status=OrderStatus.REJECTED, executed=ZERO
            )
        )
        if room and order.client_order_id in self.venue.open:
            fill = self.venue.execute(order, room, at(order.symbol, price), Decimal(fee))
            self.deliver(fill)
        self.venue.open.pop(order.client_order_id, None)

    @rule(
        symbol=a_symbol,
        side=a_side,
        steps=st.integers(-40, 40),
        cancels=st.integers(0, 7),
        orphan=st.booleans(),
    )
    def use_the_account_in_secret(
        self, symbol: str, side: PositionSide, steps: int, cancels: int, orphan: bool
    ) -> None:
        """Somebody trades and cancels, the engine hears nothing of it, and looks."""
        self.settle()
        held = self.venue.held.get((symbol, side), ZERO)
        self.venue.held[symbol, side] = now_held = max(held + steps * STEP[symbol], ZERO)
        if now_held > held:
            self.venue.averages[symbol, side].opened(now_held - held, CENTRE[symbol])
        else:
            self.venue.averages[symbol, side].closed(held - now_held)
        for place, order_id in enumerate([r.order.client_order_id for r in self.resting(symbol)]):
            if cancels >> place & 1:
                del self.venue.open[order_id]
        if orphan:
            self.orphans.add("te-j-3-zzzs")
        # An entry that is gone is asked about before its leg is judged.
        if any(found.action == "asked" for found in of_kind(self.look(symbol), ev.DifferenceFound)):
            self.settle()
            self.look(symbol)
        for side_ in PositionSide:
            leg = self.state.leg(symbol, side_)
            assert (leg.quantity if leg else ZERO) == self.venue.held.get((symbol, side_), ZERO)
        assert not self.orphans
        self.settle()
        # What was adopted at a price that was only inferred leaves another average.
        assert {found.kind for found in of_kind(self.look(symbol), ev.DifferenceFound)} <= {"entry_price"}
        assert not of_kind(self.look(symbol), ev.DifferenceFound)
        self.check_averages(symbol)
        assert not [told for told in self.state.differences.values() if told.symbol == symbol]
        self.mixed = True

    def settle(self) -> None:
        """Let everything that is under way come to its end."""
        for _ in range(_SETTLED_ROUNDS):
            while self.venue.late:
                self.deliver(self.venue.late.pop())
            self.honour_cancels()
            at_market = [r.order for r in self.venue.open.values() if r.order.kind is OrderKind.MARKET]
            for order in at_market:
                if order.client_order_id in self.venue.open:
                    self.fill_or_end(order.client_order_id)
            planned = [
                order_id
                for order_id, live in self.state.orders.items()
                if live.status is OrderStatus.PLANNED and order_id in self.venue.open
            ]
            for order_id in planned:
                if order_id in self.venue.open:
                    self.give(inputs.OrderReported(time_ms=self.now, client_order_id=order_id, status=OrderStatus.OPEN))
            if not (at_market or planned or any(r.cancel_asked for r in self.venue.open.values())):
                return
        raise AssertionError("the engine does not come to rest")


def _rests(resting: Resting) -> inputs.VenueOrder:
    order = resting.order
    return inputs.VenueOrder(
        client_order_id=order.client_order_id,
        venue_order_id=order.client_order_id,
        side=order.side,
        position_side=order.position_side,
        kind=order.kind,
        quantity=order.quantity,
        filled=resting.executed,
        price=order.price,
        trigger_price=order.trigger_price,
    )


TestTruth = pytest.mark.slow(pytest.mark.timeout(900)(Truth.TestCase))
TestTruth.settings = settings(max_examples=settings().max_examples * 5, stateful_step_count=40)
