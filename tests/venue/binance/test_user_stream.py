"""The user stream against the simulator: whatever happens to it, no fill is lost, and none is told twice."""

import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from contracts.enums import OrderKind, OrderStatus
from shared.errors import RetrySafe
from tests.venue.binance.live import QUICK, Live, live
from tests.venue.binance.makers import entry, stop_of
from tests.venue.binance.relay import relay
from tradeengine.domain.inputs import FillReported
from tradeengine.venue.binance.feed import AccountFeed

OWN = "te-j-0-1o"


@pytest.fixture
async def rig() -> AsyncIterator[Live]:
    async with live() as made:
        yield made


@pytest.fixture
async def feed(rig: Live) -> AsyncIterator[AccountFeed]:
    made = rig.feed()
    await made.start()
    assert made.trouble is None
    yield made
    await made.stop()


def ids(rig: Live) -> list[str]:
    return [client_id for _, _, client_id in rig.fills()]


async def test_an_order_is_heard_from_its_acceptance_to_its_end(rig: Live, feed: AccountFeed) -> None:
    await rig.send(feed, entry(client_order_id=OWN))
    await rig.until(rig.ends, "the end")
    assert ids(rig) == [OWN]
    assert rig.ends() == [(OWN, OrderStatus.FILLED)]
    assert [notice.event for notice in rig.notices] == ["ACCOUNT_UPDATE"]
    assert feed.stream.last_heard_ms is not None
    await feed.stop()
    assert feed.trouble == "user stream is stopped"


async def test_i63_an_expired_listen_key_loses_no_fill(rig: Live) -> None:
    # Nothing but the exchange's word tells it so soon.
    feed = rig.feed(patience=replace(QUICK, keep_s=3_600))
    await feed.start()
    await rig.trade("te-j-0-1o")
    await rig.until(lambda: len(rig.fills()) == 1, "the first fill")
    await rig.fault("expire_listen_key")
    # Nobody listens when these happen: they can only be read back.
    await rig.trade("te-j-0-2o")
    await rig.trade("te-j-0-3o")
    await rig.until(lambda: len(rig.fills()) == 3, "what happened in the gap")
    await rig.until(lambda: feed.trouble is None, "being alive again")
    await rig.trade("te-j-0-4o")
    await rig.until(lambda: len(rig.fills()) == 4, "what happened afterwards")
    assert ids(rig) == [f"te-j-0-{number}o" for number in range(1, 5)]
    assert feed.stream.rebuilds == 1
    await feed.stop()


async def test_i63_a_cut_connection_loses_no_fill_and_is_replaced_in_two_seconds(rig: Live, feed: AccountFeed) -> None:
    for number in range(5):
        await rig.fault("drop_connection", {"event": "ORDER_TRADE_UPDATE", "x": "TRADE"}, when="before")
        await rig.trade(f"te-j-0-{number}o")
        replaced = number + 1
        await rig.until(lambda: (feed.stream.rebuilds, feed.trouble) == (replaced, None), "being alive", 2)  # noqa: B023 - awaited here
    await rig.until(lambda: len(rig.fills()) == 5, "all fills")
    assert ids(rig) == [f"te-j-0-{number}o" for number in range(5)]


async def test_i63_the_close_after_a_day_loses_no_fill() -> None:
    async with live(options={"connection_life_ms": 400}) as rig:
        feed = rig.feed()
        await feed.start()
        for number in range(15):
            await rig.trade(f"te-j-0-{number}o")
            await rig.clock.sleep(0.05)
        await rig.until(lambda: len(rig.fills()) == 15, "all fills")
        assert sorted(ids(rig)) == sorted(f"te-j-0-{number}o" for number in range(15))
        await rig.until(lambda: feed.stream.rebuilds >= 2, "closes by the exchange")
        await feed.stop()


async def test_a_dead_connection_that_nobody_closed_is_noticed_by_its_pings(rig: Live) -> None:
    async with relay(rig.server.port) as (cable, port):
        feed = rig.feed(url=f"ws://127.0.0.1:{port}", patience=replace(QUICK, heartbeat_s=2))
        await feed.start()
        await rig.clock.sleep(2.5)
        assert feed.stream.rebuilds == 0, "pings that are answered are no reason"
        cable.go_dead()
        await rig.trade(OWN)
        await rig.until(rig.fills, "the fill, read back")
        assert ids(rig) == [OWN]
        assert feed.stream.rebuilds == 1
        await feed.stop()


async def test_a_stream_grows_old_on_its_own_terms(rig: Live) -> None:
    feed = rig.feed(patience=replace(QUICK, age_s=0.2))
    await feed.start()
    await rig.until(lambda: feed.stream.rebuilds >= 2, "renewals")
    await feed.stop()


@pytest.mark.parametrize("witness", ["TRADE_LITE", "ACCOUNT_UPDATE"])
async def test_a_swallowed_fill_is_noticed_and_read_back(rig: Live, feed: AccountFeed, witness: str) -> None:
    swallowed = [{"event": "ORDER_TRADE_UPDATE"}]
    swallowed += [{"event": other} for other in ("TRADE_LITE", "ACCOUNT_UPDATE") if other != witness]
    for match in swallowed:
        await rig.fault("swallow_event", match, times=None)
    await rig.trade(OWN)
    await rig.until(rig.fills, "the fill, read back")
    assert ids(rig) == [OWN]
    assert feed.stream.rebuilds == 0, "one lost message is no reason for a new connection"


async def test_a_connected_stream_that_is_deaf_is_noticed(rig: Live, feed: AccountFeed) -> None:
    await rig.fault("swallow_event", {}, times=None)
    await rig.send(feed, entry(client_order_id=OWN))
    await rig.until(lambda: feed.stream.rebuilds == 1, "a new connection")
    await rig.until(rig.ends, "the end, read back")
    assert ids(rig) == [OWN]
    assert rig.ends() == [(OWN, OrderStatus.FILLED)]
    await rig.until(lambda: feed.trouble is None, "being alive again")


async def test_a_trade_that_only_the_exchanges_list_knows_proves_the_stream_deaf(rig: Live) -> None:
    feed = rig.feed()
    await feed.start()
    await feed.observe({"BTCUSDT": None})
    await rig.fault("swallow_event", {}, times=None)
    await rig.trade(OWN)
    await rig.clock.sleep(QUICK.silence_s + 0.1)
    assert rig.fills() == []
    await feed.observe({"BTCUSDT": None})
    assert ids(rig) == [OWN]
    await rig.until(lambda: feed.stream.rebuilds == 1, "a new connection")
    await feed.stop()


async def test_a_listen_key_that_vanished_without_a_word_is_noticed(rig: Live, feed: AccountFeed) -> None:
    await rig.fault("swallow_event", {"event": "listenKeyExpired"}, times=None)
    async with rig.http.delete(
        f"{rig.server.url}/fapi/v1/listenKey", headers={"X-MBX-APIKEY": "simulator-key"}
    ) as answer:
        assert answer.status == 200
    await rig.trade(OWN)
    await rig.until(rig.fills, "the fill, read back")
    assert feed.stream.rebuilds >= 1


async def test_messages_twice_late_and_in_another_order_are_told_once(rig: Live, feed: AccountFeed) -> None:
    await rig.fault("duplicate_event", {"event": "ORDER_TRADE_UPDATE"}, times=None)
    await rig.fault("reorder_events", {"event": "ORDER_TRADE_UPDATE"}, times=None)
    await rig.fault({"delay_event_ms": 700}, {"event": "ORDER_TRADE_UPDATE", "x": "TRADE"}, times=3)
    for number in range(8):
        await rig.trade(f"te-j-0-{number}o")
    await rig.until(lambda: len(rig.ends()) == 8, "all ends")
    await rig.clock.sleep(1)
    assert sorted(ids(rig)) == sorted(f"te-j-0-{number}o" for number in range(8))
    assert sorted(rig.ends()) == [(f"te-j-0-{number}o", OrderStatus.FILLED) for number in range(8)]


async def test_while_the_gap_cannot_be_read_the_stream_is_not_alive_and_hears_on(rig: Live, feed: AccountFeed) -> None:
    await rig.fault("html_503", {"path": "/fapi/v1/userTrades"}, times=None)
    await rig.fault("drop_streams")
    await rig.trade("te-j-0-1o")
    await rig.until(lambda: "cannot be read back" in (feed.trouble or ""), "trouble")
    await rig.trade("te-j-0-2o")
    await rig.clock.sleep(0.5)
    assert "cannot be read back" in (feed.trouble or "")
    await rig.clear_faults()
    await rig.until(lambda: feed.trouble is None, "being alive again")
    await rig.until(lambda: len(rig.fills()) == 2, "both fills")
    assert sorted(ids(rig)) == ["te-j-0-1o", "te-j-0-2o"]


async def test_what_happens_while_the_gap_is_read_is_told_afterwards(rig: Live) -> None:
    gaps: list[int] = []
    feed = rig.feed(on_gap=lambda: gaps.append(len(rig.fills())))
    await feed.start()
    await rig.send(feed, entry(OrderKind.LIMIT, client_order_id=OWN), price="45000", timeInForce="GTC")
    await rig.until(lambda: feed.links.is_heard(OWN), "the acceptance")
    # Trades are read first: what happens while the answer about orders is held back is in no answer.
    await rig.fault({"delay_ms": 3_000}, {"path": "*/openOrders"}, when="after")
    before = await rig.requested("openOrders")
    await rig.fault("drop_streams")
    await rig.until_requested("openOrders", before)
    await rig.trade("te-j-0-2o")
    assert feed.trouble == "user stream: what was missed of all symbols is being read back"
    assert ids(rig) == []
    await rig.until(lambda: feed.trouble is None, "being alive again")
    assert ids(rig) == ["te-j-0-2o"]
    assert gaps == [0, 1], "who asks to be called is called when all of it was told"
    assert feed.stream.rebuilds == 1
    await feed.stop()


async def test_more_messages_than_fit_while_the_gap_is_read(rig: Live) -> None:
    feed = rig.feed(patience=replace(QUICK, most_waiting=20))
    await feed.start()
    await rig.send(feed, entry(OrderKind.LIMIT, client_order_id=OWN), price="45000", timeInForce="GTC")
    await rig.until(lambda: feed.links.is_heard(OWN), "the acceptance")
    await rig.fault({"delay_ms": 3_000}, {"path": "*/openOrders"}, when="after")
    before = await rig.requested("openOrders")
    await rig.fault("drop_streams")
    await rig.until_requested("openOrders", before)
    for number in range(2, 42):
        await rig.trade(f"te-j-0-{number}o")
    await rig.until(lambda: feed.trouble is None, "being alive again")
    assert sorted(ids(rig)) == sorted(f"te-j-0-{number}o" for number in range(2, 42))
    assert feed.stream.rebuilds == 1
    await feed.stop()


async def test_more_messages_than_fit_while_the_gap_of_another_symbol_cannot_be_read(rig: Live) -> None:
    feed = rig.feed(patience=replace(QUICK, most_waiting=20))
    await feed.start()
    await rig.fault("html_503", {"path": "/fapi/v1/userTrades"}, times=None)
    await rig.fault("swallow_event", {"event": "ORDER_TRADE_UPDATE"}, times=3)
    await rig.trade("te-j-0-1o")
    await rig.until(lambda: "cannot be read back" in (feed.trouble or ""), "trouble")
    for number in range(2, 32):
        await rig.trade(f"te-j-0-{number}o", "0.100", symbol="ETHUSDT")
    await rig.clear_faults()
    await rig.until(lambda: feed.trouble is None, "being alive again")
    assert sorted(ids(rig)) == sorted(f"te-j-0-{number}o" for number in range(1, 32))
    assert feed.stream.rebuilds == 0
    await feed.stop()


@pytest.mark.parametrize("effect", ["html_503", "drop_connection", {"status": 429, "code": -1003, "retry_after": 1}])
async def test_no_listen_key_is_trouble_until_there_is_one(rig: Live, effect: Any) -> None:
    await rig.fault(effect, {"path": "/fapi/v1/listenKey", "method": "POST"}, times=2)
    feed = rig.feed()
    await feed.start()
    assert feed.trouble is None
    await feed.stop()


async def test_a_stream_that_does_not_come_up_says_why_and_leaves_nothing_behind(rig: Live) -> None:
    await rig.fault("html_503", {"path": "/private/ws"}, times=None)
    feed = rig.feed(patience=replace(QUICK, start_s=3))
    with pytest.raises(RetrySafe, match=r"did not come up in 3 s: .*503"):
        await feed.start()
    await rig.clear_faults()
    await feed.start()
    await feed.stop()


async def test_the_listen_key_is_never_deleted_and_is_kept_alive(rig: Live, feed: AccountFeed) -> None:
    await rig.until_requested("listenKey", 1)
    await rig.fault("drop_streams")
    await rig.until(lambda: feed.stream.rebuilds == 1 and feed.trouble is None, "a new connection")
    await feed.stop()
    methods = [each["method"] for each in await rig.requests() if each["path"] == "/fapi/v1/listenKey"]
    assert methods.count("POST") == 2
    assert methods.count("PUT") >= 1
    assert "DELETE" not in methods


async def test_a_burst_of_more_than_ten_thousand_messages() -> None:
    """More than a queue of the library takes, while the gap is read, and then while the stream is alive."""
    async with live(options={"stream_buffer": 100_000, "depth": "0.001", "levels": 1000}) as rig:
        feed = rig.feed()
        await feed.start()
        for burst, alive in enumerate((True, False)):
            if not alive:
                await rig.fault("html_503", {"path": "/fapi/v1/userTrades"}, times=None)
                await rig.fault("drop_streams")
                await rig.until(lambda: "cannot be read back" in (feed.trouble or ""), "trouble")
            for number in range(6):
                await rig.send(feed, entry(client_order_id=f"te-j-{burst}-{number}o", quantity="0.900"))
            await rig.clear_faults()
            await rig.until(lambda: len(rig.ends()) == 6 * (burst + 1), "all ends")  # noqa: B023 - awaited here
            await rig.until(lambda: feed.trouble is None, "being alive")
        told = rig.fills()
        assert len(told) == len(set(told)) == 2 * 6 * 900
        await feed.stop()


async def test_a_stop_that_triggers_is_told_under_its_own_id(rig: Live, feed: AccountFeed) -> None:
    await rig.send(feed, entry(client_order_id=OWN))
    await rig.send(feed, stop_of(client_order_id="te-j-0-2s"))
    await rig.until(lambda: feed.links.is_heard("te-j-0-2s"), "the stop's acceptance")
    await rig.control("mark", {"symbol": "BTCUSDT", "price": "48900"})
    await rig.until(lambda: len(rig.ends()) == 2, "both ends")
    assert ids(rig) == [OWN, "te-j-0-2s"]
    assert rig.ends() == [(OWN, OrderStatus.FILLED), ("te-j-0-2s", OrderStatus.FILLED)]


@pytest.mark.parametrize("spawned", ["same", "generated"])
async def test_a_stop_that_triggers_while_nobody_hears_is_told_under_its_own_id(spawned: str) -> None:
    async with live(options={"spawned_client_id": spawned}) as rig:
        feed = rig.feed()
        await feed.start()
        await rig.send(feed, entry(client_order_id=OWN))
        await rig.send(feed, stop_of(client_order_id="te-j-0-2s"))
        await rig.until(lambda: feed.links.is_heard("te-j-0-2s"), "the stop's acceptance")
        await rig.fault("swallow_event", {}, times=None)
        await rig.control("mark", {"symbol": "BTCUSDT", "price": "48900"})
        await rig.clear_faults()
        await rig.fault("drop_streams")
        await rig.until(lambda: len(rig.ends()) == 2, "both ends")
        assert ids(rig) == [OWN, "te-j-0-2s"]
        assert rig.ends()[-1] == ("te-j-0-2s", OrderStatus.FILLED)
        await feed.stop()


async def test_a_foreign_trade_is_told_under_its_foreign_id(rig: Live, feed: AccountFeed) -> None:
    await rig.trade("web_manual")
    await rig.until(rig.fills, "the trade")
    assert ids(rig) == ["web_manual"]
    assert rig.ends() == []
    assert feed.links.open() == ()


async def test_an_order_that_rests_and_is_cancelled_while_nobody_hears_ends(rig: Live, feed: AccountFeed) -> None:
    order = entry(OrderKind.LIMIT, client_order_id=OWN)
    await rig.send(feed, order, price="45000", timeInForce="GTC")
    await rig.until(lambda: feed.links.is_heard(OWN), "the acceptance")
    await rig.fault("swallow_event", {}, times=None)
    await rig.client.futures_cancel_order(symbol="BTCUSDT", origClientOrderId=OWN)
    await rig.clear_faults()
    await rig.fault("drop_streams")
    await rig.until(rig.ends, "the end, read back")
    assert rig.ends() == [(OWN, OrderStatus.CANCELLED)]


STORM: tuple[tuple[Any, dict[str, Any]], ...] = (
    ("swallow_event", {"event": "ORDER_TRADE_UPDATE"}),
    ("swallow_event", {"event": "ALGO_UPDATE"}),
    ("swallow_event", {"event": "ACCOUNT_UPDATE"}),
    ("duplicate_event", {"event": "ORDER_TRADE_UPDATE"}),
    ("reorder_events", {"event": "ORDER_TRADE_UPDATE"}),
    ({"delay_event_ms": 50}, {"event": "ORDER_TRADE_UPDATE"}),
    ({"delay_event_ms": 600}, {"event": "ORDER_TRADE_UPDATE", "x": "TRADE"}),
    ("drop_connection", {"event": "ORDER_TRADE_UPDATE"}),
    ("drop_streams", {}),
    ("expire_listen_key", {}),
    ("html_503", {"path": "*/userTrades"}),
    ("truncate", {"path": "*/userTrades"}),
    ("drop_connection", {"path": "*/order", "method": "GET"}),
    ("html_503", {"path": "*/listenKey"}),
    ("html_503", {"path": "/private/ws"}),
)


@pytest.mark.parametrize("seed", range(1, 4))
@pytest.mark.parametrize("spawned", ["same", "generated"])
async def test_after_a_storm_of_faults_nothing_is_missing_and_nothing_is_there_twice(seed: int, spawned: str) -> None:
    print(f"seed {seed}")
    chance = random.Random(seed)
    async with live(options={"spawned_client_id": spawned, "depth": "0.004"}) as rig:
        feed = rig.feed()
        await feed.start()
        await feed.observe({"BTCUSDT": None})
        mark = 50_000
        for number in range(25):
            effect, match = chance.choice(STORM)
            await rig.fault(effect, match, times=chance.choice([1, 1, 2, 5]))
            mark += chance.choice([-400, -100, 0, 100])
            await rig.control("mark", {"symbol": "BTCUSDT", "price": str(mark)})
            await rig.send(feed, entry(client_order_id=f"te-j-0-{number}o", quantity="0.010"))
            stop = stop_of(str(mark - 300), client_order_id=f"te-j-0-{number}s", quantity="0.010")
            await rig.send(feed, stop)
            await rig.clock.sleep(chance.choice([0, 0, 0.01, 0.1]))
        await rig.clear_faults()
        await rig.until(lambda: feed.trouble is None and not feed.events.doubted(), "calm")
        (observed,) = (await feed.observe({"BTCUSDT": None})).observed
        listed = [(row["id"], row["orderId"]) for row in await rig.client.futures_account_trades(symbol="BTCUSDT")]
        told = [trade for _, trade, _ in rig.fills()]
        assert sorted(told) == sorted(str(trade) for trade, _ in listed)
        assert set(ids(rig)) <= {f"te-j-0-{number}{letter}" for number in range(25) for letter in "os"}
        resting = {order.client_order_id for order in observed.orders}
        ended = [client_id for client_id, _ in rig.ends()]
        assert sorted([*ended, *resting]) == sorted(
            f"te-j-0-{number}{letter}" for number in range(25) for letter in "os"
        )
        assert {status for _, status in rig.ends()} == {OrderStatus.FILLED}
        executed: Counter[str] = Counter()
        for report in rig.told:
            if isinstance(report, FillReported):
                executed[report.client_order_id] += int(report.quantity * 1000)
        assert executed == dict.fromkeys(ended, 10)
        await feed.stop()
