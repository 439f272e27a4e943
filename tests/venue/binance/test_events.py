"""What the user stream's messages lead to, whatever their form, order and number."""

import itertools
import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import pytest

from contracts.enums import FillOrigin, OrderKind, OrderStatus, PositionSide, Refusal, Side
from shared.clock import ManualClock
from tests.venue.binance.makers import entry, stop_of
from tradeengine.domain.inputs import FillReported, OrderReported
from tradeengine.venue.base import Report
from tradeengine.venue.binance.doubts import DoubtKind, Doubts
from tradeengine.venue.binance.events import EventReader, Notice
from tradeengine.venue.binance.links import OrderLinks
from tradeengine.venue.binance.trades import MOST_OF_OTHERS, TradeLog

OWN = "te-j-0-1o"
STOP = "te-j-0-2s"
T = 1568879465650


class Desk:
    """An event reader with all that it shares."""

    def __init__(self, *, hedge: bool = True) -> None:
        self.clock = ManualClock(1_000)
        self.links, self.trades, self.doubts = OrderLinks(), TradeLog(), Doubts()
        self.notices: list[Notice] = []
        self.events = EventReader(
            self.clock, self.links, self.trades, self.doubts, hedge=hedge, on_notice=self.notices.append
        )

    def hear(self, *payloads: dict[str, Any]) -> list[Report]:
        return [report for payload in payloads for report in self.events.read(payload)]

    def doubted(self) -> list[DoubtKind]:
        return [doubt.kind for doubt in self.doubts.overdue(self.clock.monotonic(), 0)]


def order_update(**fields: Any) -> dict[str, Any]:
    """As Binance docs, "Event: Order Update", print it."""
    row = {
        "s": "BTCUSDT", "c": OWN, "S": "BUY", "o": "MARKET", "f": "GTC", "q": "0.010", "p": "0", "ap": "0", "sp": "0",
        "x": "NEW", "X": "NEW", "i": 8886774, "l": "0", "z": "0", "L": "0", "N": "USDT", "n": "0", "T": T, "t": 0,
        "b": "0", "a": "9.91", "m": False, "R": False, "wt": "CONTRACT_PRICE", "ot": "MARKET", "ps": "LONG",
        "cp": False, "pP": False, "si": 0, "ss": 0, "rp": "0", "V": "EXPIRE_TAKER", "pm": "NONE", "gtd": 0, "er": "0",
        "st": 1, "something_new": {"of": "tomorrow"},
    }  # fmt: skip
    return {"e": "ORDER_TRADE_UPDATE", "E": T + 1, "T": T, "o": row | fields}


def trade(number: int, quantity: str, executed: str, status: str = "PARTIALLY_FILLED", **fields: Any) -> dict[str, Any]:
    told = {"x": "TRADE", "X": status, "t": number, "l": quantity, "z": executed, "L": "50000.1", "n": "0.25"}
    return order_update(**(told | fields))


def algo_update(state: str, **fields: Any) -> dict[str, Any]:
    """As Binance docs, "Event: Algo Order Update", print it."""
    row = {
        "caid": STOP, "aid": 2148719, "at": "CONDITIONAL", "o": "STOP_MARKET", "s": "BTCUSDT", "S": "SELL",
        "ps": "LONG", "f": "GTC", "q": "0.01", "X": state, "ai": "", "tp": "49000", "p": "0", "V": "EXPIRE_MAKER",
        "wt": "MARK_PRICE", "pm": "NONE", "cp": False, "pP": False, "R": False, "tt": 0, "gtd": 0, "rm": "",
    }  # fmt: skip
    return {"e": "ALGO_UPDATE", "T": T, "E": T + 6, "o": row | fields}


def fills(reports: Iterable[Report]) -> list[FillReported]:
    return [report for report in reports if isinstance(report, FillReported)]


def states(reports: Iterable[Report]) -> list[tuple[str, OrderStatus, Decimal | None]]:
    return [
        (report.client_order_id, report.status, report.executed)
        for report in reports
        if isinstance(report, OrderReported)
    ]


def test_an_order_opens_fills_in_parts_and_ends() -> None:
    desk = Desk()
    told = desk.hear(order_update(), trade(501, "0.006", "0.006"), trade(502, "0.004", "0.010", "FILLED"))
    assert [(fill.trade_id, fill.quantity, fill.price, fill.fee) for fill in fills(told)] == [
        ("501", Decimal("0.006"), Decimal("50000.1"), Decimal("0.25")),
        ("502", Decimal("0.004"), Decimal("50000.1"), Decimal("0.25")),
    ]
    assert {(fill.client_order_id, fill.position_side, fill.side) for fill in fills(told)} == {
        (OWN, PositionSide.LONG, Side.BUY)
    }
    assert states(told) == [
        (OWN, OrderStatus.OPEN, None),
        (OWN, OrderStatus.FILLED, Decimal("0.010")),
    ]
    assert not desk.doubts


def test_i55_a_market_order_that_expires_reports_what_it_executed() -> None:
    desk = Desk()
    told = desk.hear(
        trade(501, "0.006", "0.006"), order_update(x="EXPIRED", X="EXPIRED", z="0.006", er="9", l="0", t=0)
    )
    assert states(told)[-1] == (OWN, OrderStatus.EXPIRED, Decimal("0.006"))
    ended = told[-1]
    assert isinstance(ended, OrderReported)
    assert ended.reason == "rest of a market order"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("CANCELED", OrderStatus.CANCELLED),
        ("EXPIRED", OrderStatus.EXPIRED),
        ("EXPIRED_IN_MATCH", OrderStatus.EXPIRED),
        ("REJECTED", OrderStatus.REJECTED),
    ],
)
def test_every_end_is_told_once_and_nothing_goes_back(status: str, expected: OrderStatus) -> None:
    desk = Desk()
    ended = order_update(x=status, X=status)
    told = desk.hear(ended, ended, order_update())
    assert states(told) == [(OWN, expected, Decimal(0))]


def test_every_order_of_the_same_messages_tells_the_same() -> None:
    messages = [
        order_update(),
        trade(501, "0.004", "0.004"),
        trade(502, "0.004", "0.008"),
        trade(503, "0.002", "0.010", "FILLED"),
    ]
    for order in itertools.permutations(messages):
        desk = Desk()
        told = desk.hear(*order, *order)
        assert sorted(fill.trade_id for fill in fills(told)) == ["501", "502", "503"]
        assert [state for state in states(told) if state[1].terminal] == [(OWN, OrderStatus.FILLED, Decimal("0.010"))]
        assert not desk.doubts, order


def test_i58_figures_may_come_as_numbers_and_with_exponents() -> None:
    text = json.dumps(trade(501, "0.006", "0.006"))
    for written in ('"L": 50000.1', '"L": "5.00001E+4"', '"L": "50000.10"'):
        payload = json.loads(text.replace('"L": "50000.1"', written), parse_float=Decimal)
        assert [fill.price for fill in fills(Desk().hear(payload))] == [Decimal("50000.1")]


@pytest.mark.parametrize("absent", ["delete", "null", "empty"])
def test_optional_fields_may_be_absent_null_or_empty(absent: str) -> None:
    payload = trade(501, "0.006", "0.006")
    for name in ("V", "pm", "N", "n", "gtd", "er", "pP", "si", "ss", "rp", "sp", "AP", "cr", "R", "m"):
        if absent == "delete":
            payload["o"].pop(name, None)
        else:
            payload["o"][name] = None if absent == "null" else ""
    (fill,) = fills(Desk().hear(payload))
    assert (fill.fee, fill.fee_asset, fill.maker) == (Decimal(0), "", False)


@pytest.mark.parametrize("name", ["s", "c", "S", "X", "i", "z", "T", "L", "ps", "t"])
def test_a_message_without_what_it_must_have_is_a_doubt_and_loses_nothing(name: str) -> None:
    desk = Desk()
    broken = trade(501, "0.006", "0.006")
    del broken["o"][name]
    assert desk.hear(broken) == []
    assert desk.doubted() == [DoubtKind.MESSAGE]
    assert len(fills(desk.hear(trade(501, "0.006", "0.006")))) == 1


@pytest.mark.parametrize("payload", [{}, {"e": 5}, {"e": "TRADE_LITE"}, {"e": "ACCOUNT_UPDATE"}, {"e": "ALGO_UPDATE"}])
def test_nonsense_is_survived(payload: dict[str, Any]) -> None:
    assert Desk().hear(payload) == []


@pytest.mark.parametrize(
    ("client_id", "origin"),
    [
        ("autoclose-1234", FillOrigin.LIQUIDATION),
        ("adl_autoclose", FillOrigin.ADL),
        ("settlement_autoclose-77", FillOrigin.SETTLEMENT),
        ("delivery_autoclose-77", FillOrigin.SETTLEMENT),
    ],
)
@pytest.mark.parametrize("execution", ["TRADE", "CALCULATED"])
def test_orders_that_nobody_sent_are_told_with_their_origin(client_id: str, origin: FillOrigin, execution: str) -> None:
    desk = Desk()
    nothing = trade(0, "0", "0", "NEW", c=client_id, S="SELL", x="CALCULATED")
    told = desk.hear(nothing, trade(900, "0.010", "0.010", "FILLED", c=client_id, S="SELL", x=execution))
    assert [(fill.trade_id, fill.origin, fill.client_order_id) for fill in fills(told)] == [("900", origin, client_id)]
    assert states(told) == []
    assert not desk.doubts


def test_an_execution_without_a_trade_id_is_read_back() -> None:
    desk = Desk()
    assert fills(desk.hear(trade(0, "0.010", "0.010", "FILLED", c="autoclose-1", x="CALCULATED"))) == []
    assert DoubtKind.TRADE in desk.doubted()


STOP_LIFE: Sequence[dict[str, Any]] = (
    algo_update("NEW"),
    algo_update("TRIGGERING"),
    algo_update("TRIGGERED", ai="1002", ap="0", aq="0", act="MARKET"),
    order_update(i=1002, c="generated", S="SELL", ot="STOP_MARKET"),
    trade(503, "0.010", "0.010", "FILLED", i=1002, c="generated", S="SELL", rp="-10.0"),
    algo_update("FINISHED", ai="1002", ap="49000", aq="0.010", act="MARKET"),
)


@pytest.mark.parametrize("client_id", ["generated", STOP])
def test_what_a_stop_became_is_told_under_its_own_id_in_every_order(client_id: str) -> None:
    life = [json.loads(json.dumps(payload).replace("generated", client_id)) for payload in STOP_LIFE]
    for order in itertools.permutations(life):
        desk = Desk()
        told = desk.hear(*order)
        assert [(fill.client_order_id, fill.trade_id) for fill in fills(told)] == [(STOP, "503")], order
        assert [state for state in states(told) if state[1].terminal] == [
            (STOP, OrderStatus.FILLED, Decimal("0.010"))
        ], order
        assert not desk.doubts, order


def test_a_stop_whose_order_ended_unfilled_ends_as_that_order_did_in_every_order() -> None:
    life = [
        algo_update("TRIGGERED", ai="1002", aq="0"),
        order_update(i=1002, c="generated", S="SELL", x="EXPIRED", X="EXPIRED"),
        algo_update("FINISHED", ai="1002", aq="0"),
    ]
    for order in itertools.permutations(life):
        desk = Desk()
        told = desk.hear(*order)
        assert [state for state in states(told) if state[1].terminal] == [(STOP, OrderStatus.EXPIRED, Decimal(0))]
        assert not desk.doubts, order


def test_a_finished_stop_whose_order_said_nothing_is_in_doubt() -> None:
    desk = Desk()
    desk.hear(algo_update("FINISHED", ai="1002", aq="0.010"))
    assert set(desk.doubted()) == {DoubtKind.SUM, DoubtKind.END}


@pytest.mark.parametrize(
    ("state", "reason", "status", "refusal"),
    [
        ("CANCELED", "", OrderStatus.CANCELLED, None),
        ("EXPIRED", "", OrderStatus.EXPIRED, None),
        ("REJECTED", "Reduce Only reject", OrderStatus.REJECTED, Refusal.NO_POSITION),
        ("REJECTED", "Margin is insufficient", OrderStatus.REJECTED, Refusal.NO_MARGIN),
        ("REJECTED", "whatever", OrderStatus.REJECTED, Refusal.OTHER),
        ("FINISHED", "", OrderStatus.CANCELLED, None),
    ],
)
def test_a_stop_that_never_became_an_order_ends(
    state: str, reason: str, status: OrderStatus, refusal: Refusal | None
) -> None:
    told = Desk().hear(algo_update("NEW"), algo_update(state, rm=reason, aq="0"))
    (opened, ended) = told
    assert isinstance(opened, OrderReported)
    assert isinstance(ended, OrderReported)
    assert (opened.status, opened.venue_order_id) == (OrderStatus.OPEN, "2148719")
    assert (ended.status, ended.executed, ended.refusal) == (status, Decimal(0), refusal)


def test_a_foreign_trade_waits_until_it_is_known_to_be_foreign() -> None:
    desk = Desk()
    assert desk.hear(trade(700, "0.010", "0.010", "FILLED", c="web_abc", i=4711)) == []
    assert desk.doubted() == [DoubtKind.TRADE]
    assert desk.events.unexplained("BTCUSDT") == [4711]
    desk.links.remember("BTCUSDT", 4711, "web_abc")
    told = desk.events.truth_was_read("BTCUSDT", desk.clock.monotonic())
    assert [(fill.client_order_id, fill.trade_id) for fill in fills(told)] == [("web_abc", "700")]
    assert states(told) == []
    assert not desk.doubts


def test_an_order_of_this_process_is_its_own_whatever_it_is_called() -> None:
    desk = Desk(hedge=False)
    order = entry(client_order_id="anything", side=PositionSide.SHORT)
    desk.links.sent(order, 0)
    told = desk.hear(trade(1, "0.010", "0.010", "FILLED", c="anything", ps="BOTH", S="SELL"))
    assert [(fill.client_order_id, fill.position_side) for fill in fills(told)] == [("anything", PositionSide.SHORT)]


@pytest.mark.parametrize(
    ("side", "fields", "expected"),
    [
        ("BUY", {}, PositionSide.LONG),
        ("SELL", {}, PositionSide.SHORT),
        ("SELL", {"R": True}, PositionSide.LONG),
        ("BUY", {"rp": "-1.5"}, PositionSide.SHORT),
    ],
)
def test_in_one_way_mode_the_leg_follows_from_what_the_trade_did(
    side: str, fields: dict[str, Any], expected: PositionSide
) -> None:
    told = Desk(hedge=False).hear(trade(1, "0.010", "0.010", "FILLED", ps="BOTH", S=side, **fields))
    assert [fill.position_side for fill in fills(told)] == [expected]


def trade_lite(number: int) -> dict[str, Any]:
    return {
        "e": "TRADE_LITE", "E": T, "T": T, "s": "BTCUSDT", "q": "0.010", "p": "0", "m": False, "c": OWN, "S": "BUY",
        "L": "50000.1", "l": "0.010", "t": number, "i": 8886774,
    }  # fmt: skip


def account_update(*legs: str, why: str = "ORDER") -> dict[str, Any]:
    rows = [
        {"s": "BTCUSDT", "pa": "0", "ep": "0", "bep": 0, "up": "0", "mt": "cross", "iw": "0", "ps": leg} for leg in legs
    ]
    return {"e": "ACCOUNT_UPDATE", "E": T, "T": T, "a": {"m": why, "B": [], "P": rows}}


def test_a_swallowed_fill_shows_by_each_of_its_witnesses() -> None:
    fill = trade(501, "0.010", "0.010", "FILLED")
    witnesses = {
        DoubtKind.TRADE: trade_lite(501),
        DoubtKind.LEG: account_update("LONG", "SHORT"),
        DoubtKind.SUM: trade(502, "0.001", "0.011"),
    }
    for kind, witness in witnesses.items():
        desk = Desk()
        desk.hear(witness)
        assert desk.doubted() == [kind]
        desk.hear(fill)
        assert not desk.doubts
        desk = Desk()
        desk.hear(fill, witness)
        assert not desk.doubts, "the witness may come after what it bears witness to"


def test_changes_of_the_account_that_no_order_made_raise_no_doubt() -> None:
    desk = Desk()
    desk.hear(account_update("LONG", why="FUNDING_FEE"), account_update("BOTH"), account_update())
    assert not desk.doubts
    assert [notice.event for notice in desk.notices] == ["ACCOUNT_UPDATE"] * 3


@pytest.mark.parametrize("event", ["ACCOUNT_CONFIG_UPDATE", "MARGIN_CALL"])
def test_news_of_the_account_are_passed_on(event: str) -> None:
    desk = Desk()
    payload = {"e": event, "E": T, "T": T, "ac": {"s": "BTCUSDT", "l": 25}}
    assert desk.hear(payload) == []
    assert desk.notices == [Notice(event, payload)]


def test_silence_about_an_order_that_was_taken_is_a_doubt_of_the_stream() -> None:
    desk = Desk()
    order, stop = entry(client_order_id=OWN), stop_of(client_order_id=STOP)
    assert stop.kind is OrderKind.STOP_MARKET
    for sent in (order, stop):
        desk.links.sent(sent, 0)
        desk.events.expect(sent)
    assert desk.doubted() == [DoubtKind.SILENCE] * 2
    desk.hear(order_update(), algo_update("NEW"))
    assert not desk.doubts
    desk.events.expect(order)
    assert not desk.doubts, "the stream may be quicker than the answer"


def test_only_a_new_connection_settles_the_doubt_of_the_stream_itself() -> None:
    desk = Desk()
    order = entry(client_order_id=OWN)
    desk.links.sent(order, 0)
    desk.events.expect(order)
    desk.events.truth_was_read("BTCUSDT", desk.clock.monotonic())
    assert desk.doubted() == [DoubtKind.SILENCE], "looks at the exchange would hide a deaf stream"
    desk.events.truth_was_read("BTCUSDT", desk.clock.monotonic(), connected=True)
    assert not desk.doubts


def test_reading_the_trades_back_settles_what_was_doubted_before_and_nothing_after() -> None:
    desk = Desk()
    desk.hear(trade_lite(501))
    began = desk.clock.monotonic()
    desk.clock.set(2_000)
    desk.hear(trade_lite(502))
    desk.events.truth_was_read("BTCUSDT", began)
    assert [doubt.what for doubt in desk.doubts.overdue(9, 0)] == ["502"]


def test_an_order_that_executed_before_the_process_started_is_doubted_once() -> None:
    desk = Desk()
    desk.hear(trade(502, "0.004", "0.010"))
    assert desk.doubted() == [DoubtKind.SUM]
    desk.events.truth_was_read("BTCUSDT", desk.clock.monotonic())
    desk.hear(trade(503, "0.004", "0.014"))
    assert not desk.doubts


def test_what_a_sink_does_not_take_counts_as_never_told() -> None:
    desk = Desk()
    message = trade(501, "0.010", "0.010", "FILLED")
    taken: list[Report] = []

    def full(report: Report) -> None:
        if len(taken) == 1:
            raise RuntimeError("full")
        taken.append(report)

    with pytest.raises(RuntimeError, match="full"):
        desk.events.tell(desk.hear(message), full)
    (fill,) = fills(taken)
    assert fill.trade_id == "501"
    assert [link.client_order_id for link in desk.links.open()] == [OWN], "its end has still to be told"
    again = desk.hear(message)
    assert fills(again) == []
    assert states(again) == [(OWN, OrderStatus.FILLED, Decimal("0.010"))]


def test_memories_are_bounded() -> None:
    links = OrderLinks(limit=10)
    for number in range(100):
        links.remember("BTCUSDT", number, f"te-j-0-{number}o")
        links.end(f"te-j-0-{number}o")
    assert links.client_order_id("BTCUSDT", 99) == "te-j-0-99o"
    assert links.client_order_id("BTCUSDT", 1) is None
    desk = Desk()
    for number in range(3_000):
        desk.hear(order_update(c="web", i=number))
    assert len(desk.events.unexplained("BTCUSDT")) == 1_000


def test_a_trade_is_told_once_and_a_told_one_proves_nothing_of_those_before() -> None:
    log = TradeLog()
    log.books_know("BTCUSDT", 10)
    assert log.first("BTCUSDT", 12)
    assert not log.first("BTCUSDT", 12)
    assert not log.first("BTCUSDT", 10)
    log.books_know("BTCUSDT", 12)
    assert log.complete_to("BTCUSDT") == 10
    assert log.first("BTCUSDT", 11)
    log.confirm("BTCUSDT", 12)
    assert log.complete_to("BTCUSDT") == 12
    assert not log.first("BTCUSDT", 11)


def test_of_symbols_whose_books_others_keep_only_the_newest_trades_are_remembered() -> None:
    log = TradeLog()
    log.books_know("BTCUSDT", None)
    most = 3 * MOST_OF_OTHERS
    for trade_id in range(most):
        assert log.first("BTCUSDT", trade_id)
        assert log.first("ETHUSDT", trade_id)
    assert all(log.knows("BTCUSDT", trade_id) for trade_id in range(most))
    remembered = [trade_id for trade_id in range(most) if log.knows("ETHUSDT", trade_id)]
    assert MOST_OF_OTHERS <= len(remembered) <= 2 * MOST_OF_OTHERS
    assert remembered == list(range(most - len(remembered), most))


def test_a_symbol_that_is_taken_over_begins_with_what_its_books_know_whatever_was_forgotten() -> None:
    log = TradeLog()
    for trade_id in range(3 * MOST_OF_OTHERS):
        log.first("ETHUSDT", trade_id)
    newest = 3 * MOST_OF_OTHERS - 1
    log.forget("ETHUSDT")
    log.books_know("ETHUSDT", newest - 1)
    assert not log.first("ETHUSDT", 0), "booked by who kept the books before"
    assert not log.first("ETHUSDT", newest - 1)
    assert log.first("ETHUSDT", newest), "told here while another kept the books, and not booked there"


def test_before_the_books_spoke_nothing_counts_as_complete() -> None:
    log = TradeLog()
    assert log.first("BTCUSDT", 500)
    log.confirm("BTCUSDT", 500)
    log.books_know("BTCUSDT", 400)
    assert log.complete_to("BTCUSDT") == 400
    assert log.first("BTCUSDT", 450)
    assert not log.first("BTCUSDT", 500)
