"""Short builders of the domain's inputs, and a world that steps one shard and plays its venue.

Numbers are written as text and read as the field's own type, so that no test spells ``Decimal`` out.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from contracts.enums import OrderPurpose, OrderStatus, PositionSide
from tradeengine.domain import events as ev
from tradeengine.domain import inputs
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.decide import step
from tradeengine.domain.instrument import Instrument
from tradeengine.domain.orders import ApprovedOrder, LiveOrder
from tradeengine.domain.position import Leg, StrategyPosition
from tradeengine.domain.state import ShardState

T = TypeVar("T")
E = TypeVar("E", bound=ev.Event)

T0 = 1_767_268_800_000
"""2026-01-01 12:00:00 UTC, in milliseconds: twelve hours from both midnights."""

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT


def build(kind: type[T], **fields: Any) -> T:
    """Make a struct from fields given as plain values."""
    return msgspec.convert(fields, kind)


def instrument(symbol: str = "BTCUSDT", tick: str = "0.01", step_size: str = "0.00001", **fields: Any) -> Instrument:
    return build(Instrument, symbol=symbol, tick_size=tick, step_size=step_size, **fields)


def signal(action: str = "buy", strategy: str = "A", symbol: str = "BTCUSDT", **fields: Any) -> inputs.SignalReceived:
    """Make a confident signal that is as old as its input; ``mark``, ``equity`` and the like make its context."""
    facts = (
        *("equity", "peak_equity", "exposure", "day_pnl", "conditional_orders", "conditional_limit"),
        *("exposure_room", "conditional_room", "account_unknown"),
    )
    context = {
        name: fields.pop(short)
        for short, name in (("mark", "mark_price"), *[(name, name) for name in facts])
        if short in fields
    }
    time_ms = fields.setdefault("time_ms", T0)
    fields.setdefault("timestamp_ms", time_ms)
    fields.setdefault("signal_id", f"{action}@{time_ms}")
    fields.setdefault("confidence", "0.9")
    return build(inputs.SignalReceived, strategy_id=strategy, symbol=symbol, action=action, context=context, **fields)


def fill_of(
    order: ApprovedOrder, price: str, quantity: object = None, fee: str = "0", **fields: Any
) -> inputs.FillReported:
    """Make the report that an order filled, wholly unless a quantity is given."""
    return build(
        inputs.FillReported,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        position_side=order.position_side,
        quantity=order.quantity if quantity is None else quantity,
        price=price,
        fee=fee,
        fee_asset=fields.pop("fee_asset", "USDT"),
        **fields,
    )


class World:
    """One shard and its venue, moved by hand; every step has a millisecond of its own.

    Parameters
    ----------
    instruments
        Trading rules; BTCUSDT with fine steps when none are given.
    config
        Fields of the trading configuration.
    """

    def __init__(self, *instruments: Instrument, **config: Any) -> None:
        self.state = ShardState(shard=0)
        self.now = T0
        self.events: list[ev.AnyEvent] = []
        self.trades = 0
        self.give(inputs.JournalOpened(time_ms=T0, journal_id="test"))
        self.give(inputs.InstrumentsChanged(time_ms=T0, instruments=instruments or (instrument(),)))
        self.configure(**config)

    # ------------------------------------------------------------ what goes in

    def give(self, given: inputs.AnyInput) -> list[ev.AnyEvent]:
        """Step the shard; later inputs without a time of their own come later."""
        self.now = max(self.now, given.time_ms) + 1
        events = step(self.state, given)
        self.events += events
        return events

    def configure(self, **config: Any) -> None:
        self.give(inputs.ConfigChanged(time_ms=self.now, config=build(TradingConfig, **config)))

    def signal(self, action: str = "buy", strategy: str = "A", **fields: Any) -> ev.SignalDecided:
        """Send a signal; its decision comes back."""
        fields.setdefault("time_ms", self.now)
        (decision,) = of_kind(self.give(signal(action, strategy, **fields)), ev.SignalDecided)
        return decision

    def order(self, action: str = "buy", strategy: str = "A", **fields: Any) -> ApprovedOrder:
        """Send a signal that calls for exactly one order, and hand that order back."""
        decision = self.signal(action, strategy, **fields)
        (order_id,) = decision.orders
        return self.state.orders[order_id].order

    def fill(self, order: ApprovedOrder, price: str, quantity: object = None, **fields: Any) -> list[ev.AnyEvent]:
        self.trades += 1
        fields.setdefault("time_ms", self.now)
        fields.setdefault("trade_id", str(self.trades))
        return self.give(fill_of(order, price, quantity, **fields))

    def trade(
        self, action: str, strategy: str, price: str, quantity: str | None = None, **fields: Any
    ) -> list[ev.AnyEvent]:
        """Send a market signal and fill its order at a price."""
        fee = fields.pop("fee", "0")
        return self.fill(self.order(action, strategy, quantity=quantity, **fields), price, fee=fee)

    def foreign(
        self, side: str, position_side: PositionSide, quantity: object, price: object, **fields: Any
    ) -> list[ev.AnyEvent]:
        """Report a fill of an order that the engine never sent."""
        self.trades += 1
        given = build(
            inputs.FillReported,
            time_ms=self.now,
            client_order_id="web_1",
            trade_id=str(self.trades),
            symbol=fields.pop("symbol", "BTCUSDT"),
            side=side,
            position_side=position_side,
            quantity=quantity,
            price=price,
            fee=fields.pop("fee", "0"),
            fee_asset=fields.pop("fee_asset", "USDT"),
        )
        return self.give(given)

    def report(self, order: ApprovedOrder, status: OrderStatus, **fields: Any) -> list[ev.AnyEvent]:
        """Report what became of an order."""
        given = build(
            inputs.OrderReported, time_ms=self.now, client_order_id=order.client_order_id, status=status, **fields
        )
        return self.give(given)

    def refuse(self, order: ApprovedOrder, refusal: str | None = None, **fields: Any) -> list[ev.AnyEvent]:
        """Report that the venue refused an order."""
        return self.report(order, OrderStatus.REJECTED, executed="0", refusal=refusal, **fields)

    def take(self, *orders: ApprovedOrder) -> list[ev.AnyEvent]:
        """Report that orders rest."""
        return [event for order in orders for event in self.report(order, OrderStatus.OPEN)]

    def honour_cancels(self) -> list[ev.AnyEvent]:
        """Report every order cancelled that the engine asked to cancel."""
        asked = [live for live in self.state.orders.values() if live.cancelling]
        return [e for a in asked for e in self.report(a.order, OrderStatus.CANCELLED, executed=a.filled)]

    def pass_time(self, ms: int) -> list[ev.AnyEvent]:
        return self.give(inputs.TimeAdvanced(time_ms=self.now + ms))

    def reach(self, price: str, symbol: str = "BTCUSDT") -> list[ev.AnyEvent]:
        """Report a mark price that somebody waits for."""
        return self.give(build(inputs.PriceReached, time_ms=self.now, symbol=symbol, price=price))

    def fund(self, rate: str, mark: str, symbol: str = "BTCUSDT") -> list[ev.AnyEvent]:
        return self.give(build(inputs.FundingSettled, time_ms=self.now, symbol=symbol, rate=rate, mark_price=mark))

    # ------------------------------------------------------------ what is there

    def leg(self, side: PositionSide = LONG, symbol: str = "BTCUSDT") -> Leg:
        leg = self.state.leg(symbol, side)
        assert leg is not None, f"no {symbol} {side}"
        return leg

    def position(self, strategy: str = "A", side: PositionSide = LONG, symbol: str = "BTCUSDT") -> StrategyPosition:
        return self.leg(side, symbol).strategies[strategy]

    def live(self, purpose: OrderPurpose | None = None, strategy: str | None = None) -> list[LiveOrder]:
        """Orders alive that no cancel is under way for."""
        return [
            live
            for live in self.state.orders.values()
            if not live.cancelling
            and purpose in (None, live.order.purpose)
            and strategy in (None, live.order.strategy_id)
        ]

    def resting(self, purpose: OrderPurpose, strategy: str = "A") -> ApprovedOrder:
        """Return the only such order that is alive."""
        (live,) = self.live(purpose, strategy)
        return live.order


def of_kind(events: Sequence[ev.AnyEvent], kind: type[E]) -> list[E]:
    """Events of one kind, in order."""
    return [event for event in events if isinstance(event, kind)]
