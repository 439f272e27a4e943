"""Whatever orders, bars and prices come: nothing is lost, nothing is invented, and it comes out the same again."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from contracts.enums import OrderKind, OrderPurpose, OrderStatus, PositionSide, TimeInForce
from shared.errors import Rejected
from tests.venue.paper.makers import SYMBOL, D
from tradeengine.domain.inputs import FillReported, OrderReported
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.venue.base import Report
from tradeengine.venue.paper.bar import Bar
from tradeengine.venue.paper.book import PaperBook

MAKER, TAKER = D("0.0002"), D("0.0005")
PRICES = st.integers(80, 120).map(Decimal)
QUANTITIES = st.integers(1, 30).map(lambda units: Decimal(units) / 10)
CALLBACKS = st.integers(1, 200).map(lambda units: Decimal(units) / 1000)
SIDES = st.sampled_from(PositionSide)
PLACE, CANCEL, MOVE = "place", "cancel", "move"


@st.composite
def orders(draw: st.DrawFn) -> dict[str, Any]:
    side = draw(SIDES)
    opening = draw(st.booleans())
    return {
        "position_side": side,
        "side": side.opening if opening else side.closing,
        "purpose": OrderPurpose.OPEN if opening else OrderPurpose.STOP_LOSS,
        "kind": draw(st.sampled_from(OrderKind)),
        "quantity": draw(QUANTITIES),
        "price": draw(PRICES),
        "trigger_price": draw(PRICES),
        "callback_pct": draw(CALLBACKS),
        "time_in_force": draw(st.sampled_from(TimeInForce)),
        "strategy_id": draw(st.sampled_from("ab")),
    }


@st.composite
def bars(draw: st.DrawFn) -> tuple[Decimal, ...]:
    low, first, second, high = sorted(draw(st.lists(PRICES, min_size=4, max_size=4)))
    opened, closed = draw(st.permutations([first, second]))
    return opened, high, low, closed


def actions(moves: st.SearchStrategy[Any]) -> st.SearchStrategy[list[tuple[str, Any]]]:
    return st.lists(
        st.one_of(
            st.tuples(st.just(PLACE), orders()),
            st.tuples(st.just(CANCEL), st.integers(0, 20)),
            st.tuples(st.just(MOVE), moves),
        ),
        max_size=40,
    )


class Run:
    """One history of a book, with what the engine answered to executions within bars."""

    def __init__(self, script: Iterable[tuple[str, Any]], answers: list[dict[str, Any]], **terms: Any) -> None:
        self.book = PaperBook(maker_fee=MAKER, taker_fee=TAKER, slippage_bps=D(3), **terms)
        self.orders: dict[str, ApprovedOrder] = {}
        self.reports: list[Report] = []
        self._answers = iter(answers)
        for now_ms, (kind, what) in enumerate(script):
            if kind == PLACE:
                self.place(what, now_ms)
            elif kind == CANCEL:
                self.take(self.book.cancel(f"o{what}", now_ms))
            elif isinstance(what, tuple):
                self.play(Bar(now_ms, *what))
            else:
                self.take(self.book.tick(SYMBOL, what, now_ms))

    def place(self, fields: dict[str, Any], now_ms: int) -> None:
        order = ApprovedOrder(client_order_id=f"o{len(self.orders)}", signal_id="s", symbol=SYMBOL, **fields)
        self.orders[order.client_order_id] = order
        try:
            self.take(self.book.place(order, now_ms))
        except Rejected:
            assert self.book.query(order.client_order_id) is None

    def play(self, bar: Bar) -> None:
        self.book.start_bar(SYMBOL, bar)
        while reports := self.book.next_execution(SYMBOL):
            self.take(reports)
            answer = next(self._answers, None)
            if answer is not None:
                self.place(answer, bar.time_ms)

    def take(self, reports: Iterable[Report]) -> None:
        self.reports += reports
        for side in PositionSide:
            assert self.book.held(SYMBOL, side) >= 0


def check(run: Run) -> None:
    """Every promise of the book's that a list of reports can show."""
    executed: dict[str, Decimal] = defaultdict(Decimal)
    held: dict[PositionSide, Decimal] = defaultdict(Decimal)
    ended: set[str] = set()
    opened: set[str] = set()
    trades: list[int] = []
    for report in run.reports:
        assert isinstance(report, FillReported | OrderReported)
        order = run.orders[report.client_order_id]
        assert order.client_order_id not in ended, "reported after its end"
        if isinstance(report, FillReported):
            assert order.client_order_id in opened, "filled before it was taken"
            assert report.quantity > 0
            assert report.fee == report.price * report.quantity * (MAKER if report.maker else TAKER)
            assert not (report.maker and not order.kind.priced), "only a limit price can rest"
            assert_no_worse_than_limit(order, report)
            executed[order.client_order_id] += report.quantity
            held[order.position_side] += report.quantity if order.purpose.opening else -report.quantity
            trades.append(int(report.trade_id))
        elif report.status is OrderStatus.OPEN:
            opened.add(order.client_order_id)
        else:
            ended.add(order.client_order_id)
            assert report.executed == executed[order.client_order_id]
            assert (report.status is OrderStatus.FILLED) == (report.executed == order.quantity)
    assert all(executed[order_id] <= order.quantity for order_id, order in run.orders.items())
    assert trades == list(range(1, len(trades) + 1))
    assert all(run.book.held(SYMBOL, side) == held[side] for side in PositionSide)
    for order_id in opened:
        assert list(run.book.query(order_id) or ()) == [
            r for r in run.reports if isinstance(r, FillReported | OrderReported) and r.client_order_id == order_id
        ]


def assert_no_worse_than_limit(order: ApprovedOrder, fill: FillReported) -> None:
    if order.kind.priced and order.price is not None:
        better = fill.price <= order.price if order.side == "BUY" else fill.price >= order.price
        assert better, "filled at a price that its limit forbids"


@given(actions(bars()), st.lists(st.one_of(st.none(), orders()), max_size=15))
def test_bars_conserve_everything(script: list[tuple[str, Any]], answers: list[dict[str, Any]]) -> None:
    run = Run(script, answers)

    check(run)
    bars_played = {number: what for number, (kind, what) in enumerate(script) if kind == MOVE}
    for report in run.reports:
        if isinstance(report, FillReported):
            _, high, low, _ = bars_played[report.time_ms]
            assert low * D("0.9997") <= report.price <= high * D("1.0003"), "filled at a price that the bar never saw"


@given(actions(PRICES), st.one_of(st.none(), QUANTITIES))
def test_single_prices_conserve_everything(script: list[tuple[str, Any]], most: Decimal | None) -> None:
    run = Run(script, [], max_fill_quantity=most)

    check(run)
    assert all(most is None or r.quantity <= most for r in run.reports if isinstance(r, FillReported))


@given(st.one_of(actions(bars()), actions(PRICES)), st.lists(orders(), max_size=15))
def test_the_same_history_gives_the_same_reports(script: list[tuple[str, Any]], answers: list[dict[str, Any]]) -> None:
    first, second = Run(script, answers), Run(script, answers)

    assert msgspec.json.encode(first.reports) == msgspec.json.encode(second.reports)
