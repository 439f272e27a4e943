"""The control side: what it does, and what it says about documents that are wrong."""

from typing import Any

import pytest

from tests.simulator.server.raw import RESTING, Raw


async def test_reset_replaces_the_whole_state(raw: Raw) -> None:
    await raw.order(**RESTING)
    await raw.fault({"status": 500}, times=None)
    stream = await raw.user_stream()
    await raw.reset(
        wallet="5000",
        clock_ms=1_700_000_000_000,
        marks={"BTCUSDT": "40000.5"},
        apiKeys={"other": "thing"},
        positions=[{"symbol": "BTCUSDT", "positionSide": "SHORT", "qty": "0.5", "entryPrice": "41000"}],
        options={"filters": "off", "weight_1m": 100},
    )
    assert await stream.ended() == 1000
    assert (await raw.control("GET", "requests")).body == {"requests": [], "next": 0}
    assert (await raw.control("GET", "faults")).body == {"faults": []}
    assert (await raw.public("/fapi/v1/time")).body == {"serverTime": 1_700_000_000_000}
    assert (await raw.order()).code == -2015
    raw.key, raw.secret = "other", "thing"
    assert (await raw.signed("GET", "/fapi/v1/openOrders")).body == []
    rows = (await raw.signed("GET", "/fapi/v2/positionRisk", symbol="BTCUSDT")).body
    assert [row["positionAmt"] for row in rows if row["positionSide"] == "SHORT"] == ["-0.500"]


async def test_an_empty_reset_is_the_default(raw: Raw) -> None:
    assert (await raw.control("POST", "reset")).status == 200
    assert (await raw.order()).status == 200


async def test_marks_move_prices_and_say_what_that_caused(raw: Raw) -> None:
    await raw.order(**RESTING)
    answer = await raw.control(
        "POST", "mark", {"symbol": "BTCUSDT", "price": "48900", "bid": "48899.9", "ask": "48900"}
    )
    assert answer.status == 200
    assert [event["o"]["x"] for event in answer.body["caused"] if event["e"] == "ORDER_TRADE_UPDATE"] == ["TRADE"]
    ticker = (await raw.public("/fapi/v1/ticker/bookTicker", "symbol=BTCUSDT")).body
    assert (float(ticker["bidPrice"]), float(ticker["askPrice"])) == (48899.9, 48900)


async def test_fills_come_whatever_the_market_says(raw: Raw) -> None:
    order = (await raw.order(**RESTING)).body
    document = {"orderId": order["orderId"], "qty": "0.004", "price": "49000", "maker": True}
    caused = (await raw.control("POST", "fill", document)).body["caused"]
    update = next(event["o"] for event in caused if event["e"] == "ORDER_TRADE_UPDATE")
    assert (update["X"], update["l"], update["m"]) == ("PARTIALLY_FILLED", "0.004", True)


async def test_funding_is_settled(raw: Raw) -> None:
    await raw.order()
    caused = (await raw.control("POST", "funding", {"symbol": "BTCUSDT", "rate": "0.0001"})).body["caused"]
    assert [event["a"]["m"] for event in caused] == ["FUNDING_FEE"]


async def test_the_clock_is_moved(raw: Raw) -> None:
    before = raw.now_ms
    answer = await raw.control("POST", "clock", {"advance_ms": 1234})
    assert (answer.body["now_ms"], answer.body["virtual"]) == (before + 1234, True)
    assert (await raw.public("/api/v3/time")).body == {"serverTime": before + 1234}


async def test_real_time_goes_on_from_where_it_was_moved_to(real_server: Any) -> None:
    async with Raw(real_server) as raw:
        before = (await raw.public("/fapi/v1/time")).body["serverTime"]
        await raw.control("POST", "clock", {"advance_ms": 3_600_000})
        moved = (await raw.public("/fapi/v1/time")).body["serverTime"]
        assert before + 3_600_000 <= moved < before + 3_660_000
        assert (await raw.order()).status == 200
        await raw.reset(clock_ms=1_700_000_000_000)
        again = (await raw.public("/fapi/v1/time")).body["serverTime"]
        assert 1_700_000_000_000 <= again < 1_700_000_060_000


async def test_requests_say_what_came_and_what_it_caused(raw: Raw) -> None:
    await raw.order(newClientOrderId="mine")
    await raw.signed("GET", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="nobody")
    first, second = await raw.requests()
    assert (first["method"], first["path"], first["status"]) == ("POST", "/fapi/v1/order", 200)
    assert first["time"] == raw.now_ms
    assert first["parameters"]["newclientorderid"] == "mine"
    assert first["answer"]["clientOrderId"] == "mine"
    assert [event["e"] for event in first["caused"]].count("ORDER_TRADE_UPDATE") == 2
    assert (second["status"], second["answer"]["code"], second["caused"]) == (400, -2013, [])
    assert await raw.requests(first["number"]) == [second]
    assert await raw.requests(second["number"]) == []
    assert len(await raw.requests(raw.now_ms)) == 2
    assert await raw.requests(raw.now_ms + 1) == []


async def test_state_holds_what_there_is(raw: Raw) -> None:
    await raw.order(**RESTING, newClientOrderId="resting-one")
    answer = await raw.control("GET", "state")
    assert "resting-one" in answer.text
    assert answer.body["server"]["clock_ms"] == raw.now_ms


@pytest.mark.parametrize(
    ("method", "path", "document", "field", "remedy"),
    [
        ("POST", "reset", {"walet": "1"}, "walet", "remove it"),
        ("POST", "reset", {"wallet": "much"}, "wallet", "decimal number"),
        ("POST", "reset", {"positions": [{"symbol": "BTCUSDT"}]}, "positions[0].positionSide", "add it"),
        ("POST", "reset", {"options": {"filter": "off"}}, "options.filter", "remove it"),
        ("POST", "reset", {"options": {"filters": "maybe"}}, "options.filters", "'on' or 'off'"),
        ("POST", "reset", {"options": {"weight_1m": 0}}, "options.weight_1m", ">= 1"),
        ("POST", "reset", [], "body", ""),
        ("POST", "mark", {"symbol": "BTCUSDT"}, "price", "add it"),
        ("POST", "mark", {"symbol": "BTCUSDT", "price": "-1"}, "price", "> 0"),
        ("POST", "mark", {"symbol": "NONEUSDT", "price": "1"}, "body", "correct"),
        ("POST", "fill", {"orderId": 1, "qty": "1", "price": "1"}, "body", "correct"),
        ("POST", "fill", {"orderId": "x", "qty": "1", "price": "1"}, "orderId", "whole number"),
        ("POST", "funding", {"symbol": "BTCUSDT", "rate": "2"}, "rate", "< 1"),
        ("POST", "clock", {"advance_ms": -1}, "advance_ms", ">= 0"),
        ("POST", "faults", [{"effect": "explode"}], "[0].effect", ""),
        ("POST", "faults", [{}], "[0].effect", "add it"),
        ("POST", "faults", [{"effect": {"delay_ms": 1, "truncate": True}}], "[0].effect", ""),
        ("POST", "faults", [{"effect": {"code": -1, "msg": "x"}}], "[0].effect", ""),
        ("POST", "faults", [{"effect": "truncate", "when": "before"}], "[0]", ""),
        ("POST", "faults", [{"effect": "truncate", "times": 0}], "[0].times", ">= 1"),
        ("POST", "faults", [{"match": {"x": "TRADE"}, "effect": "swallow_event"}], "[0].match", ""),
        ("POST", "faults", [{"match": {"event": "TRADE_LITE"}, "effect": "html_503"}], "[0]", ""),
        ("GET", "requests?since=yesterday", None, "since", "next"),
    ],
)
async def test_what_is_wrong_is_named_with_its_remedy(
    raw: Raw, method: str, path: str, document: Any, field: str, remedy: str
) -> None:
    before = (await raw.control("GET", "state")).text
    answer = await raw.control(method, path, document)
    assert answer.status == 422, answer.text
    assert field in [error["field"] for error in answer.body["errors"]], answer.text
    assert all(error["problem"] and error["remedy"] for error in answer.body["errors"])
    assert any(remedy in error["remedy"] for error in answer.body["errors"]), answer.text
    assert (await raw.control("GET", "state")).text == before
    assert (await raw.control("GET", "faults")).body == {"faults": []}


async def test_what_is_no_json_is_named(raw: Raw) -> None:
    answer = await raw.send("POST", "/sim/mark", body="{price", headers={})
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, "body")


async def test_an_unknown_path_names_the_known_ones(raw: Raw) -> None:
    answer = await raw.control("POST", "resets", {})
    assert answer.status == 404
    assert "POST /sim/reset" in answer.body["errors"][0]["remedy"]


async def test_numbers_keep_their_digits(raw: Raw) -> None:
    text = '{"symbol": "BTCUSDT", "price": 50000.12345678}'
    assert (await raw.send("POST", "/sim/mark", body=text, headers={})).status == 200
    assert (await raw.public("/fapi/v1/premiumIndex", "symbol=BTCUSDT")).body["markPrice"] == "50000.12345678"


async def test_the_control_side_costs_no_weight(raw: Raw) -> None:
    for _ in range(5):
        await raw.control("GET", "state")
    assert (await raw.public("/fapi/v1/ping")).headers["X-MBX-USED-WEIGHT-1M"] == "1"
