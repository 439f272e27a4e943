"""A second, naive simulation, written from the stated semantics alone: nothing of the engine's own code.

It knows market orders, limit entries of strategies without protection, stops and targets as fractions of the average
entry price, closes of all or of a quantity, and funding. Each strategy sends at most one signal a symbol and bar.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Any

TICK, STEP = Decimal("0.01"), Decimal("0.00001")
ZERO = Decimal(0)
Fill = tuple[str, str, str, str, str, Decimal, Decimal]
"""Time of day, strategy, symbol, position side, side, price, quantity."""


@dataclass
class Order:
    """A market order, or a limit order; closing ones may name a quantity."""

    strategy: str
    symbol: str
    side: str
    opening: bool
    quantity: Decimal
    limit: Decimal | None = None
    stop: Decimal | None = None
    target: Decimal | None = None


@dataclass
class Position:
    """What a strategy holds on one side of a symbol; ``stop`` and ``target`` are fractions."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    stop: Decimal | None = None
    target: Decimal | None = None

    def price_at(self, side: str, fraction: Decimal, away: int) -> Decimal:
        sign = away if side == "LONG" else -away
        return (self.cost / self.quantity * (1 + sign * fraction)).quantize(TICK, ROUND_HALF_UP)


@dataclass
class Reference:
    """The naive simulation.

    Parameters
    ----------
    prices, funding
        By symbol, rows of texts as in the CSV files.
    """

    prices: Mapping[str, Sequence[Sequence[str]]]
    funding: Mapping[str, Sequence[Sequence[str]]]
    taker: Decimal
    maker: Decimal
    slippage: Decimal
    positions: dict[tuple[str, str, str], Position] = field(default_factory=dict)
    waiting: list[Order] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    realized: Decimal = ZERO
    fees: Decimal = ZERO
    paid: Decimal = ZERO

    def run(self, signals: Iterable[Mapping[str, Any]]) -> None:
        """Play all bars, deciding each signal before the first bar that starts at or after it."""
        sent = sorted(signals, key=lambda signal: str(signal["timestamp"]))
        bars = {(row[0], symbol): row for symbol, rows in self.prices.items() for row in rows}
        for time, symbol in sorted(bars, key=lambda bar: (datetime.fromisoformat(bar[0]), bar[1])):
            while sent and datetime.fromisoformat(sent[0]["timestamp"]) <= datetime.fromisoformat(time):
                self._decide(sent.pop(0))
            row = bars[time, symbol]
            self._settle(symbol, time, Decimal(row[1]))
            self._play(symbol, time, *map(Decimal, row[1:]))

    def unrealized(self) -> Decimal:
        """Gross P&L of what is held at the last closes."""
        total = ZERO
        for (_, symbol, side), held in self.positions.items():
            value = held.quantity * Decimal(self.prices[symbol][-1][4])
            total += value - held.cost if side == "LONG" else held.cost - value
        return total

    def _decide(self, signal: Mapping[str, Any]) -> None:
        strategy, symbol = signal["strategy_id"], signal["symbol"]
        if signal["action"] == "close":
            mine = [o for o in self.waiting if (o.strategy, o.symbol) == (strategy, symbol) and o.opening]
            self.waiting = [o for o in self.waiting if o not in mine]
            for side in ("LONG", "SHORT"):
                held = self._held(strategy, symbol, side).quantity
                asked = Decimal(signal.get("quantity", held)).quantize(STEP, ROUND_DOWN)
                if held:
                    self.waiting.append(Order(strategy, symbol, side, False, min(held, asked)))
            return
        terms = {name: signal.get(f"{kind}_pct") for name, kind in (("stop", "stop_loss"), ("target", "take_profit"))}
        fractions = {name: Decimal(value) if value else None for name, value in terms.items()}
        limit = Decimal(signal["price"]) if signal.get("order_type") == "limit" else None
        side = "LONG" if signal["action"] == "buy" else "SHORT"
        self.waiting.append(Order(strategy, symbol, side, True, Decimal(signal["quantity"]), limit, **fractions))

    def _settle(self, symbol: str, time: str, opened: Decimal) -> None:
        for row in self.funding.get(symbol, ()):
            if row[0] == time:
                for (_, name, side), held in self.positions.items():
                    if name == symbol:
                        amount = held.quantity * opened * Decimal(row[1])
                        self.paid += -amount if side == "LONG" else amount

    def _play(self, symbol: str, time: str, opened: Decimal, high: Decimal, low: Decimal, _close: Decimal) -> None:
        mine = [order for order in self.waiting if order.symbol == symbol]
        for order in [o for o in mine if o.limit is None]:
            self.waiting.remove(order)
            self._execute(order, time, self._slipped(opened, order.side, opening=order.opening), self.taker)
            if order.opening and self._passed(order):
                held = self._held(order.strategy, symbol, order.side)
                exit_ = Order(order.strategy, symbol, order.side, False, held.quantity)
                self._execute(exit_, time, self._slipped(opened, order.side, opening=False), self.taker)
        for at_open in (True, False):
            for order in [o for o in mine if o.limit is not None and o in self.waiting]:
                long = order.side == "LONG"
                reached = opened if at_open else (low if long else high)
                if order.limit is not None and (reached <= order.limit if long else reached >= order.limit):
                    self.waiting.remove(order)
                    self._execute(order, time, opened if at_open else order.limit, self.maker)
        self._protect(symbol, time, opened, high, low)

    def _passed(self, order: Order) -> bool:
        """Whether the fill itself lies beyond the stop or the target that now hold."""
        price, held = self.fills[-1][5], self._held(order.strategy, order.symbol, order.side)
        sign = 1 if order.side == "LONG" else -1
        stopped = held.stop is not None and sign * (price - held.price_at(order.side, held.stop, -1)) <= 0
        return stopped or (held.target is not None and sign * (held.price_at(order.side, held.target, 1) - price) <= 0)

    def _protect(self, symbol: str, time: str, opened: Decimal, high: Decimal, low: Decimal) -> None:
        for (strategy, name, side), held in self.positions.items():
            if name != symbol or not held.quantity:
                continue
            sign = 1 if side == "LONG" else -1
            worst, best = (low, high) if side == "LONG" else (high, low)
            leave = Order(strategy, symbol, side, False, held.quantity)
            if held.stop is not None and sign * (worst - (stop := held.price_at(side, held.stop, -1))) <= 0:
                gapped = sign * (opened - stop) <= 0
                self._execute(leave, time, opened if gapped else stop, self.taker)
            elif held.target is not None and sign * (best - (target := held.price_at(side, held.target, 1))) >= 0:
                gapped = sign * (opened - target) >= 0
                self._execute(leave, time, opened if gapped else target, self.taker)

    def _slipped(self, price: Decimal, side: str, *, opening: bool) -> Decimal:
        buys = (side == "LONG") is opening
        return price * (1 + self.slippage / 10_000 if buys else 1 - self.slippage / 10_000)

    def _execute(self, order: Order, time: str, price: Decimal, rate: Decimal) -> None:
        held = self._held(order.strategy, order.symbol, order.side)
        quantity = order.quantity if order.opening else min(order.quantity, held.quantity)
        self.fees += price * quantity * rate
        if order.opening:
            held.quantity, held.cost = held.quantity + quantity, held.cost + quantity * price
            held.stop, held.target = order.stop or held.stop, order.target or held.target
        else:
            released = held.cost * quantity / held.quantity
            gain = quantity * price - released
            self.realized += gain if order.side == "LONG" else -gain
            held.quantity, held.cost = held.quantity - quantity, held.cost - released
            if not held.quantity:
                held.stop = held.target = None
        buys = (order.side == "LONG") is order.opening
        self.fills.append(
            (time[11:16], order.strategy, order.symbol, order.side, "BUY" if buys else "SELL", price, quantity)
        )

    def _held(self, strategy: str, symbol: str, side: str) -> Position:
        return self.positions.setdefault((strategy, symbol, side), Position())
