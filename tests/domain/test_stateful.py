"""Whatever happens in whatever order: the books add up, nobody's share is touched, and replay is identical."""

from decimal import Decimal, localcontext
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from contracts.enums import OrderPurpose, OrderStatus, PositionSide, Refusal
from contracts.signal import EXTERNAL
from tests.domain.invariants import check
from tests.domain.model_venue import ModelVenue
from tests.support.builders import LONG, SHORT, T0, build, instrument, of_kind, signal
from tradeengine.domain import events as ev
from tradeengine.domain import inputs
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.decide import restore, step
from tradeengine.domain.money import MONEY, ZERO
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.domain.patience import MAX_SAME, ROUND_MS
from tradeengine.domain.state import ShardState

STRATEGIES = ("A", "B", "C")
SYMBOLS = ("BTCUSDT", "DOGEUSDT")
INSTRUMENTS = (
    instrument("BTCUSDT", "0.1", "0.001", min_notional="5", percent_up="1.02", percent_down="0.98"),
    instrument("DOGEUSDT", "0.00001", "1", market_max_quantity="40"),
)
STEP = {rules.symbol: rules.step_size for rules in INSTRUMENTS}
CENTRE = {"BTCUSDT": Decimal(50_000), "DOGEUSDT": Decimal("0.17")}

CONFIGS: tuple[dict[str, object], ...] = (
    {},
    {"stop_loss_pct": "0.02", "take_profit_pct": "0.03"},
    {"stop_loss_pct": "0.0005", "min_stop_distance_pct": "0.01", "max_position_usd": "2000"},
    {"same_direction": "strongest_wins", "take_profit_pct": "0.01"},
    {"same_direction": "reject_duplicates", "stop_loss_pct": "0.05"},
    {"max_accumulations": 1, "cooldown_ms": 2_000, "stop_loss_pct": "0.02"},
    {"position_mode": "one-way", "opposite_direction": "flip", "stop_loss_pct": "0.02"},
    {"position_mode": "one-way", "opposite_direction": "reduce", "take_profit_pct": "0.02"},
    {"stop_loss_pct": "0.02", "take_profit_pct": "0.03", "unprotected": "hold"},
    {"stop_loss_pct": "0.01", "crossed_stop": "reprice", "min_stop_distance_pct": "0.002"},
)
PROTECTIONS: tuple[dict[str, str], ...] = (
    {},
    {"stop_loss_pct": "0.01"},
    {"stop_loss_pct": "0.02", "take_profit_pct": "0.02"},
    {"take_profit_pct": "0.005"},
    {"trailing_pct": "0.01"},
    {"trailing_pct": "0.005", "take_profit_pct": "0.04"},
    {"stop_loss_pct": "0.02", "break_even_at_pct": "0.004"},
    {"break_even_at_pct": "0.01", "take_profit_pct": "0.03"},
)
ENTRIES: tuple[dict[str, object], ...] = (
    {},
    {},
    {"order_type": "limit"},
    {"order_type": "limit", "conditional_timeout_s": 2},
    {"order_type": "stop", "conditional_timeout_s": 3},
)

a_strategy = st.sampled_from(STRATEGIES)
a_symbol = st.sampled_from(SYMBOLS)
a_side = st.sampled_from((LONG, SHORT))
a_choice = st.integers(0, 11)
# Per mille around the symbol's centre: wide enough to pass stops and targets on either side.
a_price = st.integers(-30, 30)
a_part = st.integers(1, 4)
some_steps = st.integers(1, 50)
an_opening = st.sampled_from(("buy", "sell"))
a_trade = st.tuples(an_opening, a_strategy, a_symbol, some_steps, a_price)
a_fee = st.sampled_from(("0", "0.0123", "0.000000007", "-0.001"))

Trade = tuple[str, str, str, int, int]
Placement = tuple[Decimal, Decimal | None, Decimal | None]
"""Quantity, trigger price and callback of a stop or target."""


class RefusedForm(NamedTuple):
    """A stop or target that the venue refused, and when."""

    form: Placement
    refusal: Refusal | None
    ms: int


_encode = msgspec.json.Encoder().encode
_input = msgspec.json.Decoder(inputs.AnyInput)
_events = msgspec.json.Decoder(list[ev.AnyEvent])
_state = msgspec.json.Decoder(ShardState)


def at(symbol: str, per_mille: int) -> Decimal:
    return CENTRE[symbol] + CENTRE[symbol] * per_mille / 1000


class Shard(RuleBasedStateMachine):
    """Strategies, a venue, other people and time do what they like to one shard."""

    @initialize(
        config=st.sampled_from(CONFIGS),
        action=an_opening,
        symbol=a_symbol,
        shares=st.lists(st.tuples(a_strategy, some_steps, a_price), max_size=5),
    )
    def start(self, config: dict[str, object], action: str, symbol: str, shares: list[tuple[str, int, int]]) -> None:
        """Begin with a leg that several strategies share: an empty shard takes long to become interesting."""
        self.now = T0
        self.state, self.repeated, self.folded = ShardState(shard=3), ShardState(shard=3), ShardState(shard=3)
        self.venue = ModelVenue()
        self.signals: list[inputs.SignalReceived] = []
        self.outcomes: dict[str, str] = {}
        self.steps = 0
        self.mixed = False
        self.same: dict[tuple[str, OrderPurpose], list[RefusedForm]] = {}
        self.give(inputs.JournalOpened(time_ms=self.now, journal_id="j"))
        self.give(inputs.InstrumentsChanged(time_ms=self.now, instruments=INSTRUMENTS))
        self.give(inputs.ConfigChanged(time_ms=self.now, config=build(TradingConfig, **config)))
        for strategy, steps, price in shares:
            self.trade(action, strategy, symbol, steps, price)

    def give(self, given: inputs.AnyInput) -> list[ev.AnyEvent]:
        """Step the shard, its repetition from the recorded input, and its restoration from the recorded events."""
        events = step(self.state, given)
        assert step(self.repeated, _input.decode(_encode(given))) == events
        restore(self.folded, _events.decode(_encode(events)))
        self.venue.observe(events)
        self.now += 1
        self.steps += 1
        return events

    # ------------------------------------------------------------ strategies

    def send(self, action: str, strategy: str, symbol: str, **fields: object) -> ev.SignalDecided:
        given = signal(action, strategy, symbol, time_ms=self.now, mark=CENTRE[symbol], **fields)
        self.signals.append(given)
        (decision,) = of_kind(self.give(given), ev.SignalDecided)
        self.outcomes[given.key] = decision.outcome
        return decision

    @rule(
        action=an_opening,
        strategy=a_strategy,
        symbol=a_symbol,
        steps=some_steps,
        entry=st.sampled_from(ENTRIES),
        protection=st.sampled_from(PROTECTIONS),
        price=a_price,
    )
    def open(
        self,
        action: str,
        strategy: str,
        symbol: str,
        steps: int,
        entry: dict[str, object],
        protection: dict[str, str],
        price: int,
    ) -> None:
        prices = {"target_price": at(symbol, price)} if entry else {}
        self.send(action, strategy, symbol, quantity=steps * STEP[symbol], **entry, **protection, **prices)

    @rule(trade=a_trade)
    def open_at_once(self, trade: Trade) -> None:
        self.trade(*trade)

    def trade(self, action: str, strategy: str, symbol: str, steps: int, price: int) -> None:
        """Open at market and have it filled."""
        decision = self.send(action, strategy, symbol, quantity=steps * STEP[symbol])
        for order_id in decision.orders:
            resting = self.venue.open[order_id]
            if room := self.venue.room(resting):
                self.deliver(self.venue.execute(resting.order, room, at(symbol, price), Decimal("0.02")))

    @rule(choice=a_choice, side=st.sampled_from((None, LONG, SHORT)), steps=st.integers(-30, 30))
    def close(self, choice: int, side: PositionSide | None, steps: int) -> None:
        """Close what somebody holds, or nothing."""
        held = [position for leg in self.state.legs.values() for position in leg.strategies.values()]
        holders = [position for position in held if position.strategy_id != EXTERNAL]
        strategy, symbol = "A", "BTCUSDT"
        if holders:
            holder = holders[choice % len(holders)]
            strategy, symbol = holder.strategy_id, holder.symbol
        quantity = steps * STEP[symbol] if steps > 0 else None
        self.send("close", strategy, symbol, position_side=side, quantity=quantity)

    @precondition(lambda self: self.signals)
    @rule(choice=a_choice)
    def repeat_signal(self, choice: int) -> None:
        given = self.signals[-1 - choice % len(self.signals)]
        # The runtime looks committed decisions up where the memory alone cannot tell.
        known = self.state.needs_lookup(given)
        events = self.give(msgspec.structs.replace(given, time_ms=self.now, known=known))
        assert [(type(event), event.outcome) for event in events if isinstance(event, ev.SignalDecided)] == [
            (ev.SignalDecided, "duplicate")
        ]
        assert len(events) == 1

    # ------------------------------------------------------------ the venue

    def deliver(self, fill: inputs.FillReported) -> None:
        """Report an execution, and hold the shares against what everybody held before."""
        live = self.state.orders.get(fill.client_order_id) or self.state.ended.get(fill.client_order_id)
        owner = live.order.strategy_id if live else EXTERNAL
        before = self.holdings(fill)
        given = msgspec.structs.replace(fill, time_ms=self.now)
        (filled,) = of_kind(self.give(given), ev.OrderFilled)
        self.venue.book(given)
        after = self.holdings(fill)
        moved = {name: after.get(name, ZERO) - before.get(name, ZERO) for name in before | after}
        moved = {name: change for name, change in moved.items() if change}
        sign = 1 if fill.side is fill.position_side.opening else -1
        own, shared = moved.pop(owner, ZERO) * sign, -sum(moved.values())
        assert own + shared == fill.quantity
        if live or sign > 0:
            # Whatever the owner holds: nobody else's share is touched.
            assert not shared
        else:
            assert shared == max(ZERO, fill.quantity - max(ZERO, before.get(EXTERNAL, ZERO)))
            self.mixed = self.mixed or shared > 0
        assert filled.before + (fill.quantity if filled.opening else -fill.quantity) == filled.after.quantity

    def holdings(self, fill: inputs.FillReported) -> dict[str, Decimal]:
        leg = self.state.leg(fill.symbol, fill.position_side)
        return {name: position.quantity for name, position in leg.strategies.items()} if leg else {}

    def execution(self, choice: int, part: int, price: int, fee: str) -> inputs.FillReported | None:
        """Execute a part (quarters of it, in whole steps) of some order."""
        resting = list(self.venue.open.values())[choice % len(self.venue.open)]
        unit = STEP[resting.order.symbol]
        quantity = max(unit, (self.venue.room(resting) * part / 4) // unit * unit)
        if quantity > self.venue.room(resting):
            return None
        symbol = resting.order.symbol
        return self.venue.execute(resting.order, quantity, at(symbol, price), Decimal(fee))

    @precondition(lambda self: self.venue.open)
    @rule(choice=a_choice, part=a_part, price=a_price, fee=a_fee)
    def fill(self, choice: int, part: int, price: int, fee: str) -> None:
        fill = self.execution(choice, part, price, fee)
        if fill is not None:
            self.deliver(fill)

    @precondition(lambda self: self.venue.open)
    @rule(choice=a_choice, price=a_price, fee=a_fee)
    def fill_whole(self, choice: int, price: int, fee: str) -> None:
        self.fill(choice, 4, price, fee)

    @precondition(lambda self: self.venue.open)
    @rule(choice=a_choice, part=a_part, price=a_price)
    def execute_without_a_word(self, choice: int, part: int, price: int) -> None:
        """The report of the execution is late: the order's end may overtake it."""
        fill = self.execution(choice, part, price, "0.01")
        if fill is not None:
            self.venue.late.append(fill)
            if fill.client_order_id not in self.venue.open:
                self.give(
                    inputs.OrderReported(
                        time_ms=self.now, client_order_id=fill.client_order_id, status=OrderStatus.FILLED
                    )
                )

    @precondition(lambda self: self.venue.late)
    @rule(choice=a_choice)
    def report_late(self, choice: int) -> None:
        self.deliver(self.venue.late.pop(choice % len(self.venue.late)))

    @precondition(lambda self: self.venue.reported)
    @rule(choice=a_choice)
    def repeat_fill(self, choice: int) -> None:
        fill = self.venue.reported[-1 - choice % len(self.venue.reported)]
        if fill.time_ms + self.state.config.memory_ms < self.now:
            return
        events = self.give(msgspec.structs.replace(fill, time_ms=self.now))
        assert [type(event) for event in events] == [ev.FillIgnored]

    @precondition(lambda self: self.venue.open)
    @rule(choice=a_choice, status=st.sampled_from((OrderStatus.OPEN, OrderStatus.CANCELLED, OrderStatus.EXPIRED)))
    def report_order(self, choice: int, status: OrderStatus) -> None:
        resting = list(self.venue.open.values())[choice % len(self.venue.open)]
        if status is OrderStatus.OPEN:
            self.open_at_venue(resting.order)
        else:
            self.give(self.venue.end(resting.order, status, self.now))

    @precondition(lambda self: self.venue.open)
    @rule(choice=a_choice, refusal=st.sampled_from((None, *Refusal)), mark=st.one_of(st.none(), a_price))
    def reject_order(self, choice: int, refusal: Refusal | None, mark: int | None) -> None:
        resting = list(self.venue.open.values())[choice % len(self.venue.open)]
        if not resting.executed:
            self.refuse(resting.order, refusal, mark)

    @precondition(lambda self: any(resting.order.purpose.protective for resting in self.venue.open.values()))
    @rule(choice=a_choice, refusal=st.sampled_from(Refusal), mark=st.one_of(st.none(), a_price))
    def refuse_a_leg_for_good(self, choice: int, refusal: Refusal, mark: int | None) -> None:
        """Whatever is placed for one position's stop or target is refused, for as long as it is placed at once."""
        legs = [resting.order for resting in self.venue.open.values() if resting.order.purpose.protective]
        chosen = legs[choice % len(legs)]
        for _ in range(20):
            placed = [
                resting
                for resting in self.venue.open.values()
                if (resting.order.position_id, resting.order.purpose) == (chosen.position_id, chosen.purpose)
            ]
            if not placed:
                return
            if placed[-1].executed:
                return
            self.refuse(placed[-1].order, refusal, mark)
        raise AssertionError("refusals without an end")

    def refuse(self, order: ApprovedOrder, refusal: Refusal | None, mark: int | None) -> None:
        price = None if mark is None else at(order.symbol, mark)
        live = self.state.orders[order.client_order_id]
        # One that had been taken, or was to be cancelled, is no placement that was refused.
        counts = order.purpose.protective and live.status is OrderStatus.PLANNED and not live.cancelling
        self.give(self.venue.end(order, OrderStatus.REJECTED, self.now, refusal, price))
        if counts and order.position_id is not None:
            placement = (order.quantity, order.trigger_price, order.callback_pct)
            refused = self.same.setdefault((order.position_id, order.purpose), [])
            if refused and refused[-1].form != placement:
                refused.clear()
            if len(refused) >= MAX_SAME and refused[-1].refusal is not Refusal.TOO_MANY_ORDERS:
                assert order.planned_ms - refused[-1].ms >= ROUND_MS, "the same was refused too often"
            refused.append(RefusedForm(placement, refusal, self.now))

    @precondition(lambda self: self.state.price_watches)
    @rule(choice=a_choice, beyond=st.sampled_from((0, 1, 40)))
    def come_to_a_price(self, choice: int, beyond: int) -> None:
        """The mark price comes to a level that a position waits for, or jumps over it."""
        watches = self.state.price_watches
        symbol = list(watches)[choice % len(watches)]
        above, below = watches[symbol]
        unit = CENTRE[symbol] / 1000
        price = above + beyond * unit if above is not None else (below or ZERO) - beyond * unit
        self.give(inputs.PriceReached(time_ms=self.now, symbol=symbol, price=price))
        after = self.state.price_watches.get(symbol)
        assert after is None or not after.reached(price), "it would be told at every price"

    def open_at_venue(self, order: ApprovedOrder) -> None:
        order_id = order.client_order_id
        self.give(inputs.OrderReported(time_ms=self.now, client_order_id=order_id, status=OrderStatus.OPEN))
        if order.position_id is not None:
            self.same.pop((order.position_id, order.purpose), None)

    @rule()
    def all_rest(self) -> None:
        """Every order that was sent rests: what a stop or target replaced may leave."""
        for resting in list(self.venue.open.values()):
            self.open_at_venue(resting.order)

    @rule()
    def honour_cancels(self) -> None:
        for resting in [asked for asked in self.venue.open.values() if asked.cancel_asked]:
            self.give(self.venue.end(resting.order, OrderStatus.CANCELLED, self.now))

    # ------------------------------------------------------------ the world

    @rule(symbol=a_symbol, rate=st.sampled_from(("0.0001", "-0.000375", "0.00003333")), price=a_price)
    def settle_funding(self, symbol: str, rate: str, price: int) -> None:
        mark = at(symbol, price)
        with localcontext(MONEY):
            self.venue.settle(symbol, Decimal(rate), mark)
        self.give(inputs.FundingSettled(time_ms=self.now, symbol=symbol, rate=Decimal(rate), mark_price=mark))

    @rule(symbol=a_symbol, side=a_side, steps=some_steps, opening=st.booleans(), price=a_price, fee=a_fee)
    def trade_by_hand(self, symbol: str, side: PositionSide, steps: int, opening: bool, price: int, fee: str) -> None:
        quantity = steps * STEP[symbol]
        if not opening:
            quantity = min(quantity, self.venue.closable(symbol, side))
        if quantity > 0:
            self.by_hand(symbol, side, quantity, at(symbol, price), opening=opening, fee=fee)

    def by_hand(
        self, symbol: str, side: PositionSide, quantity: Decimal, price: Decimal, *, opening: bool, fee: str = "0"
    ) -> None:
        exchange_side = side.opening if opening else side.closing
        self.deliver(self.venue.execution("web_1", symbol, exchange_side, side, quantity, price, Decimal(fee)))

    @rule(ms=st.sampled_from((1, 500, 3_000, 100_000, 43_200_000)))
    def pass_time(self, ms: int) -> None:
        self.now += ms
        self.give(inputs.TimeAdvanced(time_ms=self.now))

    @precondition(lambda self: self.steps > 40)
    @rule()
    def everybody_leaves(self) -> None:
        """When all is closed the state is empty; without trades by hand the strategies' own signals are enough."""
        while self.venue.late:
            self.deliver(self.venue.late.pop())
        self.honour_cancels()
        for _ in [position for leg in self.state.legs.values() for position in leg.strategies]:
            self.pass_time(ROUND_MS + 1)
        engaged = [(live.order.strategy_id, live.order.symbol) for live in self.state.orders.values()]
        engaged += [(p.strategy_id, p.symbol) for leg in self.state.legs.values() for p in leg.strategies.values()]
        for strategy, symbol in dict.fromkeys(engaged):
            if strategy != EXTERNAL:
                self.send("close", strategy, symbol)
        while at_work := [r.order for r in self.venue.open.values() if not r.order.purpose.protective]:
            # A close can only fill once what it is to take has been put back.
            first = max(at_work, key=lambda order: order.purpose is OrderPurpose.RESTORE)
            self.fill_or_end(first.client_order_id)
        self.honour_cancels()
        for (symbol, side), quantity in self.venue.held.items():
            leg = self.state.leg(symbol, side)
            if not self.mixed:
                assert leg is None or set(leg.strategies) == {EXTERNAL}, "closing left something behind"
            if quantity:
                self.by_hand(symbol, side, quantity, CENTRE[symbol], opening=False)
        self.honour_cancels()
        assert (self.state.legs, self.state.orders) == ({}, {})

    def fill_or_end(self, order_id: str) -> None:
        resting = self.venue.open[order_id]
        order = resting.order
        room = ZERO if order.purpose is OrderPurpose.OPEN else self.venue.room(resting)
        if room:
            self.deliver(self.venue.execute(order, room, CENTRE[order.symbol], ZERO))
        if order_id in self.venue.open:
            self.give(self.venue.end(order, OrderStatus.CANCELLED, self.now))

    # ------------------------------------------------------------ what must hold

    @invariant()
    def the_state_is_sound(self) -> None:
        check(self.state)

    @invariant()
    def the_books_are_the_venues(self) -> None:
        with localcontext(MONEY):
            held = {key: quantity for key, quantity in self.venue.held.items() if quantity}
            legs = self.state.legs.values()
            assert {(leg.symbol, leg.side): leg.quantity for leg in legs if leg.quantity} == held
            totals = self.state.totals
            assert (totals.fees, totals.funding) == (self.venue.fees, self.venue.funding)
            strategies = [p for leg in legs for p in leg.strategies.values()]
            invested = sum((p.side.sign * p.books.cost for p in strategies), ZERO)
            assert totals.realized == self.venue.cash + invested

    @invariant()
    def replay_is_identical(self) -> None:
        canonical = self.state.canonical()
        assert self.repeated.canonical() == canonical
        assert self.folded.canonical() == canonical
        self.repeated = _state.decode(canonical)
        assert self.repeated.canonical() == canonical


TestShard = pytest.mark.slow(pytest.mark.timeout(900)(Shard.TestCase))
# The profile's number, scaled: 2,000 examples in a full run.
TestShard.settings = settings(max_examples=settings().max_examples * 10, stateful_step_count=50)
