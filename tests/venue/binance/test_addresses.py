"""Addresses: whose they are, and that a key never meets an address of the other kind."""

import pytest

from contracts.enums import TradingMode
from shared.errors import ConfigError
from shared.settings import Settings
from tradeengine.venue.binance.addresses import (
    PRODUCTION,
    TESTNET,
    Addresses,
    AddressKind,
    kind_of,
    market_addresses,
    trading_addresses,
)

BASE, STREAM = "BINANCE_FUTURES_BASE_URL", "BINANCE_WS_URL"


def settings(mode: TradingMode, **given: str) -> Settings:
    needed = {"BINANCE_API_KEY": "k", "BINANCE_API_SECRET": "s", "ALLOWED_SYMBOLS": "BTCUSDT", "STOP_LOSS_PCT": "0.02"}
    return Settings.load({"TRADING_MODE": mode} | needed | given)


def test_each_mode_has_its_own() -> None:
    assert trading_addresses(settings(TradingMode.PRODUCTION)) == PRODUCTION
    assert trading_addresses(settings(TradingMode.TESTNET)) == TESTNET
    assert PRODUCTION.host == "fapi.binance.com"


@pytest.mark.parametrize("mode", [TradingMode.PAPER, TradingMode.DRY_RUN])
def test_on_paper_there_is_nowhere_to_trade(mode: TradingMode) -> None:
    with pytest.raises(ConfigError, match=f"TRADING_MODE={mode} sends nothing"):
        trading_addresses(settings(mode))

    assert market_addresses(settings(mode)) == PRODUCTION  # public prices are the real market's


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("https://fapi.binance.com", AddressKind.PRODUCTION),
        ("https://FAPI1.Binance.com:443", AddressKind.PRODUCTION),
        ("wss://fstream.binance.com", AddressKind.PRODUCTION),
        ("https://fapi.binance.com.", AddressKind.PRODUCTION),
        ("https://demo-fapi.binance.com", AddressKind.TESTNET),
        ("https://testnet.binancefuture.com", AddressKind.TESTNET),
        ("wss://fstream.binancefuture.com", AddressKind.TESTNET),
        ("http://127.0.0.1:9100", AddressKind.LOCAL),
        ("http://simulator:9100", AddressKind.LOCAL),
        ("https://binance.com.evil.example", AddressKind.LOCAL),
        ("https://notbinance.com", AddressKind.LOCAL),
    ],
)
def test_the_host_alone_says_whose_it_is(url: str, kind: AddressKind) -> None:
    assert kind_of(url) is kind


@pytest.mark.parametrize(
    ("mode", "given", "said"),
    [
        # I50, I51
        (TradingMode.TESTNET, {BASE: "https://fapi.binance.com"}, "production address, and TRADING_MODE=testnet"),
        (TradingMode.TESTNET, {STREAM: "wss://fstream.binance.com"}, "production address, and TRADING_MODE=testnet"),
        (TradingMode.PRODUCTION, {BASE: "https://demo-fapi.binance.com"}, "testnet address, and TRADING_MODE="),
        (TradingMode.PRODUCTION, {STREAM: "wss://fstream.binancefuture.com"}, "testnet address"),
        (TradingMode.PRODUCTION, {BASE: "http://127.0.0.1:9100"}, "local address, and TRADING_MODE=production"),
        (TradingMode.PRODUCTION, {BASE: "https://fapi.binance.com.evil.example"}, "local address"),
        (TradingMode.TESTNET, {STREAM: "ws://127.0.0.1:9100"}, "local address and BINANCE_FUTURES_BASE_URL=https"),
        (TradingMode.TESTNET, {BASE: "http://127.0.0.1:1", STREAM: TESTNET.stream}, "testnet address and"),
        (TradingMode.PRODUCTION, {BASE: "http://fapi.binance.com"}, "not encrypted"),
        (TradingMode.TESTNET, {STREAM: "ws://fstream.binancefuture.com"}, "not encrypted"),
    ],
)
def test_kinds_that_do_not_fit_refuse_to_start(mode: TradingMode, given: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        trading_addresses(settings(mode, **given))

    assert said in str(refused.value)
    assert next(iter(given)) in str(refused.value) or STREAM in str(refused.value)


def test_a_simulator_serves_streams_where_it_serves_requests() -> None:
    given = settings(TradingMode.TESTNET, **{BASE: "http://127.0.0.1:9100/"})

    assert trading_addresses(given) == Addresses("http://127.0.0.1:9100", "ws://127.0.0.1:9100", AddressKind.LOCAL)


def test_other_addresses_of_the_same_kind_may_be_set() -> None:
    given = settings(TradingMode.PRODUCTION, **{BASE: "https://fapi2.binance.com", STREAM: "wss://fstream.binance.com"})

    assert trading_addresses(given).rest == "https://fapi2.binance.com"
