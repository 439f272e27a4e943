"""The hundred cases of books against exchange, and an exchange that carries out what follows.

The leg is BTCUSDT LONG. Every position has a stop 10 % below its entry; with flat books an entry of A rests.

==============  ==================================================================================
books           flat; A 2; A 1 and B 3; external 2; A 3 and B -1, which its orders took too much
exchange        flat; one less than the books; as much; one more; below zero.
                With flat books "less" is a row that says zero, where "flat" and "equal" have none
orders          all rest as planned; the stop of A (external's, the entry) is missing;
                an order of the engine's that nobody knows and one of somebody else's rest beside;
                the stop (the entry) rests for more than planned
==============  ==================================================================================
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

import msgspec

from contracts.enums import OrderKind, OrderPurpose, OrderStatus, PositionSide
from tests.support.builders import LONG, World, of_kind
from tradeengine.domain import events as ev
from tradeengine.domain.inputs import VenueObserved, VenueOrder, VenuePosition
from tradeengine.domain.orders import ApprovedOrder

TABLE = """
flat       flat           resting  -                                                                -
flat       flat           missing  lost_order:asked                                                 -
flat       flat           orphan   orphan_order:cancelled                                           -
flat       flat           wrong    wrong_order:cancelled                                            -
flat       less           resting  -                                                                -
flat       less           missing  lost_order:asked                                                 -
flat       less           orphan   orphan_order:cancelled                                           -
flat       less           wrong    wrong_order:cancelled                                            -
flat       equal          resting  -                                                                -
flat       equal          missing  lost_order:asked                                                 -
flat       equal          orphan   orphan_order:cancelled                                           -
flat       equal          wrong    wrong_order:cancelled                                            -
flat       more           resting  foreign_position:adopted                                         external=1
flat       more           missing  lost_order:asked>foreign_position:adopted                        external=1
flat       more           orphan   foreign_position:adopted,orphan_order:cancelled                  external=1
flat       more           wrong    foreign_position:adopted,wrong_order:cancelled                   external=1
flat       contradiction  resting  contradiction:halted                                             -
flat       contradiction  missing  contradiction:halted                                             -
flat       contradiction  orphan   contradiction:halted                                             -
flat       contradiction  wrong    contradiction:halted                                             -
one        flat           resting  ghost:written_off                                                -
one        flat           missing  ghost:written_off                                                -
one        flat           orphan   ghost:written_off,orphan_order:cancelled                         -
one        flat           wrong    ghost:written_off                                                -
one        less           resting  quantity:written_off                                             A=1
one        less           missing  quantity:written_off,unhedged:rearmed                            A=1
one        less           orphan   quantity:written_off,orphan_order:cancelled                      A=1
one        less           wrong    quantity:written_off,wrong_order:rearmed                         A=1
one        equal          resting  -                                                                A=2
one        equal          missing  unhedged:rearmed                                                 A=2
one        equal          orphan   orphan_order:cancelled                                           A=2
one        equal          wrong    wrong_order:rearmed                                              A=2
one        more           resting  quantity:adopted                                                 A=2,external=1
one        more           missing  quantity:adopted,unhedged:rearmed                                A=2,external=1
one        more           orphan   quantity:adopted,orphan_order:cancelled                          A=2,external=1
one        more           wrong    quantity:adopted,wrong_order:rearmed                             A=2,external=1
one        contradiction  resting  contradiction:halted                                             A=2
one        contradiction  missing  contradiction:halted                                             A=2
one        contradiction  orphan   contradiction:halted                                             A=2
one        contradiction  wrong    contradiction:halted                                             A=2
several    flat           resting  ghost:written_off                                                -
several    flat           missing  ghost:written_off                                                -
several    flat           orphan   ghost:written_off,orphan_order:cancelled                         -
several    flat           wrong    ghost:written_off                                                -
several    less           resting  quantity:written_off                                             A=0.75,B=2.25
several    less           missing  quantity:written_off,unhedged:rearmed                            A=0.75,B=2.25
several    less           orphan   quantity:written_off,orphan_order:cancelled                      A=0.75,B=2.25
several    less           wrong    quantity:written_off,wrong_order:rearmed                         A=0.75,B=2.25
several    equal          resting  -                                                                A=1,B=3
several    equal          missing  unhedged:rearmed                                                 A=1,B=3
several    equal          orphan   orphan_order:cancelled                                           A=1,B=3
several    equal          wrong    wrong_order:rearmed                                              A=1,B=3
several    more           resting  quantity:adopted                                                 A=1,B=3,external=1
several    more           missing  quantity:adopted,unhedged:rearmed                                A=1,B=3,external=1
several    more           orphan   quantity:adopted,orphan_order:cancelled                          A=1,B=3,external=1
several    more           wrong    quantity:adopted,wrong_order:rearmed                             A=1,B=3,external=1
several    contradiction  resting  contradiction:halted                                             A=1,B=3
several    contradiction  missing  contradiction:halted                                             A=1,B=3
several    contradiction  orphan   contradiction:halted                                             A=1,B=3
several    contradiction  wrong    contradiction:halted                                             A=1,B=3
external   flat           resting  ghost:written_off                                                -
external   flat           missing  ghost:written_off                                                -
external   flat           orphan   ghost:written_off,orphan_order:cancelled                         -
external   flat           wrong    ghost:written_off                                                -
external   less           resting  quantity:written_off                                             external=1
external   less           missing  quantity:written_off,unhedged:rearmed                            external=1
external   less           orphan   quantity:written_off,orphan_order:cancelled                      external=1
external   less           wrong    quantity:written_off,wrong_order:rearmed                         external=1
external   equal          resting  -                                                                external=2
external   equal          missing  unhedged:rearmed                                                 external=2
external   equal          orphan   orphan_order:cancelled                                           external=2
external   equal          wrong    wrong_order:rearmed                                              external=2
external   more           resting  quantity:adopted                                                 external=3
external   more           missing  quantity:adopted,unhedged:rearmed                                external=3
external   more           orphan   quantity:adopted,orphan_order:cancelled                          external=3
external   more           wrong    quantity:adopted,wrong_order:rearmed                             external=3
external   contradiction  resting  contradiction:halted                                             external=2
external   contradiction  missing  contradiction:halted                                             external=2
external   contradiction  orphan   contradiction:halted                                             external=2
external   contradiction  wrong    contradiction:halted                                             external=2
overdrawn  flat           resting  ghost:written_off                                                A=1,B=-1
overdrawn  flat           missing  ghost:written_off,unhedged:rearmed                               A=1,B=-1
overdrawn  flat           orphan   ghost:written_off,orphan_order:cancelled                         A=1,B=-1
overdrawn  flat           wrong    ghost:written_off,wrong_order:rearmed                            A=1,B=-1
overdrawn  less           resting  quantity:written_off                                             A=2,B=-1
overdrawn  less           missing  quantity:written_off,unhedged:rearmed                            A=2,B=-1
overdrawn  less           orphan   quantity:written_off,orphan_order:cancelled                      A=2,B=-1
overdrawn  less           wrong    quantity:written_off,wrong_order:rearmed                         A=2,B=-1
overdrawn  equal          resting  -                                                                A=3,B=-1
overdrawn  equal          missing  unhedged:rearmed                                                 A=3,B=-1
overdrawn  equal          orphan   orphan_order:cancelled                                           A=3,B=-1
overdrawn  equal          wrong    wrong_order:rearmed                                              A=3,B=-1
overdrawn  more           resting  quantity:adopted                                                 A=3
overdrawn  more           missing  quantity:adopted,unhedged:rearmed                                A=3
overdrawn  more           orphan   quantity:adopted,orphan_order:cancelled                          A=3
overdrawn  more           wrong    quantity:adopted,wrong_order:rearmed                             A=3
overdrawn  contradiction  resting  contradiction:halted                                             A=3,B=-1
overdrawn  contradiction  missing  contradiction:halted                                             A=3,B=-1
overdrawn  contradiction  orphan   contradiction:halted                                             A=3,B=-1
overdrawn  contradiction  wrong    contradiction:halted                                             A=3,B=-1
"""
"""Books, exchange, orders; what is found, ``>`` where it takes another look; what everybody holds in the end."""

ENTRY, MARK = Decimal(100), Decimal(101)
ORPHAN, FOREIGN = "te-test-0-zzzs", "web_stop"


class Case(NamedTuple):
    """One row: ``found`` has one list of ``kind:action`` for each look that finds something."""

    books: str
    exchange: str
    orders: str
    found: list[list[str]]
    holdings: dict[str, Decimal]

    @property
    def name(self) -> str:
        return f"{self.books}-{self.exchange}-{self.orders}"


def cases() -> Iterator[Case]:
    for line in TABLE.strip().splitlines():
        books, exchange, orders, found, holdings = line.split()
        looks = [look.split(",") for look in found.split(">")] if found != "-" else []
        pairs = [pair.split("=") for pair in holdings.split(",")] if holdings != "-" else []
        yield Case(books, exchange, orders, looks, {name: Decimal(quantity) for name, quantity in pairs})


def make_books(kind: str, **config: object) -> World:
    """Make the books of a case; everything that is under way has come to rest."""
    world = World(stop_loss_pct="0.1", **config)
    if kind == "flat":
        world.order("buy", "A", quantity="1", order_type="limit", target_price="90")
    elif kind == "one":
        world.trade("buy", "A", "100", "2")
    elif kind == "several":
        world.trade("buy", "A", "100", "1")
        world.trade("buy", "B", "100", "3")
    elif kind == "external":
        world.foreign("BUY", LONG, "2", "100")
    else:
        world.trade("buy", "A", "100", "3")
        world.trade("buy", "B", "100", "1")
        stop = world.resting(OrderPurpose.STOP_LOSS, "B")
        world.trade("close", "B", "100")
        world.fill(stop, "100")
        world.report(world.resting(OrderPurpose.RESTORE, "B"), OrderStatus.REJECTED)
    settle(world)
    return world


def settle(world: World) -> None:
    """Let the exchange take every order that rests, and end what is to be cancelled."""
    while True:
        planned = [
            live.order
            for live in world.state.orders.values()
            if live.status is OrderStatus.PLANNED and live.order.kind is not OrderKind.MARKET and not live.cancelling
        ]
        if not planned and not any(live.cancelling for live in world.state.orders.values()):
            return
        for order in planned:
            world.report(order, OrderStatus.OPEN)
        world.honour_cancels()


class Exchange:
    """What the exchange holds of the symbol; it carries out what the engine decides.

    Parameters
    ----------
    held
        Quantity of the LONG leg.
    """

    def __init__(self, world: World, held: Decimal) -> None:
        self.world = world
        self.held = held
        self.orders = {
            live.order.client_order_id: rests(live.order)
            for live in world.state.orders.values()
            if live.order.kind is not OrderKind.MARKET
        }

    def observed(self, **fields: object) -> VenueObserved:
        """What a look shows now."""
        position = VenuePosition(position_side=LONG, quantity=self.held, entry_price=ENTRY if self.held else Decimal(0))
        observed = VenueObserved(
            time_ms=self.world.now,
            symbol="BTCUSDT",
            asked_ms=self.world.now,
            mark_price=MARK,
            positions=(position,),
            orders=tuple(self.orders.values()),
        )
        return msgspec.structs.replace(observed, **fields)

    def look(self, **fields: object) -> list[ev.AnyEvent]:
        """Look, and carry out what follows."""
        events = self.world.give(self.observed(**fields))
        self.carry_out(events)
        return events

    def carry_out(self, events: list[ev.AnyEvent]) -> None:
        for event in events:
            if isinstance(event, ev.OrderPlanned):
                assert event.order.kind is not OrderKind.MARKET, "nothing is traded because books and exchange differ"
                self.orders[event.order.client_order_id] = rests(event.order)
                self.carry_out(self.world.report(event.order, OrderStatus.OPEN))
            elif isinstance(event, ev.CancelPlanned):
                live = self.world.state.orders[event.client_order_id]
                assert self.orders.pop(event.client_order_id, None) is not None, "what is not there is cancelled"
                self.carry_out(self.world.report(live.order, OrderStatus.CANCELLED, executed=live.filled))
            elif isinstance(event, ev.OrphanCancelPlanned):
                del self.orders[event.order.client_order_id]
            elif isinstance(event, ev.QueryPlanned):
                order = self.world.state.orders[event.client_order_id].order
                self.carry_out(self.world.report(order, OrderStatus.CANCELLED, executed="0"))


def rests(order: ApprovedOrder) -> VenueOrder:
    """Make the order as the exchange shows it."""
    return VenueOrder(
        client_order_id=order.client_order_id,
        venue_order_id=f"v-{order.client_order_id}",
        side=order.side,
        position_side=order.position_side,
        kind=order.kind,
        quantity=order.quantity,
        price=order.price,
        trigger_price=order.trigger_price,
    )


def make_exchange(case: Case, world: World) -> Exchange:
    """Make the exchange of a case."""
    leg = world.state.leg("BTCUSDT", LONG)
    books = leg.quantity if leg else Decimal(0)
    held = {
        "flat": Decimal(0),
        "less": max(books - 1, Decimal(0)),
        "equal": books,
        "more": books + 1,
        "contradiction": Decimal(-1),
    }[case.exchange]
    exchange = Exchange(world, held)
    first = next(iter(exchange.orders))
    if case.orders == "missing":
        del exchange.orders[first]
    elif case.orders == "wrong":
        planned = exchange.orders[first]
        exchange.orders[first] = msgspec.structs.replace(planned, quantity=planned.quantity + Decimal("0.5"))
    elif case.orders == "orphan":
        for name in (ORPHAN, FOREIGN):
            exchange.orders[name] = stop_named(name)
    return exchange


def stop_named(name: str, side: PositionSide = LONG) -> VenueOrder:
    return VenueOrder(
        client_order_id=name,
        venue_order_id=f"v-{name}",
        side=side.closing,
        position_side=side,
        kind=OrderKind.STOP_MARKET,
        quantity=Decimal(1),
        trigger_price=Decimal(80),
    )


def found_in(events: list[ev.AnyEvent]) -> list[str]:
    return [f"{event.kind}:{event.action}" for event in of_kind(events, ev.DifferenceFound)]


def holdings(world: World) -> dict[str, Decimal]:
    leg = world.state.leg("BTCUSDT", LONG)
    return {name: position.quantity for name, position in leg.strategies.items()} if leg else {}
