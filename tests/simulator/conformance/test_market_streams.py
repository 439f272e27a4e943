"""Market streams (Binance docs, websocket-market-streams)."""

from decimal import Decimal
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.simulator.conformance.documents import (
    is_decimal,
    is_empty_or_decimal,
    is_flag,
    is_integer,
    is_price_list,
    is_text,
    number,
    one_of,
    shape,
)
from tests.simulator.conformance.sim import BTC, ETH, Sim
from tests.simulator.conformance.streams import Stream
from tests.simulator.conformance.wire import ok

EXTRA = {"st": is_integer, "ps": is_text}


@pytest.mark.parametrize("prefix", ["/market", ""])
@pytest.mark.parametrize("name", ["btcusdt@markPrice", "btcusdt@markPrice@1s"])
def test_mark_price_stream(virtual: Sim, prefix: str, name: str) -> None:
    with Stream(f"{virtual.ws_url}{prefix}/ws/{name}") as stream:
        virtual.mark(BTC, "51000")
        virtual.advance(3000)
        event = stream.until(lambda one: number(one["p"]) == 51000)[-1]
    decimals = dict.fromkeys(("p", "i", "P"), is_decimal)
    shape(
        event,
        {
            "e": one_of("markPriceUpdate"),
            "E": is_integer,
            "s": one_of(BTC),
            **decimals,
            "r": is_empty_or_decimal,
            "T": is_integer,
        },
        {"ap": is_decimal, **EXTRA},
    )


@pytest.mark.parametrize("prefix", ["/public", ""])
def test_book_ticker_stream(sim: Sim, prefix: str) -> None:
    with Stream(f"{sim.ws_url}{prefix}/ws/btcusdt@bookTicker") as stream:
        sim.mark(BTC, "51000", bid="50999.9", ask="51000.2")
        event = stream.until(lambda one: number(one["a"]) == Decimal("51000.2"))[-1]
    decimals = dict.fromkeys(("b", "B", "a", "A"), is_decimal)
    shape(
        event,
        {"e": one_of("bookTicker"), "u": is_integer, "E": is_integer, "T": is_integer, "s": one_of(BTC), **decimals},
        EXTRA,
    )


def test_aggregate_trade_stream(virtual: Sim) -> None:
    with Stream(f"{virtual.ws_url}/market/ws/btcusdt@aggTrade") as stream:
        ok(virtual.order("BUY", "LONG", "0.010"))
        virtual.advance(1000)
        event = stream.until(lambda one: number(one["q"]) == Decimal("0.01"))[-1]
    numbers = dict.fromkeys(("E", "a", "f", "l", "T"), is_integer)
    shape(
        event,
        {"e": one_of("aggTrade"), "s": one_of(BTC), "p": is_decimal, "q": is_decimal, "m": is_flag, **numbers},
        {"nq": is_decimal, **EXTRA},
    )


KLINE = {
    **dict.fromkeys(("t", "T", "f", "L", "n"), is_integer),
    **dict.fromkeys(("o", "c", "h", "l", "v", "q", "V", "Q", "B"), is_decimal),
    "i": one_of("1m"),
    "x": is_flag,
}


def test_kline_streams(virtual: Sim) -> None:
    with (
        Stream(f"{virtual.ws_url}/market/ws/btcusdt@kline_1m") as plain,
        Stream(f"{virtual.ws_url}/market/ws/btcusdt_perpetual@continuousKline_1m") as continuous,
    ):
        virtual.mark(BTC, "51000")
        virtual.advance(1000)
        event = plain.until(lambda one: number(one["k"]["c"]) == 51000)[-1]
        shape(
            event, {"e": one_of("kline"), "E": is_integer, "s": one_of(BTC), "k": lambda k: isinstance(k, dict)}, EXTRA
        )
        shape(event["k"], {**KLINE, "s": one_of(BTC)})
        event = continuous.until(lambda one: number(one["k"]["c"]) == 51000)[-1]
        shape(
            event,
            {
                "e": one_of("continuous_kline"),
                "E": is_integer,
                "ps": one_of(BTC),
                "ct": one_of("PERPETUAL"),
                "k": lambda k: isinstance(k, dict),
            },
            {"st": is_integer},
        )
        shape(event["k"], KLINE, {"s": is_text})


@pytest.mark.parametrize("name", ["btcusdt@depth5", "btcusdt@depth10@100ms", "btcusdt@depth"])
def test_depth_streams(virtual: Sim, name: str) -> None:
    with Stream(f"{virtual.ws_url}/public/ws/{name}") as stream:
        virtual.mark(BTC, "51000", bid="50999.9", ask="51000.2")
        virtual.advance(1000)
        event = stream.until(lambda one: any(number(price) == Decimal("51000.2") for price, _ in one["a"]))[-1]
    numbers = dict.fromkeys(("E", "T", "U", "u", "pu"), is_integer)
    shape(
        event, {"e": one_of("depthUpdate"), "s": one_of(BTC), "b": is_price_list, "a": is_price_list, **numbers}, EXTRA
    )


def test_liquidations_are_streamed_to_the_market(sim: Sim) -> None:
    sim.reset(wallet="1000", positions=[{"symbol": BTC, "positionSide": "LONG", "qty": "0.2", "entryPrice": "50000"}])
    with Stream(f"{sim.ws_url}/market/ws/btcusdt@forceOrder") as stream:
        sim.mark(BTC, "40000")
        event = stream.next()
    shape(event, {"e": one_of("forceOrder"), "E": is_integer, "o": lambda o: isinstance(o, dict)}, EXTRA)
    decimals = dict.fromkeys(("q", "p", "ap", "l", "z"), is_decimal)
    fixed = {"s": one_of(BTC), "S": one_of("SELL"), "o": one_of("LIMIT"), "f": one_of("IOC"), "X": one_of("FILLED")}
    shape(event["o"], {**fixed, **decimals, "T": is_integer}, {"ps": is_text})


@pytest.mark.parametrize("prefix", ["/market", ""])
def test_combined_streams_are_wrapped(virtual: Sim, prefix: str) -> None:
    with Stream(f"{virtual.ws_url}{prefix}/stream?streams=btcusdt@markPrice@1s/ethusdt@markPrice@1s") as stream:
        virtual.mark(BTC, "51000")
        virtual.mark(ETH, "3100")
        virtual.advance(3000)
        seen: set[str] = set()
        while len(seen) < 2:
            message = stream.next()
            shape(message, {"stream": is_text, "data": lambda data: isinstance(data, dict)})
            assert message["stream"] == f"{message['data']['s'].lower()}@markPrice@1s"
            seen.add(message["stream"])


def test_the_array_of_all_marks(virtual: Sim) -> None:
    with Stream(f"{virtual.ws_url}/market/stream?streams=!markPrice@arr@1s") as stream:
        virtual.mark(BTC, "51000")
        virtual.advance(3000)
        message = stream.until(lambda one: any(number(row["p"]) == 51000 for row in one["data"]))[-1]
    assert message["stream"] == "!markPrice@arr@1s"
    assert all(row["e"] == "markPriceUpdate" for row in message["data"])


def test_streams_can_be_subscribed_to_and_left(sim: Sim) -> None:
    with Stream(f"{sim.ws_url}/public/ws") as stream:

        def ask(method: str, params: list[str] | None, number: int) -> Any:
            stream.send({"method": method, "id": number, **({} if params is None else {"params": params})})
            return stream.until(lambda one: one.get("id") == number)[-1]

        assert ask("SUBSCRIBE", ["btcusdt@bookTicker"], 1) == {"result": None, "id": 1}
        assert ask("LIST_SUBSCRIPTIONS", None, 2) == {"result": ["btcusdt@bookTicker"], "id": 2}
        sim.mark(BTC, "51000", bid="50999.9", ask="51000.2")
        stream.until(lambda one: one.get("a") == "51000.20" or one.get("a") == "51000.2")
        assert ask("UNSUBSCRIBE", ["btcusdt@bookTicker"], 3) == {"result": None, "id": 3}
        assert ask("LIST_SUBSCRIPTIONS", None, 4) == {"result": [], "id": 4}
        sim.mark(BTC, "52000")
        sim.mark(BTC, "53000")
        assert ask("LIST_SUBSCRIPTIONS", None, 5) == {"result": [], "id": 5}


def test_a_connection_ends_after_a_day(virtual: Sim) -> None:
    with Stream(f"{virtual.ws_url}/public/ws/btcusdt@bookTicker") as stream:
        virtual.advance(86_400_000 + 60_000)
        with pytest.raises(ConnectionClosed):
            stream.until(lambda _: False)


def test_a_client_that_sends_too_much_is_cut_off(sim: Sim) -> None:
    def flood(stream: Stream) -> None:
        for request in range(50):
            stream.send({"method": "LIST_SUBSCRIPTIONS", "id": request})
        stream.until(lambda _: False)

    with Stream(f"{sim.ws_url}/public/ws") as stream, pytest.raises(ConnectionClosed):
        flood(stream)
