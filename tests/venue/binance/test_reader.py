"""What is read from the exchange: in full or not at all, and no trade lost or told twice."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.enums import FillOrigin, OrderKind, OrderStatus, PositionSide, Side
from shared.errors import RetrySafe
from tests.support.deadline import PATIENCE_S
from tests.venue.binance.liar import Lie
from tests.venue.binance.live import Live, live
from tests.venue.binance.makers import entry, stop_of
from tests.venue.paper.makers import D
from tradeengine.domain.inputs import FillReported, VenueObserved, VenueOrder, VenuePosition
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.venue.base import Sight
from tradeengine.venue.binance.feed import AccountFeed

OWN = "te-j-0-1o"
READS = ("userTrades", "positionRisk", "openOrders", "openAlgoOrders", "time")


@pytest.fixture
async def rig() -> AsyncIterator[Live]:
    async with live() as made:
        yield made


@pytest.fixture
def feed(rig: Live) -> AccountFeed:
    """One that does not listen: all that it knows it reads."""
    return rig.feed()


async def observe(feed: AccountFeed, last: str | None = None) -> VenueObserved:
    """Read until the symbol stands still: where trades are found that nobody had told, that takes a second time."""
    for _ in range(3):
        if found := (await feed.observe({"BTCUSDT": last})).observed:
            return found[0]
    raise AssertionError("BTCUSDT does not stand still")


async def observed_at_last(feed: AccountFeed) -> None:
    """Ask until the exchange says all of it."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if (await feed.observe({"BTCUSDT": None})).observed:
                return


async def test_an_empty_account_is_seen_to_be_empty(feed: AccountFeed) -> None:
    observed = await observe(feed)
    assert (observed.symbol, observed.positions, observed.orders) == ("BTCUSDT", (), ())
    assert observed.asked_ms <= observed.time_ms


async def test_both_legs_and_all_kinds_of_orders_are_seen(rig: Live, feed: AccountFeed) -> None:
    await rig.trade("te-j-0-1o", "0.020")
    await rig.trade("te-j-0-2o", "0.030", "SELL", positionSide="SHORT")
    limit = await rig.trade("te-j-0-3o", "0.010", type="LIMIT", price="45000", timeInForce="GTC")
    stop = await rig.trade("te-j-0-4s", "0.020", "SELL", type="STOP_MARKET", triggerPrice="49000")
    observed = await observe(feed)
    assert observed.positions == (
        VenuePosition(position_side=PositionSide.LONG, quantity=D("0.020"), entry_price=D("50000.1")),
        VenuePosition(position_side=PositionSide.SHORT, quantity=D("0.030"), entry_price=D("49999.9")),
    )
    assert observed.orders == (
        VenueOrder(
            client_order_id="te-j-0-3o",
            venue_order_id=str(limit["orderId"]),
            side=Side.BUY,
            position_side=PositionSide.LONG,
            kind=OrderKind.LIMIT,
            quantity=D("0.010"),
            price=D(45000),
        ),
        VenueOrder(
            client_order_id="te-j-0-4s",
            venue_order_id=str(stop["algoId"]),
            side=Side.SELL,
            position_side=PositionSide.LONG,
            kind=OrderKind.STOP_MARKET,
            quantity=D("0.020"),
            trigger_price=D(49000),
        ),
    )


async def test_many_symbols_are_asked_for_at_once(rig: Live) -> None:
    feed = rig.feed()
    await rig.trade(OWN)
    await rig.moment()
    observed = (await feed.observe({"BTCUSDT": None, "ETHUSDT": None})).observed
    assert [(each.symbol, len(each.positions)) for each in observed] == [("BTCUSDT", 1), ("ETHUSDT", 0)]
    asked = [each for each in await rig.requests() if "positionRisk" in each["path"]]
    assert [each["parameters"].get("symbol") for each in asked] == [None]


@pytest.mark.parametrize(("side", "quantity"), [("BUY", "0.020"), ("SELL", "0.020")])
async def test_in_one_way_mode_the_sign_says_which_leg(side: str, quantity: str) -> None:
    async with live(dualSidePosition=False) as rig:
        feed = rig.feed(hedge=False)
        await rig.trade(OWN, quantity, side, positionSide="BOTH")
        observed = await observe(feed)
        leg = PositionSide.LONG if side == "BUY" else PositionSide.SHORT
        assert [(each.position_side, each.quantity) for each in observed.positions] == [(leg, D(quantity))]
        with pytest.raises(RetrySafe, match="mode"):
            await observe(rig.feed(hedge=True))


@pytest.mark.parametrize("lists", [True, False])
async def test_a_flat_leg_holds_nothing_whether_it_is_listed_or_not(lists: bool) -> None:
    async with live(options={"v3_lists_flat_leg": lists}) as rig:
        await rig.trade(OWN)
        observed = await observe(rig.feed())
        assert [each.position_side for each in observed.positions] == [PositionSide.LONG]


@pytest.mark.parametrize("effect", ["html_503", "drop_connection", "truncate", {"status": 200}, {"status": 400}])
@pytest.mark.parametrize("path", READS)
async def test_i106_what_was_not_answered_is_unknown_and_never_flat(
    rig: Live, feed: AccountFeed, path: str, effect: Any
) -> None:
    await rig.trade(OWN)
    await rig.moment()
    # The library repeats a GET by itself when the connection dies: the second time must fail as well.
    await rig.fault(effect, {"path": f"*/{path}"}, times=None)
    with pytest.raises(RetrySafe):
        await observe(feed)
    await rig.clear_faults()
    assert [each.quantity for each in (await observe(feed)).positions] == [D("0.010")]
    assert [fill[2] for fill in rig.fills()] == []


async def test_i47_an_exchange_without_conditional_orders_is_named(rig: Live) -> None:
    await rig.control("reset", {"options": {"algo_endpoints": False, "rate_limits": "off"}})
    feed = rig.feed()
    with pytest.raises(RetrySafe, match="openAlgoOrders"):
        await observe(feed)
    assert "conditional orders" in (feed.reader.trouble or "")


async def test_trades_since_the_last_one_that_the_books_know_are_told(rig: Live, feed: AccountFeed) -> None:
    for number in range(4):
        await rig.trade(f"te-j-0-{number}o")
    rows = await rig.client.futures_account_trades(symbol="BTCUSDT")
    await observe(feed, str(rows[1]["id"]))
    assert [(trade, owner) for _, trade, owner in rig.fills()] == [
        (str(rows[2]["id"]), "te-j-0-2o"),
        (str(rows[3]["id"]), "te-j-0-3o"),
    ]
    await observe(feed, str(rows[3]["id"]))
    assert len(rig.fills()) == 2


async def test_a_told_fill_is_what_the_exchange_says_of_it(rig: Live, feed: AccountFeed) -> None:
    await observe(feed)
    await rig.trade(OWN)
    await observe(feed)
    (fill,) = [report for report in rig.told if isinstance(report, FillReported)]
    assert (fill.side, fill.position_side, fill.quantity, fill.price) == (
        Side.BUY,
        PositionSide.LONG,
        D("0.010"),
        D("50000.1"),
    )
    assert (fill.fee, fill.fee_asset, fill.maker, fill.origin) == (D("0.2500005"), "USDT", False, FillOrigin.ORDER)


async def test_of_a_symbol_without_a_known_trade_only_what_happens_from_now_on_counts(
    rig: Live, feed: AccountFeed
) -> None:
    await rig.trade("web_before")
    await rig.moment()
    assert (await observe(feed)).positions != ()
    assert rig.fills() == []
    await rig.trade(OWN)
    await observe(feed)
    assert [owner for _, _, owner in rig.fills()] == [OWN]


async def test_a_trade_that_was_lost_below_one_that_was_heard_is_found(rig: Live) -> None:
    feed = rig.feed()
    await feed.start()
    await observe(feed)
    await feed.stop()
    await rig.trade("te-j-0-1o")
    await rig.trade("te-j-0-2o")
    rows = await rig.client.futures_account_trades(symbol="BTCUSDT")
    assert feed.events.trades.first("BTCUSDT", rows[1]["id"]), "as if the stream had told the second"
    await observe(feed, str(rows[1]["id"]))
    assert [trade for _, trade, _ in rig.fills()] == [str(rows[0]["id"])]


async def test_a_trade_that_becomes_visible_after_a_younger_one_is_found(rig: Live) -> None:
    lies: dict[str, Lie] = {}
    async with rig.lied_to(lies) as feed:
        await observe(feed)
        await rig.trade("te-j-0-1o")
        await rig.trade("te-j-0-2o")
        lies["userTrades"] = lambda listed: [row for row in listed if row["orderId"] != listed[0]["orderId"]]
        await observe(feed)
        assert [owner for _, _, owner in rig.fills()] == ["te-j-0-2o"]
        lies.clear()
        await observe(feed)
        assert [owner for _, _, owner in rig.fills()] == ["te-j-0-2o", "te-j-0-1o"]


async def test_a_trade_whose_order_is_not_visible_yet_is_nobody_s_before_it_is_known_whose() -> None:
    """A process that ended with an order under way reads its trade back at once; the order may answer -2013 still."""
    async with live(options={"not_found_lag_ms": 3_000}) as rig:
        feed = rig.feed()
        await observe(feed)
        await rig.trade(OWN)
        sight = await feed.observe({"BTCUSDT": None, "ETHUSDT": None})
        assert [each.symbol for each in sight.observed] == ["ETHUSDT"]
        assert sight.moving == {"BTCUSDT"}
        assert rig.fills() == []
        await observed_at_last(feed)
        assert [owner for _symbol, _trade, owner in rig.fills()] == [OWN]


async def test_a_trade_whose_order_the_exchange_never_knows_is_somebody_else_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tradeengine.venue.binance.history.VISIBLE_MS", 3_000)
    async with live(options={"not_found_lag_ms": 3_600_000}) as rig:
        feed = rig.feed()
        await observe(feed)
        order = await rig.trade(OWN)
        assert (await feed.observe({"BTCUSDT": None})).moving == {"BTCUSDT"}
        await observed_at_last(feed)
        assert [owner for _symbol, _trade, owner in rig.fills()] == [f"foreign-{order['orderId']}"]


async def test_more_trades_than_a_page_holds_are_read_page_by_page() -> None:
    async with live(options={"depth": "0.001", "levels": 1000}) as rig:
        feed = rig.feed()
        await observe(feed)
        for number in range(3):
            await rig.trade(f"te-j-0-{number}o", "0.900")
        await observe(feed)
        told = rig.fills()
        assert len(told) == len(set(told)) == 2_700
        assert {owner for _, _, owner in told} == {f"te-j-0-{number}o" for number in range(3)}
        await observe(feed)
        assert len(rig.fills()) == 2_700


async def test_what_is_traded_while_positions_are_read_is_not_observed_but_told(rig: Live, feed: AccountFeed) -> None:
    await observe(feed)
    await rig.fault({"delay_ms": 2_000}, {"path": "*/positionRisk"}, when="after")
    before = await rig.requested("positionRisk")
    reading = rig.spawn(feed.observe({"BTCUSDT": None}))
    await rig.until_requested("positionRisk", before)
    await rig.trade(OWN)
    assert await reading == Sight([], frozenset({"BTCUSDT"}))
    assert [each.quantity for each in (await observe(feed)).positions] == [D("0.010")]
    assert [owner for _, _, owner in rig.fills()] == [OWN]


async def test_a_symbol_that_does_not_stand_still_is_not_known_and_the_others_are(rig: Live, feed: AccountFeed) -> None:
    await observe(feed)
    await rig.fault({"delay_ms": 600}, {"path": "*/positionRisk"}, when="after", times=None)
    reading = rig.spawn(feed.observe({"BTCUSDT": None, "ETHUSDT": None}))
    number = 0
    while not reading.done():
        await rig.trade(f"te-j-0-{number}o", "0.001")
        number += 1
    sight = await reading
    assert [each.symbol for each in sight.observed] == ["ETHUSDT"]
    assert sight.moving == {"BTCUSDT"}
    assert [owner for _, _, owner in rig.fills()] == [f"te-j-0-{each}o" for each in range(len(rig.fills()))]


async def test_liquidations_are_told_with_their_origin(rig: Live) -> None:
    await rig.control(
        "reset",
        {
            "wallet": "600",
            "leverage": {"BTCUSDT": 100},
            "positions": [{"symbol": "BTCUSDT", "positionSide": "LONG", "qty": "1", "entryPrice": "50000"}],
            "options": {"rate_limits": "off"},
        },
    )
    feed = rig.feed()
    await observe(feed)
    await rig.control("mark", {"symbol": "BTCUSDT", "price": "49500"})
    observed = await observe(feed)
    assert observed.positions == ()
    fills = [report for report in rig.told if isinstance(report, FillReported)]
    assert {fill.origin for fill in fills} == {FillOrigin.LIQUIDATION}
    assert sum((fill.quantity for fill in fills), D(0)) == D(1)


async def test_an_order_of_ours_that_ended_while_nobody_listened_is_told(rig: Live, feed: AccountFeed) -> None:
    await observe(feed)
    await rig.send(feed, entry(client_order_id=OWN))
    stop = stop_of(client_order_id="te-j-0-2s")
    await rig.send(feed, stop)
    await rig.client.futures_cancel_algo_order(clientAlgoId=stop.client_order_id)
    await observe(feed)
    assert sorted(rig.ends()) == [(OWN, OrderStatus.FILLED), ("te-j-0-2s", OrderStatus.CANCELLED)]
    assert feed.links.open() == ()


async def test_an_order_that_never_arrived_is_given_no_end(rig: Live, feed: AccountFeed) -> None:
    feed.links.sent(entry(client_order_id=OWN), rig.clock.monotonic())
    feed.links.sent(entry(client_order_id="te-j-0-2o"), rig.clock.monotonic() - 61)
    await observe(feed)
    assert rig.told == []
    assert [link.client_order_id for link in feed.links.open()] == [OWN]


def _changed(**values: Any) -> Lie:
    return lambda answer: [row | values for row in answer]


async def test_i02_a_leg_whose_sign_contradicts_its_side_is_told_as_it_is(rig: Live) -> None:
    await rig.trade(OWN)
    async with rig.lied_to({"positionRisk": _changed(positionAmt="-0.303")}) as feed:
        assert [(each.position_side, each.quantity) for each in (await observe(feed)).positions] == [
            (PositionSide.LONG, D("-0.303"))
        ]


@pytest.mark.parametrize("written", ['"0.010"', "0.010", '"1.0E-2"', "1e-2", '"0.01000000"'])
async def test_i58_figures_are_read_exactly_however_they_are_written(rig: Live, written: str) -> None:
    await rig.trade(OWN)
    swap: Lie = lambda answer: json.dumps(_changed(positionAmt="§")(answer)).replace('"\\u00a7"', written)  # noqa: E731
    async with rig.lied_to({"positionRisk": swap}) as feed:
        assert [each.quantity for each in (await observe(feed)).positions] == [D("0.010")]


async def test_i37_conditional_orders_are_known_by_either_name_of_their_type(rig: Live) -> None:
    await rig.trade(OWN)
    await rig.trade("te-j-0-2s", "0.010", "SELL", type="STOP_MARKET", triggerPrice="49000")

    def rename(answer: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{"type" if name == "orderType" else name: row[name] for name in row} for row in answer]

    async with rig.lied_to({"openAlgoOrders": rename}) as feed:
        assert [each.kind for each in (await observe(feed)).orders] == [OrderKind.STOP_MARKET]


@pytest.mark.parametrize(
    ("path", "lie"),
    [
        ("positionRisk", _changed(positionAmt=None)),
        ("positionRisk", _changed(positionAmt="much")),
        ("positionRisk", _changed(positionAmt="NaN")),
        ("positionRisk", _changed(positionSide="UP")),
        ("positionRisk", _changed(symbol=7)),
        ("positionRisk", lambda _: {"code": 0}),
        ("positionRisk", lambda _: "[1, 2]"),
        ("positionRisk", lambda _: "<html>all is well</html>"),
        ("openOrders", _changed(origQty=None)),
        ("openOrders", _changed(type="SURPRISE")),
        ("openOrders", _changed(side="HOLD")),
        ("openAlgoOrders", _changed(clientAlgoId=None)),
        ("openAlgoOrders", _changed(algoId="x")),
        ("userTrades", _changed(qty="")),
        ("userTrades", _changed(orderId=None)),
        ("userTrades", _changed(id=True)),
    ],
)
async def test_i106_an_answer_that_cannot_be_understood_is_unknown(rig: Live, path: str, lie: Lie) -> None:
    lies: dict[str, Lie] = {}
    async with rig.lied_to(lies) as feed:
        await observe(feed)
        await rig.trade(OWN)
        await rig.trade("te-j-0-2o", type="LIMIT", price="45000", timeInForce="GTC")
        await rig.trade("te-j-0-3s", "0.010", "SELL", type="STOP_MARKET", triggerPrice="49000")
        lies[path] = lie
        with pytest.raises(RetrySafe):
            await observe(feed)
        lies.clear()
        observed = await observe(feed)
        assert (len(observed.positions), len(observed.orders)) == (1, 2)
        assert [owner for _, _, owner in rig.fills()] == [OWN]


SYMBOL = "BTCUSDT"


class Session(NamedTuple):
    """What happened, and what the stream said of it."""

    heard: list[dict[str, Any]]
    orders: list[ApprovedOrder]
    fills: set[tuple[str, str]]
    ends: set[tuple[str, OrderStatus]]
    first_trade: int


@pytest.mark.parametrize("spawned", ["same", "generated"])
def test_whatever_becomes_of_the_messages_the_same_is_told_in_the_end(spawned: str) -> None:
    """Any order, number and loss of a session's messages, then the gap is read: the same fills, the same ends."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        options = {"spawned_client_id": spawned, "depth": "0.004"}
        rig = runner.run(stack.enter_async_context(live(options=options)))
        try:
            session = runner.run(_session(rig))
            indices = st.lists(st.integers(0, len(session.heard) - 1), max_size=2 * len(session.heard))

            @settings(max_examples=max(settings().max_examples // 2, 5))
            @given(before=indices, between=indices, observes=st.booleans())
            def mangle(before: list[int], between: list[int], observes: bool) -> None:
                heard = [[session.heard[index] for index in part] for part in (before, between)]
                runner.run(_hold(rig, session, heard, observes=observes))

            mangle()
            # Nothing heard at all, everything in order, everything backwards.
            everything = session.heard
            runner.run(_hold(rig, session, [[]], observes=False))
            runner.run(_hold(rig, session, [everything, everything], observes=False))
            runner.run(_hold(rig, session, [everything[::-1]], observes=False))
        finally:
            runner.run(stack.aclose())


async def _session(rig: Live) -> Session:
    """Trade a little of everything, and note all that the stream says."""
    orders = [
        entry(client_order_id="te-j-0-1o", quantity="0.010"),
        stop_of(client_order_id="te-j-0-2s", quantity="0.006"),
        stop_of(client_order_id="te-j-0-3s", quantity="0.004"),
        entry(OrderKind.LIMIT, client_order_id="te-j-0-4o", quantity="0.010"),
        entry(client_order_id="te-j-0-5o", quantity="0.002"),
    ]
    feed = rig.feed()
    heard: list[dict[str, Any]] = []
    read = feed.events.read

    def note(payload: Any) -> Any:
        heard.append(payload)
        return read(payload)

    feed.events.read = note  # type: ignore[method-assign] # listens in, changes nothing
    await feed.start()
    for order in orders:
        params = {"price": "45000", "timeInForce": "GTC"} if order.kind is OrderKind.LIMIT else {}
        await rig.send(feed, order, **params)
    await rig.client.futures_cancel_algo_order(clientAlgoId="te-j-0-3s")
    await rig.client.futures_cancel_order(symbol=SYMBOL, origClientOrderId="te-j-0-4o")
    await rig.trade("web_manual", "0.003")
    await rig.control("mark", {"symbol": SYMBOL, "price": "48000"})
    await rig.until(lambda: len(rig.ends()) == 5 and len(rig.fills()) >= 7, "the session's end")
    await feed.stop()
    fills = {(trade, owner) for _, trade, owner in rig.fills()}
    listed = {str(row["id"]) for row in await rig.client.futures_account_trades(symbol=SYMBOL)}
    assert {trade for trade, _ in fills} == listed
    return Session(heard, orders, fills, set(rig.ends()), min(map(int, listed)))


async def _hold(rig: Live, session: Session, heard: list[list[dict[str, Any]]], *, observes: bool) -> None:
    rig.told.clear()
    feed = rig.feed()
    feed.events.trades.books_know(SYMBOL, session.first_trade - 1)
    for order in session.orders:
        feed.links.sent(order, rig.clock.monotonic())
        feed.events.expect(order)
    for number, part in enumerate(heard):
        if number and observes:
            await observe(feed)
        for payload in part:
            for report in feed.events.read(payload):
                rig.told.append(report)
    await feed.reader.close_gaps()
    fills = [(trade, owner) for _, trade, owner in rig.fills()]
    assert len(fills) == len(set(fills))
    assert set(fills) == session.fills
    assert len(rig.ends()) == len(set(rig.ends()))
    assert set(rig.ends()) == session.ends
    assert feed.events.doubted() == frozenset()


async def test_a_stop_that_triggers_just_now_is_not_seen_to_be_gone(rig: Live) -> None:
    """It is listed nowhere until it has become an order: nobody must place a second one meanwhile."""
    triggering = True

    def listed(rows: Any) -> Any:
        return [] if triggering else rows

    def stated(row: Any) -> Any:
        return row | {"algoStatus": "TRIGGERING"} if triggering and row.get("algoStatus") == "NEW" else row

    async with rig.lied_to({"openAlgoOrders": listed, "fapi/v1/algoOrder": stated}) as feed:
        await rig.trade("te-j-0-1o", "0.010")
        await rig.send(feed, stop_of(client_order_id="te-j-0-2s"))
        await rig.moment()
        assert (await feed.observe({"BTCUSDT": None})).moving == {"BTCUSDT"}
        triggering = False
        assert [order.client_order_id for order in (await observe(feed)).orders] == ["te-j-0-2s"]


async def test_a_stop_s_fill_is_the_stop_s_where_conditional_orders_that_ended_are_not_listed() -> None:
    """What it became has an id that the exchange made, and only the stop itself says that it became that."""
    async with live(options={"spawned_client_id": "generated"}) as rig:
        feed = rig.feed()
        await observe(feed)
        await rig.trade("te-j-0-1o", "0.010")
        await rig.send(feed, stop_of(client_order_id="te-j-0-2s"))
        await rig.fault({"status": 404, "msg": "no such path"}, {"path": "*/allAlgoOrders"}, times=None)
        await rig.control("mark", {"symbol": "BTCUSDT", "price": "48900"})
        await feed.reader.close_gaps()
        assert [owner for _, _, owner in rig.fills()] == ["te-j-0-1o", "te-j-0-2s"]


async def test_an_order_of_others_of_a_type_that_nobody_knows_hides_nothing(rig: Live) -> None:
    """Ours of such a type is an answer that cannot be understood; what others do must not stop the engine."""

    def listed(rows: Any) -> Any:
        return [*rows, rows[0] | {"clientAlgoId": "by-hand", "algoId": 99, "orderType": "VP"}]

    async with rig.lied_to({"openAlgoOrders": listed}) as feed:
        await rig.trade(OWN)
        await rig.trade("te-j-0-3s", "0.010", "SELL", type="STOP_MARKET", triggerPrice="49000")
        assert [order.client_order_id for order in (await observe(feed)).orders] == ["te-j-0-3s"]
