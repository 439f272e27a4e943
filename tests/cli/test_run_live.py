"""``tradeengine run --prices live``: paper trading at the prices of a simulated market, without a key."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from scripts.devservices.ports import reserve
from shared.clock import SystemClock
from tests.prices.market import Market, market
from tests.support.deadline import PATIENCE_S
from tests.support.process import NO_NATS, READ, TRADE, engine_process, signal_document, tradeengine
from tradeengine.simulator.exchange import Exchange

pytestmark = pytest.mark.process

PUBLIC = {"/fapi/v1/time", "/fapi/v1/exchangeInfo", "/fapi/v1/premiumIndex", "/market/stream"}


def fresh(price: str = "50000") -> Exchange:
    made = Exchange(now_ms=SystemClock().now_ms())
    made.set_mark("BTCUSDT", Decimal(price))
    return made


@pytest.fixture
def exchange() -> Iterator[Market]:
    with market(fresh(), virtual_time=False) as made:
        yield made


def engine(data: Path, exchange: Market, *arguments: str, **settings: str) -> Any:
    # Keys that lie about must not be used: paper needs none.
    env = {
        "BINANCE_FUTURES_BASE_URL": exchange.url,
        "BINANCE_WS_URL": exchange.ws_url,
        "BINANCE_API_KEY": "a-key-that-must-stay-here",
        "BINANCE_API_SECRET": "a-secret-that-must-stay-here",
        "ALLOWED_SYMBOLS": "BTCUSDT,ETHUSDT",
    }
    return engine_process(
        data, nats_url=NO_NATS, arguments=["--prices", "live", *arguments], settings={**env, **settings}
    )


def assert_public_only(exchange: Market) -> None:
    asked = [entry for entry in exchange.asked() if not entry["path"].startswith("/sim")]
    assert {entry["path"] for entry in asked} <= PUBLIC
    assert all(entry["method"] == "GET" for entry in asked)
    assert not any({"signature", "timestamp", "listenkey"} & entry["parameters"].keys() for entry in asked)


async def test_signals_fill_at_the_markets_prices_and_nothing_is_sent_but_public_requests(
    tmp_path: Path, exchange: Market
) -> None:
    async with engine(tmp_path / "data", exchange) as running:
        await running.start()
        await running.accept(signal_document(quantity="0.01", stop_loss="49000", take_profit="52000"))
        (opened,) = await running.until_rows("/fills", bool)
        assert Decimal(opened["price"]) == 50_000

        exchange.control("POST", "mark", {"symbol": "BTCUSDT", "price": "52000.5"})
        await running.until_rows(
            "/strategy-positions", lambda rows: [r["close_reason"] for r in rows] == ["take_profit"]
        )

        posted = await running.request("PUT", "/paper/prices/BTCUSDT", json={"price": "1"}, headers=TRADE)
        assert posted.status_code in (404, 405)
        health = (await running.request("GET", "/health")).json()["components"]["prices"]
        assert health["status"] == "healthy"
        await running.stop()
        assert "must-stay-here" not in running.log()
    assert_public_only(exchange)


@pytest.mark.slow
async def test_a_silent_feed_is_said_and_openings_have_no_price_until_it_is_back(tmp_path: Path) -> None:
    with ExitStack() as first:
        # Reserved, for nobody else must have it while the exchange is away.
        reserved = reserve()
        first.callback(reserved.release)
        port = reserved.number
        exchange = first.enter_context(market(fresh(), virtual_time=False, port=port))
        async with engine(tmp_path / "data", exchange) as running:
            await running.start()
            first.close()
            await running.until_not_ready("prices: no price of BTCUSDT, ETHUSDT for 1")
            sized = await running.send(signal_document(quote_quantity="500"))
            assert sized.json()["reason"] == "no_reference_price", sized.text
            # One that needs no price is taken, and waits: what it would fill at is not known.
            await running.accept(signal_document(strategy="B", quantity="0.01"))
            await running.until_projected()
            assert await running.rows("/fills") == []

            with market(fresh("51234.5"), virtual_time=False, port=port):
                await running.until_ready()
                (filled,) = await running.until_rows("/fills", bool)
                assert Decimal(filled["price"]) == Decimal("51234.5")
                await running.accept(signal_document(strategy="C", quote_quantity="600"))


async def test_a_market_that_does_not_answer_keeps_nobody_from_being_probed(tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    env = {"BINANCE_FUTURES_BASE_URL": f"http://127.0.0.1:{port}", "BINANCE_WS_URL": f"ws://127.0.0.1:{port}"}
    with ExitStack() as stack:
        reserved = reserve()
        stack.callback(reserved.release)
        arguments = ["--prices", "live", "--port", str(reserved.number)]
        async with (
            server,
            engine_process(tmp_path / "data", nats_url=NO_NATS, arguments=arguments, settings=env) as running,
        ):
            running.spawn()
            await asyncio.wait_for(asked.wait(), PATIENCE_S)
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{reserved.number}", trust_env=False) as client:
                assert (await client.get("/live")).json() == {"status": "alive"}
                ready = await client.get("/ready")
                assert (ready.status_code, ready.json()["reasons"]) == (503, ["the engine is starting"])
                refused = await client.post("/trade/signal", json=signal_document(), headers=TRADE)
                assert (refused.status_code, refused.json()["code"]) == (503, "try_again")
                assert refused.headers["Retry-After"] == "1"
            running.terminate()
            assert await running.ended() == 0, "it waits for the market instead of stopping"


async def test_the_demonstration_trades_at_live_prices(tmp_path: Path, exchange: Market) -> None:
    async with engine(tmp_path / "data", exchange, "--demo") as running:
        await running.start()
        price = Decimal(50_000)
        decided: list[Any] = []
        while not decided:
            assert price < 60_000, running.log_tail()
            price += 50
            exchange.control("POST", "mark", {"symbol": "BTCUSDT", "price": str(price)})
            decided = (await running.request("GET", "/decisions", params={"limit": 1}, headers=READ)).json()["data"]
            await SystemClock().sleep(0.1)
        assert decided[0]["symbol"] == "BTCUSDT"


@pytest.mark.parametrize(
    ("arguments", "env", "code", "said"),
    [
        (["--symbols", "rules.json"], {}, 2, "the market states the rules"),
        ([], {"BINANCE_FUTURES_BASE_URL": "https://demo-fapi.binance.com"}, 78, "are of two exchanges"),
        ([], {"TRADING_MODE": "testnet"}, 78, "TRADING_MODE=testnet"),
        ([], {"ALLOWED_SYMBOLS": "BTCUSDT,DOGEUSDT"}, 1, "DOGEUSDT: "),
    ],
)
def test_what_does_not_fit_is_refused_at_the_start(
    tmp_path: Path, exchange: Market, arguments: list[str], env: dict[str, str], code: int, said: str
) -> None:
    (tmp_path / "rules.json").write_text("{}")
    given = [str(tmp_path / a) if a.endswith(".json") else a for a in arguments]
    settings = {"BINANCE_FUTURES_BASE_URL": exchange.url, "BINANCE_WS_URL": exchange.ws_url, **env}
    done = tradeengine(
        "run",
        "--prices",
        "live",
        "--port",
        "0",
        "--data-dir",
        tmp_path / "data",
        *given,
        env={"COLUMNS": "300", **settings},
    )

    assert done.returncode == code, done.stderr
    assert said in " ".join(done.stderr.replace("│", " ").split())
