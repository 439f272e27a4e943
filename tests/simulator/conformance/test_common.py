"""Rules common to all endpoints: security, signatures, timing, parameters, headers (Binance docs, General Info)."""

import socket
from urllib.parse import quote_plus, urlsplit

import pytest

from tests.simulator.conformance.sim import BTC, KEY, SECRET, Sim
from tests.simulator.conformance.wire import FORM, Wire, encoded, ok, refused, signature
from tests.support.deadline import PATIENCE_S

ACCOUNT = "/fapi/v1/accountConfig"


def sign(text: str, secret: str = SECRET) -> str:
    return f"{text}&signature={signature(secret, text)}"


def order_text(sim: Sim, **more: object) -> str:
    values = {"symbol": BTC, "side": "BUY", "positionSide": "LONG", "type": "LIMIT", "timeInForce": "GTC"}
    values |= {"quantity": "0.010", "price": "49000", "timestamp": str(sim.now_ms)}
    return encoded({**values, **more}.items())


# ---------------------------------------------------------------- security


@pytest.mark.parametrize("path", ["/fapi/v1/ping", "/api/v3/ping"])
def test_ping_answers_an_empty_object(sim: Sim, path: str) -> None:
    assert ok(sim.wire.public(path)) == {}


@pytest.mark.parametrize("path", ["/fapi/v1/time", "/api/v3/time"])
def test_time_is_an_integer_of_milliseconds(sim: Sim, path: str) -> None:
    body = ok(sim.wire.public(path))
    assert set(body) == {"serverTime"}
    assert type(body["serverTime"]) is int


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_signed_endpoint_without_key_is_refused_as_unauthorised(sim: Sim, method: str) -> None:
    path = ACCOUNT if method == "GET" else "/fapi/v1/order"
    text = sign(order_text(sim))
    answer = sim.wire.send(
        method,
        path,
        text if method == "GET" else "",
        text if method != "GET" else None,
        headers={"X-MBX-APIKEY": "", "Content-Type": FORM},
    )
    refused(answer, -2014, -2015, status=401)


def test_an_unknown_key_is_refused_as_unauthorised(sim: Sim) -> None:
    with Wire(sim.url, "somebody-else", SECRET, lambda: sim.now_ms) as wire:
        assert refused(wire.get(ACCOUNT), -2014, -2015, status=401)


def test_a_listen_key_asks_for_a_key_and_no_signature(sim: Sim) -> None:
    with Wire(sim.url, "somebody-else", SECRET, lambda: sim.now_ms) as wire:
        refused(wire.send("POST", "/fapi/v1/listenKey"), -2014, -2015, status=401)
    ok(sim.wire.send("POST", "/fapi/v1/listenKey"))


def test_several_keys_see_one_account(sim: Sim) -> None:
    sim.reset(apiKeys={KEY: SECRET, "second": "other"})
    ok(sim.order("BUY", "LONG", "0.010", "49000", newClientOrderId="shared"))
    with Wire(sim.url, "second", "other", lambda: sim.now_ms) as wire:
        assert [row["clientOrderId"] for row in ok(wire.get("/fapi/v1/openOrders", symbol=BTC))] == ["shared"]


def test_an_unknown_path_is_not_found(sim: Sim) -> None:
    assert sim.wire.public("/fapi/v1/nonesuch").status == 404


# ---------------------------------------------------------------- signatures


def test_a_wrong_signature_is_refused(sim: Sim) -> None:
    text = order_text(sim)
    refused(sim.wire.send("POST", "/fapi/v1/order", body=f"{text}&signature={'0' * 64}"), -1022)


def test_a_missing_signature_is_refused(sim: Sim) -> None:
    refused(sim.wire.send("POST", "/fapi/v1/order", body=order_text(sim)), -1102, -1022)


def test_the_signature_may_be_upper_case(sim: Sim) -> None:
    text = order_text(sim)
    ok(sim.wire.send("POST", "/fapi/v1/order", body=f"{text}&signature={signature(SECRET, text).upper()}"))


def test_parameters_may_travel_in_the_query_of_a_post(sim: Sim) -> None:
    assert ok(sim.wire.send("POST", "/fapi/v1/order", sign(order_text(sim))))["status"] == "NEW"


def test_parameters_may_be_mixed_and_the_text_is_joined_without_separator(sim: Sim) -> None:
    query = f"symbol={BTC}&side=BUY&positionSide=LONG&type=LIMIT&timeInForce=GTC"
    body = f"quantity=0.010&price=49000&timestamp={sim.now_ms}"
    answer = sim.wire.send("POST", "/fapi/v1/order", query, f"{body}&signature={signature(SECRET, query + body)}")
    assert ok(answer)["price"] in ("49000", "49000.0", "49000.00")


def test_the_query_wins_over_the_body(sim: Sim) -> None:
    query = "price=48000"
    body = order_text(sim)
    answer = sim.wire.send("POST", "/fapi/v1/order", query, f"{body}&signature={signature(SECRET, query + body)}")
    assert float(ok(answer)["price"]) == 48000


def test_a_signature_over_the_decoded_text_is_accepted(sim: Sim) -> None:
    """As python-binance signs ordinary bodies: before percent-encoding."""
    plain = order_text(sim).replace("&timestamp", "&newClientOrderId=a:b/c&timestamp")
    body = plain.replace("a:b/c", quote_plus("a:b/c"))
    answer = sim.wire.send("POST", "/fapi/v1/order", body=f"{body}&signature={signature(SECRET, plain)}")
    assert ok(answer)["clientOrderId"] == "a:b/c"


def test_a_signature_over_the_encoded_text_is_accepted(sim: Sim) -> None:
    body = sign(order_text(sim, newClientOrderId="a:b/c"))
    assert "a%3Ab%2Fc" in body
    assert ok(sim.wire.send("POST", "/fapi/v1/order", body=body))["clientOrderId"] == "a:b/c"


def test_a_body_is_read_as_a_form_whatever_its_content_type_says(sim: Sim) -> None:
    body = sign(order_text(sim, newClientOrderId="typed"))
    headers = {"Content-Type": "application/json"}
    order = ok(sim.wire.send("POST", "/fapi/v1/order", body=body, headers=headers))
    text = sign(f"symbol={BTC}&origClientOrderId=typed&timestamp={sim.now_ms}")
    assert ok(sim.wire.send("DELETE", "/fapi/v1/order", body=text, headers=headers))["orderId"] == order["orderId"]


def test_delete_takes_its_parameters_from_query_or_body(sim: Sim) -> None:
    for place in ("query", "body"):
        order = ok(sim.order("BUY", "LONG", "0.010", "49000"))
        text = sign(f"symbol={BTC}&orderId={order['orderId']}&timestamp={sim.now_ms}")
        answer = sim.wire.send(
            "DELETE", "/fapi/v1/order", text if place == "query" else "", text if place == "body" else None
        )
        assert ok(answer)["status"] == "CANCELED"


def test_get_reads_the_query_only(sim: Sim) -> None:
    text = sign(f"timestamp={sim.now_ms}")
    answer = sim.wire.send("GET", ACCOUNT, "", text)
    assert answer.status == 400
    assert ok(sim.wire.send("GET", ACCOUNT, text))["dualSidePosition"] is True


DOCS_KEY = "dbefbc809e3e83c283a984c3a1459732ea7db1360ca80c5c2c8867408d28cc83"
DOCS_SECRET = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
DOCS_MS = 1591702613943
DOCS_TEXT = (
    "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC&recvWindow=5000&timestamp=1591702613943"
)


@pytest.mark.parametrize(
    ("query", "body", "published"),
    [
        ("", DOCS_TEXT, "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"),
        (DOCS_TEXT, "", "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"),
        (
            "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC",
            "quantity=1&price=9000&recvWindow=5000&timestamp=1591702613943",
            "30baaf0fab549bbe",
        ),
    ],
    ids=["body", "query", "mixed"],
)
def test_the_published_examples_are_accepted(virtual: Sim, query: str, body: str, published: str) -> None:
    virtual.reset(
        apiKeys={DOCS_KEY: DOCS_SECRET, KEY: SECRET},
        clock_ms=DOCS_MS,
        marks={BTC: "9500"},
        dualSidePosition=False,
    )
    computed = signature(DOCS_SECRET, query + body)
    assert computed.startswith(published)
    signed = f"&signature={computed}"
    with Wire(virtual.url, DOCS_KEY, DOCS_SECRET, lambda: DOCS_MS) as wire:
        answer = wire.send("POST", "/fapi/v1/order", query if body else query + signed, body + signed if body else None)
    order = ok(answer)
    assert (order["side"], order["positionSide"], order["type"]) == ("BUY", "BOTH", "LIMIT")
    assert float(order["price"]) == 9000


# ---------------------------------------------------------------- timing


@pytest.mark.parametrize(
    ("offset_ms", "window_ms", "accepted"),
    [
        (0, None, True),
        (999, None, True),
        (1000, None, False),
        (-5000, None, True),
        (-5001, None, False),
        (-100, 100, True),
        (-101, 100, False),
        (-60000, 60000, True),
        (-60001, 60000, False),
    ],
)
def test_timestamps_must_lie_in_the_window(virtual: Sim, offset_ms: int, window_ms: int | None, accepted: bool) -> None:
    answer = virtual.wire.get(ACCOUNT, recvWindow=window_ms, timestamp=virtual.now_ms + offset_ms)
    if accepted:
        ok(answer)
    else:
        refused(answer, -1021)


def test_a_window_above_a_minute_is_refused_or_cut(virtual: Sim) -> None:
    answer = virtual.wire.get(ACCOUNT, recvWindow=70000, timestamp=virtual.now_ms - 65000)
    assert answer.status == 400


def test_an_old_timestamp_is_refused_before_anything_happens(sim: Sim) -> None:
    refused(sim.order("BUY", "LONG", "0.010", "49000", timestamp=sim.now_ms - 60_000), -1021)
    assert ok(sim.wire.get("/fapi/v1/openOrders", symbol=BTC)) == []


def test_a_missing_timestamp_is_refused(sim: Sim) -> None:
    text = f"symbol={BTC}"
    refused(sim.wire.send("GET", ACCOUNT, sign(text)), -1102)


def test_a_malformed_timestamp_is_refused(sim: Sim) -> None:
    refused(sim.wire.get(ACCOUNT, timestamp="soon"), -1102, -1100, -1130, -1021)


# ---------------------------------------------------------------- parameters


def test_parameter_names_are_case_insensitive(sim: Sim) -> None:
    values = {"SYMBOL": BTC, "Side": "BUY", "positionside": "LONG", "TYPE": "LIMIT", "timeinforce": "GTC"}
    values |= {"QUANTITY": "0.010", "price": "49000", "newclientorderid": "any-case"}
    assert ok(sim.wire.post("/fapi/v1/order", **values))["clientOrderId"] == "any-case"


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [("side", "buy", -1117), ("type", "limit", -1116), ("timeInForce", "gtc", -1115), ("positionSide", "long", -4060)],
)
def test_values_of_enums_are_case_sensitive(sim: Sim, name: str, value: str, code: int) -> None:
    refused(sim.order("BUY", "LONG", "0.010", "49000", **{name: value}), code, -1130)


def test_a_name_sent_twice_in_one_place_is_refused(sim: Sim) -> None:
    text = sign(f"{order_text(sim)}&price=48000")
    refused(sim.wire.send("POST", "/fapi/v1/order", body=text), -1101)


# ---------------------------------------------------------------- headers and connection


def test_every_answer_says_the_used_weight(sim: Sim) -> None:
    first = sim.wire.public("/fapi/v1/time")
    assert first.headers["content-type"].startswith("application/json")
    used = int(first.headers["x-mbx-used-weight-1m"])
    assert int(sim.wire.get("/fapi/v1/allOrders", symbol=BTC).headers["x-mbx-used-weight-1m"]) == used + 5
    bad = sim.wire.get("/fapi/v1/order", symbol=BTC, orderId=123456789)
    assert int(bad.headers["x-mbx-used-weight-1m"]) == used + 6


def test_orders_are_counted_in_both_windows(sim: Sim) -> None:
    counts = []
    for _ in range(2):
        answer = sim.order("BUY", "LONG", "0.010", "49000")
        ok(answer)
        counts.append(tuple(int(answer.headers[f"x-mbx-order-count-{window}"]) for window in ("10s", "1m")))
    assert counts[1] == (counts[0][0] + 1, counts[0][1] + 1)


def test_an_algo_order_counts_as_an_order(sim: Sim) -> None:
    before = sim.order("BUY", "LONG", "0.010", "49000")
    after = sim.algo("BUY", "LONG", "STOP_MARKET", "51000", quantity="0.010")
    ok(before), ok(after)
    for window in ("10s", "1m"):
        name = f"x-mbx-order-count-{window}"
        assert int(after.headers[name]) == int(before.headers[name]) + 1


def test_requests_without_orders_have_no_order_counts_growing(sim: Sim) -> None:
    first = sim.order("BUY", "LONG", "0.010", "49000")
    ok(sim.wire.get("/fapi/v1/openOrders", symbol=BTC))
    second = sim.order("BUY", "LONG", "0.010", "49000")
    assert int(second.headers["x-mbx-order-count-1m"]) == int(first.headers["x-mbx-order-count-1m"]) + 1


@pytest.mark.parametrize(
    ("method", "path", "parameters", "weight"),
    [
        ("GET", "/fapi/v1/openOrders", {"symbol": BTC}, 1),
        ("GET", "/fapi/v1/openOrders", {}, 40),
        ("GET", "/fapi/v1/allOrders", {"symbol": BTC}, 5),
        ("GET", "/fapi/v1/userTrades", {"symbol": BTC}, 5),
        ("GET", "/fapi/v2/positionRisk", {}, 5),
        ("GET", "/fapi/v3/positionRisk", {}, 5),
        ("GET", "/fapi/v2/account", {}, 5),
        ("GET", "/fapi/v3/account", {}, 5),
        ("GET", "/fapi/v3/balance", {}, 5),
        ("GET", "/fapi/v1/positionSide/dual", {}, 30),
        ("GET", "/fapi/v1/leverageBracket", {}, 1),
        ("GET", "/fapi/v1/commissionRate", {"symbol": BTC}, 20),
        ("GET", "/fapi/v1/symbolConfig", {}, 5),
        ("GET", "/fapi/v1/accountConfig", {}, 5),
        ("GET", "/fapi/v1/income", {}, 30),
        ("GET", "/fapi/v1/adlQuantile", {}, 5),
        ("GET", "/fapi/v1/rateLimit/order", {}, 1),
        ("GET", "/fapi/v1/openAlgoOrders", {"symbol": BTC}, 1),
        ("GET", "/fapi/v1/openAlgoOrders", {}, 40),
        ("GET", "/fapi/v1/allAlgoOrders", {"symbol": BTC}, 5),
        ("GET", "/fapi/v1/premiumIndex", {"symbol": BTC}, 1),
        ("GET", "/fapi/v1/premiumIndex", {}, 10),
        ("GET", "/fapi/v1/fundingRate", {"symbol": BTC}, 0),
        ("GET", "/fapi/v1/ticker/bookTicker", {"symbol": BTC}, 2),
        ("GET", "/fapi/v1/ticker/bookTicker", {}, 5),
        ("GET", "/fapi/v2/ticker/price", {"symbol": BTC}, 1),
        ("GET", "/fapi/v2/ticker/price", {}, 2),
        ("GET", "/fapi/v1/depth", {"symbol": BTC, "limit": 50}, 2),
        ("GET", "/fapi/v1/depth", {"symbol": BTC, "limit": 100}, 5),
        ("GET", "/fapi/v1/depth", {"symbol": BTC, "limit": 500}, 10),
        ("GET", "/fapi/v1/depth", {"symbol": BTC, "limit": 1000}, 20),
        ("GET", "/fapi/v1/klines", {"symbol": BTC, "interval": "1m", "limit": 99}, 1),
        ("GET", "/fapi/v1/klines", {"symbol": BTC, "interval": "1m", "limit": 499}, 2),
        ("GET", "/fapi/v1/klines", {"symbol": BTC, "interval": "1m", "limit": 1000}, 5),
        ("GET", "/fapi/v1/klines", {"symbol": BTC, "interval": "1m", "limit": 1001}, 10),
        ("GET", "/fapi/v1/aggTrades", {"symbol": BTC}, 20),
        ("DELETE", "/fapi/v1/allOpenOrders", {"symbol": BTC}, 1),
        ("DELETE", "/fapi/v1/algoOpenOrders", {"symbol": BTC}, 1),
        ("POST", "/fapi/v1/countdownCancelAll", {"symbol": BTC, "countdownTime": 0}, 10),
        ("POST", "/fapi/v1/leverage", {"symbol": BTC, "leverage": 10}, 1),
    ],
)
def test_each_request_costs_its_documented_weight(
    sim: Sim, method: str, path: str, parameters: dict[str, object], weight: int
) -> None:
    used = int(sim.wire.public("/fapi/v1/ping").headers["x-mbx-used-weight-1m"])
    answer = sim.wire.signed(method, path, **parameters)
    ok(answer)
    assert int(answer.headers["x-mbx-used-weight-1m"]) - used == weight


def test_placing_costs_orders_and_no_weight(sim: Sim) -> None:
    used = int(sim.wire.public("/fapi/v1/ping").headers["x-mbx-used-weight-1m"])
    for answer in (
        sim.order("BUY", "LONG", "0.010", "49000"),
        sim.algo("BUY", "LONG", "STOP_MARKET", "51000", quantity="0.010"),
    ):
        ok(answer)
        assert int(answer.headers["x-mbx-used-weight-1m"]) == used


def test_a_connection_serves_many_requests(sim: Sim) -> None:
    """HTTP keep-alive: after a request has been read the connection is never closed without reason."""
    parts = urlsplit(sim.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_S) as connection:
        for _ in range(3):
            connection.sendall(f"GET /fapi/v1/ping HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
