"""The Binance venue where it differs from any other: see ``tests/venue/test_contract.py`` for what all promise."""

from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from aiohttp import web

from contracts.enums import OrderKind, OrderPurpose, OrderStatus, PositionMode
from shared.clock import ManualClock, SystemClock
from shared.errors import OutcomeUnknown, Rejected, RetrySafe
from tests.venue.binance.makers import entry, exit_, stop_of
from tests.venue.binance.rig import Rig, rig, settings
from tests.venue.binance.wire import serving
from tests.venue.paper.makers import D
from tradeengine.domain.inputs import FillReported
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.venue.base import Venue
from tradeengine.venue.binance.account import read_figures
from tradeengine.venue.binance.build import build_venue
from tradeengine.venue.binance.links import OrderLinks
from tradeengine.venue.binance.lookup import OrderLookup
from tradeengine.venue.binance.requests import RequestBuilder

OPEN, CANCELLED, FILLED = OrderStatus.OPEN, OrderStatus.CANCELLED, OrderStatus.FILLED
DAY_MS = 86_400_000


@pytest.fixture
async def desk() -> AsyncIterator[Rig]:
    async with rig() as made:
        yield await made.open()


async def holding(desk: Rig, quantity: str = "0.010") -> ApprovedOrder:
    order = entry(quantity=quantity)
    await desk.venue.place(order)
    await desk.until_ended(order)
    return order


def stop_limit(trigger: str, price: str) -> ApprovedOrder:
    return exit_(OrderKind.STOP, purpose=OrderPurpose.STOP_LOSS, trigger=trigger, price=price)


def test_it_is_a_venue_that_is_made_in_one_call() -> None:
    venue: Venue = build_venue(settings("http://127.0.0.1:1"), SystemClock())

    assert (venue.name, venue.conditional_limit) == ("binance-testnet", 200)
    assert venue.settle_s > 2
    assert venue.state().trouble is not None
    assert "simulator-secret" not in repr(vars(venue))


async def test_closing_what_is_not_open_is_nothing() -> None:
    await build_venue(settings("http://127.0.0.1:1"), SystemClock()).close()


# ---------------------------------------------------------------- ids


async def test_an_order_that_filled_is_never_sent_again(desk: Rig) -> None:
    order = await holding(desk)
    with pytest.raises(OutcomeUnknown, match="reached the exchange before"):
        await desk.venue.place(order)

    (observed,) = (await desk.venue.observe({"BTCUSDT": None})).observed
    assert observed.positions[0].quantity == order.quantity


async def test_an_acknowledgement_of_old_form_is_understood() -> None:
    async with rig(options={"ack_with_average": True}) as desk:
        await desk.open()
        order = await holding(desk)

        assert desk.filled(order) == order.quantity


# ---------------------------------------------------------------- conditional orders


@pytest.mark.parametrize("client_ids", ["same", "generated"])
async def test_what_a_stop_became_is_reported_under_the_stops_own_id(client_ids: str) -> None:
    async with rig(options={"spawned_client_id": client_ids}) as desk:
        await desk.open()
        await holding(desk)
        stop = stop_of()
        await desk.venue.place(stop)
        await desk.mark("48000")
        await desk.until_ended(stop)
        answer = await desk.venue.query(stop)

        assert desk.statuses(stop)[-1] is FILLED
        assert desk.filled(stop) == stop.quantity
        assert answer is not None
        assert sum(each.quantity for each in answer if isinstance(each, FillReported)) == stop.quantity


async def test_cancelling_a_stop_that_became_a_resting_order_cancels_that(desk: Rig) -> None:  # I43
    await holding(desk)
    stop = stop_limit("49000", "49500")  # it triggers, and its limit is out of the market's reach
    await desk.venue.place(stop)
    await desk.mark("48900")
    await desk.sim.until(lambda: desk.statuses(stop).count(OPEN) >= 1, "the trigger")
    await desk.venue.cancel(stop)
    await desk.until_ended(stop)

    assert [status for status in desk.statuses(stop) if status.terminal] == [CANCELLED]
    (observed,) = (await desk.venue.observe({"BTCUSDT": None})).observed
    assert observed.orders == ()
    assert observed.positions[0].quantity == D("0.010")
    answer = await desk.venue.query(stop)
    assert answer is not None
    assert answer[-1].status is CANCELLED  # type: ignore[union-attr] # the last report is the order's end


async def test_trailing_stops_are_sent_in_percent(desk: Rig) -> None:
    await holding(desk)
    stop = exit_(OrderKind.TRAILING_STOP_MARKET, purpose=OrderPurpose.STOP_LOSS, callback_pct=D("0.015"))
    await desk.venue.place(stop)
    (sent,) = [each for each in await desk.sim.requests() if each["path"].endswith("algoOrder")]

    assert {name.lower(): value for name, value in sent["parameters"].items()}["callbackrate"] == "1.5"


# ---------------------------------------------------------------- cancelling


async def test_an_order_that_the_exchange_does_not_know_ends_without_executions(desk: Rig) -> None:  # I56
    order = entry(OrderKind.LIMIT, price="49000")
    started = desk.sim.clock.monotonic()
    await desk.venue.cancel(order)
    (end,) = desk.of(order)

    assert desk.sim.clock.monotonic() - started >= desk.venue.settle_s
    assert (end.status, end.executed, end.reason) == (CANCELLED, 0, "the exchange does not know it")  # type: ignore[union-attr]


async def test_an_order_that_is_not_visible_yet_is_found_in_time() -> None:
    async with rig(options={"not_found_lag_ms": 2_000}, settle_s=20) as desk:
        await desk.open()
        order = entry(quantity="0.002")
        await desk.sim.fault("drop_connection", {"method": "POST", "path": "/fapi/v1/order"}, when="after")
        with pytest.raises(OutcomeUnknown):
            await desk.venue.place(order)
        asked = 0
        while await desk.venue.query(order) is None:
            asked += 1
            await desk.sim.clock.sleep(0.02)

        assert asked >= 1
        await desk.until_filled(order)


# ---------------------------------------------------------------- asking


async def test_an_order_that_filled_in_parts_is_told_in_full() -> None:  # I55
    async with rig(options={"depth": "0.004", "levels": 5}) as desk:
        await desk.open()
        order = await holding(desk)
        answer = await desk.venue.query(order)
        assert answer is not None
        fills = [each for each in answer if isinstance(each, FillReported)]

        assert len(fills) == 3
        assert sum(fill.quantity for fill in fills) == order.quantity == desk.filled(order)


def row(**changes: Any) -> dict[str, Any]:
    return {
        "orderId": 7,
        "status": "FILLED",
        "executedQty": "0.010",
        "time": 0,
        "updateTime": 8 * DAY_MS,
        **changes,
    }


def trade(number: int, quantity: str = "0.010", order_id: int = 7) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "id": number,
        "orderId": order_id,
        "side": "BUY",
        "price": "50000",
        "qty": quantity,
        "commission": "0.1",
        "commissionAsset": "BNB",
        "time": 1,
        "maker": False,
    }


async def test_trades_of_old_orders_are_asked_for_in_windows_of_a_week() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("userTrades"):
            late = int(request.query["startTime"]) > 5 * DAY_MS
            return web.json_response([trade(1, order_id=9), *([trade(2)] if late else [])])
        return web.json_response(row())

    async with serving() as wire:
        wire.handler = answer
        lookup = OrderLookup(wire.rest(), RequestBuilder(PositionMode.HEDGE), OrderLinks(), ManualClock(30 * DAY_MS))
        found = await lookup.find(entry())
        windows = [
            (int(params["startTime"]), int(params["endTime"]))
            for _, path, params in wire.requests
            if path.endswith("userTrades")
        ]

    assert found is not None
    assert [each.fee_asset for each in found.reports if isinstance(each, FillReported)] == ["BNB"]
    assert windows[0][0] == 0
    assert windows[-1][1] >= 8 * DAY_MS
    assert all(end - start <= 7 * DAY_MS for start, end in windows)
    assert all(end == start for (_, end), (start, _) in pairwise(windows))


async def test_an_order_with_more_trades_than_a_page_is_told_in_full() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("userTrades"):
            first = int(request.query.get("fromId", 1))
            return web.json_response([trade(each, "0.001") for each in range(first, min(first + 1000, 2001))])
        return web.json_response(row(executedQty="2.000"))

    async with serving() as wire:
        wire.handler = answer
        lookup = OrderLookup(wire.rest(), RequestBuilder(PositionMode.HEDGE), OrderLinks(), ManualClock(1))
        found = await lookup.find(entry(quantity="2"))

    assert found is not None
    assert len(found.reports) == 2 + 2000


@pytest.mark.parametrize(
    ("order_row", "trades"),
    [
        (row(), []),
        (row(), [trade(1, "0.009")]),
        (row(status="NEW_STATUS"), [trade(1)]),
        (row(executedQty=None), []),
        (row(orderId=None), []),
        ([], []),
        (row(), {"code": 1}),
        (row(), [trade(1) | {"price": "NaN"}]),
        (row(), [{"id": 1, "orderId": 7}]),
    ],
)
async def test_an_answer_that_is_not_whole_concludes_nothing(order_row: Any, trades: Any) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(trades if request.path.endswith("userTrades") else order_row)

    async with serving() as wire:
        wire.handler = answer
        lookup = OrderLookup(wire.rest(), RequestBuilder(PositionMode.HEDGE), OrderLinks(), ManualClock(1))
        with pytest.raises(RetrySafe):
            await lookup.find(entry())


ALGO = {"algoId": 5, "clientAlgoId": "x", "actualOrderId": ""}


@pytest.mark.parametrize(
    ("algo", "expected"),
    [
        ({"algoStatus": "NEW"}, OPEN),
        ({"algoStatus": "TRIGGERING"}, OPEN),
        ({"algoStatus": "CANCELED"}, CANCELLED),
        ({"algoStatus": "EXPIRED"}, OrderStatus.EXPIRED),
        ({"algoStatus": "REJECTED"}, OrderStatus.REJECTED),
        ({"algoStatus": "FINISHED"}, CANCELLED),
        ({"algoStatus": "FINISHED", "actualOrderId": "7"}, CANCELLED),  # its order is forgotten, so it never executed
        ({"algoStatus": "FINISHED", "actualOrderId": "7", "actualQty": "0.010"}, None),
        ({"algoStatus": "TRIGGERED", "actualOrderId": "7"}, None),
    ],
)
async def test_states_of_a_conditional_order(algo: dict[str, str], expected: OrderStatus | None) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("algoOrder"):
            return web.json_response(ALGO | algo)
        return web.json_response({"code": -2013, "msg": "Order does not exist."}, status=400)

    async with serving() as wire:
        wire.handler = answer
        lookup = OrderLookup(wire.rest(), RequestBuilder(PositionMode.HEDGE), OrderLinks(), ManualClock(1))
        if expected is None:
            with pytest.raises(RetrySafe, match="not listed yet"):
                await lookup.find(stop_of())
            return
        found = await lookup.find(stop_of())

    assert found is not None
    assert found.reports[-1].status is expected  # type: ignore[union-attr] # no fills here
    assert found.ended is expected.terminal


# ---------------------------------------------------------------- account


async def test_equity_is_the_exchanges_own(desk: Rig) -> None:  # I119
    await holding(desk, "1")
    await desk.mark("51000")
    account = await desk.venue.account()

    assert account.wallet == D(100_000) - D("50000.10") * D("0.0005")
    assert account.unrealized == D("999.9")
    assert account.equity == account.wallet + account.unrealized
    assert account.available == account.equity - D(51_000) / 5


@pytest.mark.parametrize("missing", ["totalWalletBalance", "totalUnrealizedProfit", "availableBalance"])
async def test_a_figure_that_is_missing_is_taken_from_the_asset_or_unknown(missing: str) -> None:  # I53
    figures = {"totalWalletBalance": "10", "totalUnrealizedProfit": "-1", "availableBalance": "5"}
    asset = {"asset": "USDT", "walletBalance": "10", "unrealizedProfit": "-1", "availableBalance": "5"}
    del figures[missing]
    answers: list[Any] = [figures | {"assets": [asset]}, figures | {"assets": []}, figures, []]
    async with serving() as wire:
        wire.handler = lambda _: answered()

        async def answered() -> web.StreamResponse:
            return web.json_response(answers[0])

        rest = wire.rest()
        account = await read_figures(rest)
        assert [account.wallet, account.unrealized, account.available] == [10, -1, 5]
        assert account.equity == 9
        for _ in range(3):
            answers.pop(0)
            with pytest.raises(RetrySafe):
                await read_figures(rest)


# ---------------------------------------------------------------- limits, state


async def test_openings_leave_room_for_what_protects_and_closes() -> None:
    async with rig(options={"orders_10s": 20}) as desk:
        await desk.open()
        held = D(0)

        async def open_more() -> None:
            nonlocal held
            while True:  # the count begins anew every ten seconds
                await desk.venue.place(entry(quantity="0.002"))
                held += D("0.002")
                assert desk.venue.usage().order_count_10s <= 16

        with pytest.raises(RetrySafe, match="priority OPEN"):
            await open_more()
        stop = stop_of(quantity=str(held))
        await desk.venue.place(stop)
        await desk.venue.place(exit_(quantity=str(held)))

        assert held >= 16 * D("0.002")
        usage = desk.venue.usage()
        assert usage.limits.orders_10s == 20
        assert usage.order_count_10s <= 20


async def test_a_ban_is_said_and_nothing_is_sent(desk: Rig) -> None:
    await desk.sim.fault({"ban": 600}, {"path": "/fapi/v3/account"})
    with pytest.raises(RetrySafe):
        await desk.venue.account()
    count = len(await desk.sim.requests())
    with pytest.raises(RetrySafe, match="silence"):
        await desk.venue.place(exit_())
    with pytest.raises(RetrySafe, match="silence"):
        await desk.venue.account()

    assert "takes no requests" in (desk.venue.state().trouble or "")
    asked = [each["path"] for each in await desk.sim.requests()][count:]
    assert not [path for path in asked if "order" in path.lower() or "account" in path]


async def test_a_lost_stream_is_said_rebuilt_and_looked_after() -> None:  # I63
    async with rig() as desk:
        looked: list[int] = []
        desk.venue.on_gap(lambda: looked.append(1))
        await desk.open()
        seen = len(looked)
        await desk.sim.fault("drop_streams")
        await desk.sim.until(lambda: len(looked) > seen, "the look after the gap")
        await desk.sim.until(lambda: desk.venue.state().trouble is None, "recovery")
        details = desk.venue.state().details

        assert details["user_stream_rebuilds"] == 1
        await holding(desk)


async def test_settings_that_somebody_changed_are_put_right_before_the_next_opening(desk: Rig) -> None:  # I61
    await holding(desk)
    client = desk.sim.client
    await client.futures_change_leverage(symbol="BTCUSDT", leverage=33)
    session = desk.venue._session
    assert session is not None
    await desk.sim.until(lambda: session.setup.held("BTCUSDT") is None, "the notice of the change")
    await holding(desk)
    (contract,) = [each for each in (await desk.state())["contracts"] if each["entry"]["symbol"] == "BTCUSDT"]

    assert contract["leverage"] == 5


async def test_a_symbol_that_nobody_named_is_followed_once_it_is_asked_for() -> None:
    async with rig(env={"ALLOWED_SYMBOLS": "BTCUSDT"}) as desk:
        await desk.open()
        assert desk.venue.mark_price("ETHUSDT") is None
        await desk.sim.until(lambda: desk.venue.mark_price("ETHUSDT") == 3000, "its price")

        assert desk.venue.mark_price("NOSUCHUSDT") is None


async def test_what_the_rules_refuse_never_reaches_the_exchange(desk: Rig) -> None:
    count = await desk.sim.requested("/fapi/v1/order")
    for order in (entry(quantity="0.0001"), entry(OrderKind.LIMIT, price="99000"), entry(quantity="0")):
        with pytest.raises(Rejected):
            await desk.venue.place(order)

    assert await desk.sim.requested("/fapi/v1/order") == count


async def test_a_symbol_that_is_listed_no_more_is_left_out() -> None:  # I56
    async with rig(env={"ALLOWED_SYMBOLS": "BTCUSDT"}) as made:
        await made.open()
        (observed,) = (await made.venue.observe({"BTCUSDT": None, "GONEUSDT": "17"})).observed
        assert observed.symbol == "BTCUSDT"


async def test_an_order_of_a_symbol_that_is_listed_no_more_can_never_be_told_of() -> None:  # I56
    async with rig(env={"ALLOWED_SYMBOLS": "BTCUSDT"}) as made:
        await made.open()
        with pytest.raises(Rejected, match="-1121"):
            await made.venue.query(msgspec.structs.replace(entry(), symbol="GONEUSDT"))
        await made.venue.query(entry())
        assert made.venue.state().trouble is None
