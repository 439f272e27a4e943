"""Exchange API contract mistakes: which exchange, which account, and how it must be set up before the first order."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.process import tradeengine
from tests.support.protecting import alerts
from tests.support.rig import Rig, rig, settings_for
from tradeengine.cli.base import EXIT_CONFIG

pytestmark = pytest.mark.process

POSITION_MODE = "/fapi/v1/positionSide/dual"
PRODUCTION = {"BINANCE_FUTURES_BASE_URL": "https://fapi.binance.com", "BINANCE_WS_URL": "wss://fstream.binance.com"}
TESTNET = {
    "BINANCE_FUTURES_BASE_URL": "https://demo-fapi.binance.com",
    "BINANCE_WS_URL": "wss://fstream.binancefuture.com",
}
KEY = {"BINANCE_API_KEY": "key", "BINANCE_API_SECRET": "secret", "ALLOWED_SYMBOLS": "BTCUSDT", "STOP_LOSS_PCT": "0.02"}


def start(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Start an engine that is expected not to run."""
    return tradeengine("run", "--data-dir", folder / "refused", "--port", "0", env={"NATS_EMBEDDED": "off", **settings})


def assert_refused(refused: subprocess.CompletedProcess[str], *texts: str) -> None:
    """Check that it ended because of its configuration, and says all of this."""
    assert refused.returncode == EXIT_CONFIG, refused.stdout + refused.stderr
    assert "error configuration: " in refused.stderr
    assert "Traceback" not in refused.stderr
    for text in texts:
        assert text in refused.stderr


@pytest.mark.parametrize(
    ("mode", "addresses", "texts"),
    [
        ("testnet", PRODUCTION, ("fapi.binance.com is a production address", "TRADING_MODE=testnet")),
        ("production", TESTNET, ("demo-fapi.binance.com is a testnet address", "TRADING_MODE=production")),
        ("testnet", TESTNET | {"BINANCE_WS_URL": PRODUCTION["BINANCE_WS_URL"]}, ("BINANCE_WS_URL", "production")),
    ],
)
def test_i50_addresses_of_another_kind_than_the_mode_refuse_to_start(
    tmp_path: Path, mode: str, addresses: dict[str, str], texts: tuple[str, ...]
) -> None:
    """Requests and streams go to the kind of exchange that the mode names, or nothing starts."""
    assert_refused(start(tmp_path, TRADING_MODE=mode, **KEY, **addresses), *texts)


@pytest.mark.parametrize(("mode", "testnet"), [("production", "true"), ("testnet", "false")])
def test_i51_the_mode_that_is_set_is_never_overruled(tmp_path: Path, mode: str, testnet: str) -> None:
    """A second setting that contradicts the mode ends the start: nothing decides by itself which of them holds."""
    assert_refused(start(tmp_path, TRADING_MODE=mode, BINANCE_TESTNET=testnet, **KEY), "BINANCE_TESTNET", mode)


async def test_i50_i51_a_start_says_where_it_trades_and_needs_a_key_of_there(tmp_path: Path) -> None:
    """The addresses are printed, logged and in /health with the mode; a key of another exchange ends the start."""
    async with _stopped(tmp_path) as made:
        await made.exchange.reset(apiKeys={"another": "key"})
        assert_refused(
            start(tmp_path, **settings_for(made.exchange)),
            f"BINANCE_API_KEY or BINANCE_API_SECRET is none of 127.0.0.1:{made.exchange.port}",
            "-2015",
            "Set the key that belongs to this address",
        )
        assert not [row for row in await made.exchange.requests() if row["method"] != "GET"]

        await made.exchange.reset()
        await made.engine.start()
        log = made.engine.log()
        assert f"Exchange {made.exchange.url}" in log
        assert f"Streams  {made.exchange.ws_url}" in log
        health = (await made.engine.request("GET", "/health/detailed")).json()
        venue = health["components"]["venue"]
        assert health["trading_mode"] == venue["mode"] == "testnet"
        assert (venue["rest_url"], venue["stream_url"]) == (made.exchange.url, made.exchange.ws_url)
        assert await made.exchange.requests("GET", "/private/ws")


async def test_the_position_mode_is_set_when_the_account_is_flat(tmp_path: Path) -> None:
    """An account in the other mode is switched while it is flat; with an order or a position the start is refused."""
    async with _stopped(tmp_path) as made:
        held = {"symbol": "BTCUSDT", "positionSide": "BOTH", "qty": "0.1", "entryPrice": "50000"}
        await made.exchange.reset(dualSidePosition=False, positions=[held])
        settings = settings_for(made.exchange)
        says = ("POSITION_MODE=hedge", "close them all, or set POSITION_MODE to the other one")
        assert_refused(start(tmp_path, **settings), *says, "-4068")

        await made.exchange.reset(dualSidePosition=False)
        terms = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
        resting = await made.exchange.signed("POST", "/fapi/v1/order", quantity="0.1", price="49000", **terms)
        assert_refused(start(tmp_path, **settings), *says, "-4067")
        assert await _is_hedged(made) is False

        await made.exchange.signed("DELETE", "/fapi/v1/order", symbol="BTCUSDT", orderId=resting["orderId"])
        await made.engine.start()
        assert await _is_hedged(made) is True
        assert "position mode is hedge now" in made.engine.log()


async def test_leverage_is_set_for_each_symbol_at_the_start(tmp_path: Path) -> None:
    """Every symbol that is traded has leverage and margin type as configured before anything is opened."""
    symbols = "/fapi/v1/symbolConfig"
    async with _stopped(tmp_path, BINANCE_LEVERAGE="9", BINANCE_MARGIN_TYPE="isolated") as made:
        await made.exchange.reset(leverage={"BTCUSDT": 3, "ETHUSDT": 9}, marginType={"ETHUSDT": "ISOLATED"})
        await made.engine.start()
        terms = {
            row["symbol"]: (row["leverage"], row["marginType"]) for row in await made.exchange.signed("GET", symbols)
        }
        assert terms == {"BTCUSDT": (9, "ISOLATED"), "ETHUSDT": (9, "ISOLATED")}
        changed = [row["parameters"]["symbol"] for row in await made.exchange.requests("POST", "/fapi/v1/leverage")]
        assert changed == ["BTCUSDT"], "what fits is left alone"


def _stopped(folder: Path, **settings: str) -> Any:
    """An exchange, and an engine that is not started yet."""
    return rig(folder, setup=None, lies=None, started=False, **settings)


async def _is_hedged(made: Rig) -> bool:
    return bool((await made.exchange.signed("GET", POSITION_MODE))["dualSidePosition"])


async def test_an_exchange_that_is_away_at_the_start_is_told(tmp_path: Path) -> None:
    """Positions may be open that nobody looks after: the log and a counter say so before anything else works."""
    async with rig(tmp_path, started=False) as made:
        made.exchange.kill()
        made.engine.spawn()
        await made.engine.until_served()
        await made.until(lambda: alerts(made, "venue_trouble"), "the alert")
        await made.exchange.start()
        await made.engine.until_ready()
        assert await made.until(lambda: alerts(made, "venue_trouble", "info"), "the end of the alert") == 1
