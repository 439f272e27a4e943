"""The same answers, computed from the journal's events in plain Python: no store, no query, no rounding on the way."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Context, Decimal
from fractions import Fraction
from math import ceil
from typing import Any

from contracts.enums import Action, CloseReason, OrderPurpose, Outcome, PositionSide
from contracts.values import iso_millis
from tradeengine.domain import events as ev
from tradeengine.domain.inputs import SignalReceived
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.journal.record import Record

Rows = list[dict[str, Any]]

_HOUR_MS = 3_600_000
_DIGITS = Context(prec=80)
_CONFLICTS = ("position_exists", "weaker_signal", "max_accumulations", "cooldown", "opposite_direction")


def exact(value: Fraction | Decimal | int) -> str:
    """Plain text of a number that ends."""
    fraction = Fraction(value)
    number = _DIGITS.divide(Decimal(fraction.numerator), Decimal(fraction.denominator))
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def ratio(part: Fraction | Decimal | int, whole: Fraction | Decimal | int) -> str | None:
    """Quotient to 8 decimals, half away from zero; ``None`` if there is none."""
    if not whole:
        return None
    scaled = Fraction(part) / Fraction(whole) * 10**8
    rounded = (2 * abs(scaled.numerator) + scaled.denominator) // (2 * scaled.denominator)
    return exact(Fraction(rounded if scaled > 0 else -rounded, 10**8))


@dataclass
class Held:
    """One strategy's position, as its fills and payments tell it."""

    position_id: str
    strategy_id: str
    symbol: str
    opened_ms: int
    pnl: Fraction = Fraction(0)
    fees: Fraction = Fraction(0)
    funding: Fraction = Fraction(0)
    closed_ms: int | None = None
    reason: CloseReason | None = None

    @property
    def net(self) -> Fraction:
        return self.pnl - self.fees + self.funding


@dataclass
class Facts:
    """What happened, sorted out of the records."""

    fills: list[ev.OrderFilled] = field(default_factory=list)
    payments: list[ev.FundingBooked] = field(default_factory=list)
    orders: dict[str, ApprovedOrder] = field(default_factory=dict)
    positions: dict[str, Held] = field(default_factory=dict)
    decided: dict[tuple[str, str, str], tuple[ev.SignalDecided, SignalReceived]] = field(default_factory=dict)
    copies: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    copied_ms: dict[str, int] = field(default_factory=dict)

    @property
    def closed(self) -> list[Held]:
        """Closed positions in the order in which they were closed."""
        ended = [held for held in self.positions.values() if held.closed_ms is not None]
        return sorted(ended, key=lambda held: (held.closed_ms, held.position_id))

    def shares(self) -> Iterable[tuple[ev.OrderFilled, ev.FillShare]]:
        return ((fill, share) for fill in self.fills for share in fill.shares)


def facts_of(records: Sequence[Record]) -> Facts:
    facts = Facts()
    for record in records:
        for entry in record.entries:
            for event in entry.events:
                match event:
                    case ev.SignalDecided():
                        assert isinstance(entry.input, SignalReceived)
                        _decided(facts, event, entry.input)
                    case ev.OrderPlanned():
                        facts.orders[event.order.client_order_id] = event.order
                    case ev.OrderFilled():
                        facts.fills.append(event)
                        _filled(facts, event)
                    case ev.FundingBooked():
                        facts.payments.append(event)
                        for share in event.shares:
                            facts.positions[share.position_id].funding += Fraction(share.amount)
                    case _:
                        pass
    return facts


def _decided(facts: Facts, event: ev.SignalDecided, signal: SignalReceived) -> None:
    key = (event.signal_id, event.strategy_id, event.symbol)
    if event.outcome is Outcome.DUPLICATE:
        facts.copies[key] += 1
        facts.copied_ms[event.strategy_id] = max(facts.copied_ms.get(event.strategy_id, 0), event.time_ms)
    else:
        assert key not in facts.decided, "the histories of these tests use each signal id once"
        facts.decided[key] = (event, signal)


def _filled(facts: Facts, fill: ev.OrderFilled) -> None:
    for share in fill.shares:
        held = facts.positions.setdefault(
            share.position_id, Held(share.position_id, share.strategy_id, fill.symbol, share.opened_ms)
        )
        held.pnl += Fraction(share.realized)
        held.fees += Fraction(fill.quote_fee(share.fee))
        if not share.after.quantity:
            held.closed_ms, held.reason = fill.time_ms, share.close_reason


# ---------------------------------------------------------------- answers


def target_and_stop_rates(facts: Facts) -> Rows:
    rows = []
    for strategy, held in _by_strategy(facts.closed):
        targets = sum(one.reason is CloseReason.TAKE_PROFIT for one in held)
        stops = sum(one.reason is CloseReason.STOP_LOSS for one in held)
        rows.append(
            {
                "strategy_id": strategy,
                "closed": len(held),
                "by_target": targets,
                "by_stop": stops,
                "otherwise": len(held) - targets - stops,
                "target_rate": ratio(targets, len(held)),
                "stop_rate": ratio(stops, len(held)),
            }
        )
    return rows


def daily_results(facts: Facts) -> Rows:
    days: dict[tuple[str, str], list[Fraction]] = defaultdict(lambda: [Fraction(0)] * 4)

    def book(time_ms: int, strategy: str, *amounts: Decimal | int) -> None:
        sums = days[iso_millis(time_ms)[:10], strategy]
        sums[:] = [a + Fraction(b) for a, b in zip(sums, amounts, strict=True)]

    for fill, share in facts.shares():
        fee = fill.quote_fee(share.fee)
        book(fill.time_ms, share.strategy_id, share.realized, fee, 0, 0 if fill.reconciled else 1)
    for payment in facts.payments:
        for part in payment.shares:
            book(payment.paid_ms, part.strategy_id, 0, 0, part.amount, 0)
        if not payment.shares:
            book(payment.paid_ms, "external", 0, 0, payment.amount, 0)
    return [
        {
            "day": day,
            "strategy_id": strategy,
            "gross_pnl": exact(gross),
            "fees": exact(fees),
            "funding": exact(funding),
            "net_pnl": exact(gross - fees + funding),
            "fills": int(fills),
        }
        for (day, strategy), (gross, fees, funding, fills) in sorted(days.items())
    ]


def holding_times(facts: Facts) -> Rows:
    rows = []
    for strategy, held in _by_strategy(facts.closed):
        times = sorted(Fraction((one.closed_ms or 0) - one.opened_ms, 1000) for one in held)
        rows.append(
            {
                "strategy_id": strategy,
                "closed": len(times),
                "shortest_s": exact(times[0]),
                "median_s": exact(_percentile(times, 50)),
                "p90_s": exact(_percentile(times, 90)),
                "longest_s": exact(times[-1]),
                "average_s": ratio(sum(times), len(times)),
            }
        )
    return rows


def exposure(facts: Facts) -> Rows:
    """By what each position has cost, as the books say it, not by what each fill has changed."""
    costs: dict[str, tuple[PositionSide, Decimal]] = {}
    hours: dict[int, dict[str, Any]] = {}
    for fill in sorted(facts.fills, key=lambda one: one.time_ms):
        for share in fill.shares:
            costs[share.position_id] = (fill.position_side, share.after.cost)
        hour = fill.time_ms - fill.time_ms % _HOUR_MS
        row = hours.setdefault(hour, {"hour": iso_millis(hour), "fills": 0})
        row["fills"] += len(fill.shares)
        for name, side in (("long_value", PositionSide.LONG), ("short_value", PositionSide.SHORT)):
            row[name] = exact(sum((Fraction(cost) for leg, cost in costs.values() if leg is side), Fraction(0)))
        row["exposure"] = exact(sum((Fraction(cost) for _, cost in costs.values()), Fraction(0)))
    return list(hours.values())


def fee_share(facts: Facts) -> Rows:
    rows = []
    for strategy, held in _by_strategy(facts.closed):
        profit = sum((one.pnl for one in held if one.pnl > 0), Fraction(0))
        fees = sum((one.fees for one in held), Fraction(0))
        rows.append(
            {
                "strategy_id": strategy,
                "closed": len(held),
                "gross_profit": exact(profit),
                "gross_pnl": exact(sum((one.pnl for one in held), Fraction(0))),
                "fees": exact(fees),
                "fee_share": ratio(fees, profit),
            }
        )
    return rows


def hours_of_day(facts: Facts) -> Rows:
    groups = _grouped(facts.closed, lambda one: datetime.fromtimestamp((one.closed_ms or 0) / 1000, UTC).hour)
    ordered = sorted(groups.items(), key=lambda item: (-_net(item[1]), item[0]))
    return [
        {
            "hour": hour,
            "closed": len(held),
            "wins": _wins(held),
            "win_rate": ratio(_wins(held), len(held)),
            "net_pnl": exact(_net(held)),
        }
        for hour, held in ordered
    ]


def symbols(facts: Facts) -> Rows:
    groups = _grouped(facts.closed, lambda one: one.symbol)
    return [
        {
            "symbol": symbol,
            "closed": len(held),
            "wins": _wins(held),
            "win_rate": ratio(_wins(held), len(held)),
            "gross_pnl": exact(sum(one.pnl for one in held)),
            "fees": exact(sum(one.fees for one in held)),
            "funding": exact(sum(one.funding for one in held)),
            "net_pnl": exact(_net(held)),
        }
        for symbol, held in sorted(groups.items(), key=lambda item: (-_net(item[1]), item[0]))
    ]


def rejections(facts: Facts) -> Rows:
    times: dict[tuple[str, str], list[int]] = defaultdict(list)
    for event, _ in facts.decided.values():
        if event.outcome is Outcome.REJECTED:
            times[event.strategy_id, str(event.reason)].append(event.time_ms)
    return [
        {
            "strategy_id": strategy,
            "reason": reason,
            "signals": len(found),
            "first_at": iso_millis(min(found)),
            "last_at": iso_millis(max(found)),
        }
        for (strategy, reason), found in sorted(times.items(), key=lambda i: (i[0][0], -len(i[1]), i[0][1]))
    ]


def slippage(facts: Facts) -> Rows:
    quantities: dict[str, list[Fraction]] = defaultdict(lambda: [Fraction(0), Fraction(0)])
    for fill in facts.fills:
        sums = quantities[fill.client_order_id]
        sums[0] += Fraction(fill.quantity)
        sums[1] += Fraction(fill.quantity) * Fraction(fill.price)
    groups: dict[tuple[str, str], list[tuple[Fraction, Fraction, int]]] = defaultdict(list)
    for order in facts.orders.values():
        decision = facts.decided.get((order.signal_id, order.strategy_id, order.symbol))
        quantity, value = quantities[order.client_order_id]
        if order.purpose is OrderPurpose.OPEN and quantity and decision and decision[1].context.mark_price:
            mark = quantity * Fraction(decision[1].context.mark_price)
            groups[order.strategy_id, order.symbol].append((value, mark, order.position_side.sign))
    rows = []
    for (strategy, symbol), found in sorted(groups.items()):
        marks = sum(mark for _, mark, _ in found)
        slipped = sum((value - mark) * sign for value, mark, sign in found)
        rows.append(
            {
                "strategy_id": strategy,
                "symbol": symbol,
                "orders": len(found),
                "filled_value": exact(sum(value for value, _, _ in found)),
                "mark_value": exact(marks),
                "slippage": exact(slipped),
                "slippage_bps": ratio(slipped * 10_000, marks),
            }
        )
    return rows


def fill_latency(facts: Facts) -> Rows:
    first: dict[str, int] = {}
    for fill in facts.fills:
        if fill.opening:
            first[fill.client_order_id] = min(fill.time_ms, first.get(fill.client_order_id, fill.time_ms))
    latencies: dict[str, list[int]] = defaultdict(list)
    for order_id, time_ms in first.items():
        order = facts.orders.get(order_id)
        if order is not None and order.purpose is OrderPurpose.OPEN:
            decision, _ = facts.decided[order.signal_id, order.strategy_id, order.symbol]
            latencies[order.strategy_id].append(time_ms - decision.time_ms)
    rows = []
    for strategy, found in sorted(latencies.items()):
        times = sorted(found)
        rows.append(
            {
                "strategy_id": strategy,
                "orders": len(times),
                "shortest_ms": times[0],
                "median_ms": _percentile(times, 50),
                "p90_ms": _percentile(times, 90),
                "longest_ms": times[-1],
                "average_ms": ratio(sum(times), len(times)),
            }
        )
    return rows


def profit_factor(facts: Facts) -> Rows:
    rows = []
    for strategy, held in _by_strategy(facts.closed):
        won, lost = [one.net for one in held if one.net > 0], [-one.net for one in held if one.net < 0]
        rows.append(
            {
                "strategy_id": strategy,
                "closed": len(held),
                "wins": len(won),
                "losses": len(lost),
                "won": exact(sum(won)),
                "lost": exact(sum(lost)),
                "profit_factor": ratio(sum(won), sum(lost)),
                "average_win": ratio(sum(won), len(won)),
                "average_loss": ratio(sum(lost), len(lost)),
                "expectancy": ratio(_net(held), len(held)),
            }
        )
    return rows


def drawdowns(facts: Facts) -> Rows:
    rows = []
    for strategy, held in _by_strategy(facts.closed):
        reached = [Fraction(0)]
        losing = [0]
        for one in held:
            reached.append(reached[-1] + one.net)
            losing.append(losing[-1] + 1 if one.net < 0 else 0)
        falls = [high - low for place, low in enumerate(reached) for high in reached[: place + 1]]
        rows.append(
            {
                "strategy_id": strategy,
                "closed": len(held),
                "net_pnl": exact(reached[-1]),
                "best_net_pnl": exact(max(reached)),
                "max_drawdown": exact(max(falls)),
                "longest_losing": max(losing),
            }
        )
    return rows


def funding(facts: Facts) -> Rows:
    amounts: dict[tuple[str, str], list[Fraction]] = defaultdict(list)
    for payment in facts.payments:
        parts = [share.amount for share in payment.shares] or [payment.amount]
        amounts[payment.symbol, payment.position_side] += map(Fraction, parts)
    return [
        {
            "symbol": symbol,
            "position_side": str(side),
            "payments": len(found),
            "received": exact(sum(one for one in found if one > 0)),
            "paid": exact(-sum(one for one in found if one < 0)),
            "net": exact(sum(found)),
        }
        for (symbol, side), found in sorted(amounts.items())
    ]


def maker_share(facts: Facts) -> Rows:
    traded: dict[tuple[str, str], list[tuple[bool, Fraction]]] = defaultdict(list)
    for fill, share in facts.shares():
        if not fill.reconciled:
            value = Fraction(share.quantity) * Fraction(fill.price)
            traded[share.strategy_id, fill.symbol].append((fill.maker, value))
    rows = []
    for (strategy, symbol), found in sorted(traded.items()):
        made, taken = [value for maker, value in found if maker], [value for maker, value in found if not maker]
        rows.append(
            {
                "strategy_id": strategy,
                "symbol": symbol,
                "maker_fills": len(made),
                "taker_fills": len(taken),
                "maker_value": exact(sum(made)),
                "taker_value": exact(sum(taken)),
                "maker_share": ratio(sum(made), sum(made) + sum(taken)),
            }
        )
    return rows


def duplicates(facts: Facts) -> Rows:
    rows = []
    for strategy, keys in sorted(_grouped(facts.decided, lambda key: key[1]).items()):
        copies = [facts.copies[key] for key in keys]
        copied = sum(count > 0 for count in copies)
        last = facts.copied_ms.get(strategy)
        rows.append(
            {
                "strategy_id": strategy,
                "signals": len(keys),
                "copied": copied,
                "copies": sum(copies),
                "most_copies": max(copies),
                "copied_share": ratio(copied, len(keys)),
                "last_copy_at": None if last is None else iso_millis(last),
            }
        )
    return rows


def conflicts(facts: Facts) -> Rows:
    groups: dict[tuple[str, str], list[ev.SignalDecided]] = defaultdict(list)
    for event, _ in facts.decided.values():
        if event.action in (Action.BUY, Action.SELL):
            groups[event.strategy_id, event.symbol].append(event)
    rows = []
    for (strategy, symbol), found in sorted(groups.items()):
        reasons = Counter(str(event.reason) for event in found if event.outcome is Outcome.REJECTED)
        refused = sum(reasons[name] for name in _CONFLICTS)
        rows.append(
            {
                "strategy_id": strategy,
                "symbol": symbol,
                "signals": len(found),
                "accepted": sum(event.outcome is Outcome.ACCEPTED for event in found),
                **{name: reasons[name] for name in _CONFLICTS},
                "otherwise": reasons.total() - refused,
                "conflict_rate": ratio(refused, len(found)),
            }
        )
    return rows


ANSWERS: Mapping[str, Callable[[Facts], Rows]] = {
    answer.__name__: answer
    for answer in (
        target_and_stop_rates,
        daily_results,
        holding_times,
        exposure,
        fee_share,
        hours_of_day,
        symbols,
        rejections,
        slippage,
        fill_latency,
        profit_factor,
        drawdowns,
        funding,
        maker_share,
        duplicates,
        conflicts,
    )
}
"""Answers by the name of the query."""


def _percentile(ordered: Sequence[Any], percent: int) -> Any:
    return ordered[ceil(Fraction(percent * len(ordered), 100)) - 1]


def _grouped(items: Iterable[Any], key: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    groups: dict[Any, list[Any]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups


def _by_strategy(held: Sequence[Held]) -> list[tuple[str, list[Held]]]:
    return sorted(_grouped(held, lambda one: one.strategy_id).items())


def _wins(held: Sequence[Held]) -> int:
    return sum(one.net > 0 for one in held)


def _net(held: Sequence[Held]) -> Fraction:
    return sum((one.net for one in held), Fraction(0))
