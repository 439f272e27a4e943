"""What becomes of a signal, as its strategy is told."""

import json
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given

from contracts.enums import EventType, OrderPurpose, OrderStatus, Outcome
from tests.publication.reading import event_of, events_of, kinds, only, terminals, told, translated
from tests.support.builders import LONG, SHORT, instrument
from tests.support.records import Move, RecordedWorld, histories, play
from tradeengine.domain.events import SignalDecided
from tradeengine.domain.state import ENDED_ENTRIES
from tradeengine.journal.record import decode, encode
from tradeengine.publication.ledger import Ledger, pack, unpack
from tradeengine.publication.translate import messages_of

E = EventType


def world(**config: Any) -> RecordedWorld:
    """Make a world whose positions have a stop and a target."""
    terms = {"stop_loss_pct": "0.02", "take_profit_pct": "0.04"}
    return RecordedWorld(instrument(), **terms | config)


def test_a_market_order_is_told_from_its_signal_to_its_close() -> None:
    made = world()
    entry = made.order("buy", quantity="2", signal_id="s1", carried={"decision_id": "d1"})
    made.report(entry, OrderStatus.OPEN, venue_order_id="77")
    made.fill(entry, "100", "0.5", fee="0.02")
    made.fill(entry, "101", "1.5", fee="0.06")
    events = told(made)
    assert kinds(events) == [E.ACCEPTED, E.PLACED, E.PARTIAL_FILL, E.POSITION_OPENED, E.FILLED]
    assert all(event["decision_id"] == "d1" for event in events)
    assert all(event["signal_id"] == "s1" for event in events)
    assert [event.get("terminal") for event in events] == [None, None, None, None, True]
    first, last = only(events, E.PARTIAL_FILL), only(events, E.FILLED)
    assert (first["fill_qty"], first["fill_price"], first["fee"], first["fee_asset"]) == ("0.5", "100", "0.02", "USDT")
    assert (first["pnl"], first["pnl_net"]) == ("0", "-0.02")
    assert (last["qty"], last["fill_qty"], last["order_id"]) == ("2", "1.5", "77")
    assert last["client_order_id"] == entry.client_order_id
    assert last["position_id"] == only(events, E.POSITION_OPENED)["position_id"]


def test_a_stop_is_told_as_placed_and_its_fill_names_the_decision_and_no_signal() -> None:
    made = world()
    made.trade("buy", "A", "100", "1", signal_id="s1", carried={"decision_id": "d1"})
    stop, target = made.resting(OrderPurpose.STOP_LOSS), made.resting(OrderPurpose.TAKE_PROFIT)
    made.take(stop, target)
    made.fill(stop, "98", fee="0.05")
    made.honour_cancels()
    events = told(made)
    assert kinds(events)[-4:] == [E.PROTECTION_PLACED, E.PROTECTION_PLACED, E.FILLED, E.POSITION_CLOSED]
    exit_fill = only(events, E.FILLED, client_order_id=stop.client_order_id)
    assert "signal_id" not in exit_fill
    assert "terminal" not in exit_fill
    assert (exit_fill["decision_id"], exit_fill["close_reason"]) == ("d1", "stop_loss")
    assert (exit_fill["pnl"], exit_fill["pnl_net"]) == ("-2", "-2.05")
    closed = only(events, E.POSITION_CLOSED)
    assert (closed["qty"], closed["price"], closed["pnl"], closed["pnl_net"]) == ("1", "98", "-2", "-2.05")
    assert (closed["signal_id"], closed["decision_id"], closed["close_reason"]) == ("s1", "d1", "stop_loss")
    assert terminals(events) == {("A", "BTCUSDT", "s1"): 1}
    placed = only(events, E.PROTECTION_PLACED, client_order_id=stop.client_order_id)
    assert placed["price"] == "98"


def test_a_fill_that_comes_before_the_venues_answer_is_told_after_the_order_and_with_its_decision() -> None:
    made = world()
    entry = made.order("buy", quantity="1", signal_id="s1", carried={"decision_id": "d1"})
    made.fill(entry, "100")
    made.report(entry, OrderStatus.OPEN, venue_order_id="77")
    events = told(made)
    assert kinds(events) == [E.ACCEPTED, E.PLACED, E.FILLED, E.POSITION_OPENED]
    assert only(events, E.FILLED)["decision_id"] == "d1"
    assert only(events, E.PLACED)["order_id"] is None


@pytest.mark.parametrize(
    ("carried", "expected"),
    [({}, "s1"), ({"decision_id": None}, "s1"), ({"decision_id": ""}, "s1"), ({"decision_id": 7}, "7")],
)
def test_a_decision_without_an_id_of_its_own_has_the_signals(carried: dict[str, object], expected: str) -> None:
    made = world()
    made.signal("hold", signal_id="s1", carried=carried)
    (held,) = told(made)
    assert (held["event_type"], held["decision_id"], held["terminal"]) == (E.HELD, expected, True)


def test_a_refused_signal_says_which_stage_and_why() -> None:
    made = world(min_confidence="0.8")
    made.signal("buy", quantity="1", signal_id="s1", confidence="0.1")
    (event,) = told(made)
    assert (event["event_type"], event["terminal"]) == (E.REJECTED, True)
    assert (event["rejection_source"], event["rejection_reason"]) == ("validation", "low_confidence")
    assert "0.1 is below" in event["reason"]


def test_a_copy_is_told_as_a_duplicate_and_ends_nothing() -> None:
    made = world()
    entry = made.order("buy", quantity="1", signal_id="s1")
    made.signal("buy", quantity="1", signal_id="s1")
    made.fill(entry, "100")
    events = told(made)
    assert kinds(events)[:2] == [E.ACCEPTED, E.DUPLICATE]
    assert events[1]["rejection_reason"] == "duplicate_signal"
    assert terminals(events) == {("A", "BTCUSDT", "s1"): 1}


@pytest.mark.parametrize(
    ("status", "fields", "kind", "expected"),
    [
        (OrderStatus.REJECTED, {"refusal": "no_margin", "reason": "-2019"}, E.REJECTED, ("venue", "no_margin")),
        (OrderStatus.REJECTED, {"refusal": "other", "reason": "?"}, E.REJECTED, ("venue", "other")),
        (OrderStatus.REJECTED, {"reason": "could not be sent"}, E.REJECTED, ("engine", "other")),
        (OrderStatus.EXPIRED, {"reason": "IOC"}, E.EXPIRED, None),
        (OrderStatus.CANCELLED, {"reason": "by hand"}, E.CANCELLED, None),
    ],
)
def test_an_order_that_ends_unfilled_ends_its_signal_as_the_venue_says(
    status: OrderStatus, fields: dict[str, str], kind: EventType, expected: tuple[str, str] | None
) -> None:
    made = world()
    entry = made.order("buy", quantity="1", signal_id="s1", order_type="limit", price="100")
    made.report(entry, status, executed="0", **fields)
    events = told(made)
    assert kinds(events) == [E.ACCEPTED, kind]
    assert (events[-1]["terminal"], events[-1]["reason"], events[-1]["fill_qty"]) == (True, fields["reason"], "0")
    found = (events[-1].get("rejection_source"), events[-1].get("rejection_reason"))
    assert found == (expected or (None, None))


def test_an_order_that_ended_partly_filled_ends_its_signal_after_its_last_fill() -> None:
    made = world()
    entry = made.order("buy", quantity="1", signal_id="s1", order_type="limit", price="100")
    made.fill(entry, "100", "0.2")
    made.report(entry, OrderStatus.CANCELLED, executed="0.5")
    assert terminals(told(made)) == {}
    made.fill(entry, "100", "0.3")
    events = told(made)
    assert kinds(events) == [E.ACCEPTED, E.PLACED, E.PARTIAL_FILL, E.POSITION_OPENED, E.PARTIAL_FILL, E.CANCELLED]
    assert (events[-1]["terminal"], events[-1]["qty"], events[-1]["fill_qty"]) == (True, "1", "0.5")


def test_a_fill_after_the_end_is_told_and_ends_nothing_again() -> None:
    made = world()
    entry = made.order("buy", quantity="1", signal_id="s1", order_type="limit", price="100")
    made.report(entry, OrderStatus.CANCELLED, executed="0")
    made.fill(entry, "100", "1")
    events = told(made)
    assert kinds(events) == [E.ACCEPTED, E.CANCELLED, E.PLACED, E.FILLED, E.POSITION_OPENED]
    assert events[3]["signal_id"] == "s1"
    assert terminals(events) == {("A", "BTCUSDT", "s1"): 1}


def test_a_signal_with_several_orders_ends_with_the_last_of_them() -> None:
    made = RecordedWorld(instrument(market_max_quantity="1"))
    for number in range(3):
        made.trade("buy", "A", "100", "1", signal_id=f"in-{number}")
    decision = made.signal("close", signal_id="out")
    assert len(decision.orders) == 3
    orders = [made.state.orders[order_id].order for order_id in decision.orders]
    made.fill(orders[1], "110")
    made.refuse(orders[0], "other")
    assert ("A", "BTCUSDT", "out") not in terminals(told(made))
    made.fill(orders[2], "110")
    events = told(made)
    own = [event for event in events if event.get("signal_id") == "out"]
    assert kinds(own) == [E.ACCEPTED, E.PLACED, E.FILLED, E.REJECTED, E.PLACED, E.FILLED]
    assert [event.get("terminal") for event in own] == [None] * 5 + [True]


def test_a_close_that_only_cancels_an_entry_ends_at_once() -> None:
    made = world()
    entry = made.order("buy", quantity="1", signal_id="s1", order_type="limit", price="100")
    made.signal("close", signal_id="s2")
    made.honour_cancels()
    events = told(made)
    assert kinds(events) == [E.ACCEPTED, E.ACCEPTED, E.CANCELLED]
    assert (events[1]["signal_id"], events[1]["terminal"]) == ("s2", True)
    assert (events[2]["signal_id"], events[2]["reason"]) == ("s1", "closed by signal")
    assert events[2]["client_order_id"] == entry.client_order_id


def test_a_stop_that_is_refused_is_told_and_so_is_the_close_that_follows() -> None:
    made = world()
    made.trade("buy", "A", "100", "1", signal_id="s1", carried={"decision_id": "d1"})
    made.take(made.resting(OrderPurpose.TAKE_PROFIT))
    made.refuse(made.resting(OrderPurpose.STOP_LOSS), "not_allowed", reason="-2015")
    flatten = made.resting(OrderPurpose.FLATTEN)
    made.fill(flatten, "99")
    events = told(made)
    failed = only(events, E.PROTECTION_FAILED)
    assert (failed["rejection_source"], failed["rejection_reason"], failed["reason"]) == (
        "venue",
        "not_allowed",
        "-2015",
    )
    assert "terminal" not in failed
    assert kinds(events)[-3:] == [E.FILLED, E.POSITION_FORCE_CLOSED_NO_STOPS, E.POSITION_CLOSED]
    assert only(events, E.POSITION_CLOSED)["close_reason"] == "emergency"
    assert "pnl" not in only(events, E.POSITION_FORCE_CLOSED_NO_STOPS)
    assert all(event["decision_id"] == "d1" for event in events)


def test_stops_that_the_engine_takes_away_are_no_failures() -> None:
    made = world()
    made.trade("buy", "A", "100", "1", signal_id="s1")
    made.take(made.resting(OrderPurpose.STOP_LOSS), made.resting(OrderPurpose.TAKE_PROFIT))
    made.trade("close", "A", "103", signal_id="s2")
    made.honour_cancels()
    events = told(made)
    assert E.PROTECTION_FAILED not in kinds(events)
    assert E.CANCELLED not in kinds(events)


def test_a_retried_close_keeps_the_decision_of_its_signal() -> None:
    made = world()
    made.trade("buy", "A", "100", "1", signal_id="s1", carried={"decision_id": "d1"})
    close = made.order("close", signal_id="s2", carried={"decision_id": "d2"})
    made.refuse(close, "other")
    made.pass_time(7_200_000)
    again = made.resting(OrderPurpose.CLOSE)
    made.fill(again, "101")
    events = told(made)
    refused = only(events, E.REJECTED)
    assert (refused["signal_id"], refused["terminal"], refused["decision_id"]) == ("s2", True, "d2")
    fill = only(events, E.FILLED, client_order_id=again.client_order_id)
    assert (fill["decision_id"], "signal_id" in fill) == ("d2", False)


def test_a_fee_in_another_asset_leaves_the_net_result_unknown() -> None:
    made = RecordedWorld()
    made.fill(made.order("buy", quantity="1"), "100", fee="0.001", fee_asset="BNB")
    made.fill(made.order("close"), "110", fee="0.05")
    events = told(made)
    first = only(events, E.FILLED, side="BUY")
    assert (first["fee"], first["fee_asset"], first["pnl"], first["pnl_net"]) == ("0.001", "BNB", "0", None)
    closed = only(events, E.POSITION_CLOSED)
    assert (closed["fee"], closed["fee_asset"], closed["pnl"], closed["pnl_net"]) == ("0.05", "USDT", "10", None)


def test_what_somebody_else_closes_is_told_to_each_strategy_with_its_share() -> None:
    made = RecordedWorld()
    made.trade("buy", "A", "100", "1", carried={"decision_id": "dA"})
    made.trade("buy", "B", "100", "3", carried={"decision_id": "dB"})
    made.foreign("SELL", LONG, "4", "90")
    made.foreign("SELL", SHORT, "1", "90")
    events = told(made)
    fills = [event for event in events if event.get("client_order_id") == "web_1"]
    assert [(event["strategy_id"], event["fill_qty"], event["pnl"], event.get("decision_id")) for event in fills] == [
        ("A", "1", "-10", "dA"),
        ("B", "3", "-30", "dB"),
        ("external", "1", "0", None),
    ]
    assert [event["strategy_id"] for event in events if event["event_type"] == E.POSITION_CLOSED] == ["A", "B"]


def test_a_name_that_returns_before_its_first_order_has_ended_ends_twice() -> None:
    made = world()
    first = made.order("buy", quantity="1", order_type="limit", price="90", signal_id="s1")
    made.now += 7_200_000
    made.signal("hold", signal_id="s2")
    second = made.order("buy", quantity="1", order_type="limit", price="80", signal_id="s1")
    for order in (second, first):
        made.report(order, OrderStatus.CANCELLED, executed="0")
    ends = [event["client_order_id"] for event in told(made) if event.get("terminal") and event["signal_id"] == "s1"]
    assert ends == [second.client_order_id, first.client_order_id]


def test_an_alert_is_published_with_what_it_is_about() -> None:
    made = RecordedWorld()
    for number in (1, 4):
        made.signal("hold", signal_id=f"s{number}", sequence=number)
    made.cut()
    (alert,) = [message for message in translated(made.records) if message.subject.startswith("alerts.")]
    assert alert.subject == "alerts.tradeengine.signal_gap.BTCUSDT"
    document = json.loads(alert.payload)
    assert (document["missing_from"], document["missing_to"]) == ("2", "3")
    assert (document["strategy_id"], document["symbol"], document["severity"]) == ("A", "BTCUSDT", "warning")


def test_ids_name_journal_shard_record_and_event() -> None:
    made = RecordedWorld(shard=3)
    made.cut()
    made.signal("hold", signal_id="s1")
    made.signal("hold", signal_id="s2")
    made.cut()
    messages = translated(made.records, shard=3)
    assert [message.id for message in messages] == ["test-3-2-0.1", "test-3-2-1.1"]


def test_a_record_that_does_not_follow_is_refused() -> None:
    made = RecordedWorld()
    made.signal("hold")
    made.cut()
    ledger = Ledger(shard=0)
    messages_of(ledger, made.records[0])
    with pytest.raises(ValueError, match="does not follow"):
        messages_of(ledger, made.records[0])


@given(histories)
def test_each_signal_ends_once_and_no_id_comes_twice(moves: list[Move]) -> None:
    made = world()
    play(made, moves)
    # What is left is brought to its end.
    for live in list(made.state.orders.values()):
        if live.order.client_order_id in made.state.orders:
            made.report(live.order, OrderStatus.CANCELLED, executed=live.filled)
    while made.state.orders:
        made.honour_cancels()
        for live in list(made.state.orders.values()):
            if live.order.client_order_id in made.state.orders and not live.cancelling:
                made.fill(live.order, "30000", live.remaining)
    if made.entries:
        made.cut()
    messages = translated(made.records)
    events = events_of(messages)
    # A name that returns after it was forgotten is a signal of its own.
    decided = Counter(
        (event.strategy_id, event.symbol, event.signal_id)
        for record in made.records
        for event in record.events()
        if isinstance(event, SignalDecided) and event.outcome is not Outcome.DUPLICATE
    )
    assert terminals(events) == decided
    assert len({message.id for message in messages}) == len(messages)
    for event in events:
        if event["event_type"] in (E.FILLED, E.PARTIAL_FILL) and "fill_qty" in event and "fee" in event:
            assert event["strategy_id"] == "external" or event["decision_id"]
            assert {"fee", "fee_asset", "pnl", "pnl_net"} <= event.keys()


@given(histories)
def test_a_ledger_that_was_kept_goes_on_as_the_one_that_kept_it(moves: list[Move]) -> None:
    made = world()
    records = [decode(encode(record)) for record in play(made, moves)]
    whole = translated(records)
    ledger, parts = Ledger(shard=0), []
    for record in records:
        parts += messages_of(ledger, record)
        kept = unpack(pack(ledger))
        assert kept == ledger
        ledger = kept
    assert parts == whole


@given(histories)
def test_fills_and_positions_add_up_to_the_books(moves: list[Move]) -> None:
    made = world()
    play(made, moves)
    events = events_of(translated(made.records))
    fills = [event for event in events if "fill_price" in event]
    totals = made.state.totals
    assert sum(Decimal(event["pnl"]) for event in fills) == totals.realized
    assert sum(Decimal(event["fee"]) for event in fills) == totals.fees


def test_a_ledger_remembers_ended_orders_within_bounds_and_forgets_what_is_closed() -> None:
    made = RecordedWorld()
    ledger = Ledger(shard=0)
    for number in range(ENDED_ENTRIES + 10):
        entry = made.order("buy", quantity="1", signal_id=f"s{number}", order_type="limit", price="100")
        made.report(entry, OrderStatus.CANCELLED, executed="0")
        messages_of(ledger, made.cut())
    assert len(ledger.ended) == ENDED_ENTRIES == len(made.state.ended)
    assert not ledger.orders
    assert not ledger.pending
    made.trade("buy", "A", "100", "1", signal_id="in")
    made.trade("close", "A", "100", signal_id="out")
    messages_of(ledger, made.cut())
    assert ledger.positions == {}


def test_a_ledger_of_another_version_is_made_anew() -> None:
    assert unpack(pack(Ledger(shard=0, version=99))) is None
    assert unpack(b"no ledger") is None


def test_the_payload_of_a_long_text_is_bounded() -> None:
    made = RecordedWorld()
    made.signal("hold", signal_id="s1", carried={"decision_id": "x" * 900_000})
    made.cut()
    (message,) = translated(made.records)
    assert len(message.payload) < 1_000
    assert event_of(message)["decision_id"] == "x" * 256
