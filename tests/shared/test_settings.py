"""Settings: one place, exact values, and errors that name the setting, its value, the rule and what to do."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from contracts.enums import OppositeDirectionPolicy, PositionMode, SameDirectionPolicy, TradingMode
from shared.errors import ConfigError
from shared.settings import Embedded, LogFormat, LogLevel, MarginType, Settings
from shared.settings.model import setting_names

EXCHANGE = {"ALLOWED_SYMBOLS": "BTCUSDT", "STOP_LOSS_PCT": "0.02"}
KEYED = {"BINANCE_API_KEY": "key", "BINANCE_API_SECRET": "planted-secret"} | EXCHANGE


def refusal(env: dict[str, str], config_file: Path | None = None) -> str:
    with pytest.raises(ConfigError) as refused:
        Settings.load(env, config_file)
    return str(refused.value)


def test_defaults_start_on_paper_on_loopback() -> None:
    settings = Settings.load({})

    assert settings.trading_mode is TradingMode.PAPER
    assert (settings.host, settings.port, settings.data_dir) == ("127.0.0.1", 8000, Path("data"))
    assert settings.position_mode is PositionMode.HEDGE
    assert settings.same_direction_conflict_resolution is SameDirectionPolicy.ACCUMULATE
    assert settings.opposite_direction_conflict_resolution is OppositeDirectionPolicy.REDUCE
    assert settings.paper_equity == 10_000
    assert (str(settings.paper_maker_fee), str(settings.paper_taker_fee)) == ("0.0002", "0.0005")
    assert settings.paper_slippage_bps == 0
    assert (settings.paper_latency_ms, settings.paper_funding_rate) == (0, Decimal(0))
    assert settings.paper_max_fill_quantity is None
    assert settings.nats_embedded is Embedded.AUTO
    assert settings.reader_api_key is None
    assert settings.allowed_symbols == ()


def test_values_are_read_exactly() -> None:
    settings = Settings.load(
        {
            "STOP_LOSS_PCT": "0.0123456789012345",
            "ALLOWED_SYMBOLS": " BTCUSDT, ETHUSDT ,BTCUSDT,",
            "MIN_CONFIDENCE_BY_STRATEGY": '{"momentum": 0.1, "llm": "0.85"}',
            "LOG_LEVEL": "debug",
            "LOG_FORMAT": "console",
            "MAX_ACCUMULATIONS_PER_POSITION": "3",
            "PAPER_LATENCY_MS": "25",
            "PAPER_FUNDING_RATE": "-0.0000123456789",
            "PAPER_MAX_FILL_QUANTITY": "0.001",
            "BINANCE_TESTNET": "true",
            "MAX_DAILY_LOSS_USD": "",
        }
    )

    assert settings.stop_loss_pct == Decimal("0.0123456789012345")
    assert settings.allowed_symbols == ("BTCUSDT", "ETHUSDT")
    assert settings.min_confidence_by_strategy == {"momentum": Decimal("0.1"), "llm": Decimal("0.85")}
    assert (settings.log_level, settings.log_format) == (LogLevel.DEBUG, LogFormat.CONSOLE)
    assert settings.max_accumulations_per_position == 3
    assert settings.paper_latency_ms == 25
    assert settings.paper_funding_rate == Decimal("-0.0000123456789")
    assert settings.paper_max_fill_quantity == Decimal("0.001")
    assert settings.max_daily_loss_usd is None
    assert settings.unused() == ["BINANCE_TESTNET"]


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHARDS", "3")

    assert Settings.load().shards == 3


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"STOP_LOSS_PCT": "2"}, ["STOP_LOSS_PCT='2'", "the environment", "less than or equal to 1", "0.02 is 2 %"]),
        ({"STOP_LOSS_PCT": "0"}, ["STOP_LOSS_PCT='0'", "greater than 0"]),
        ({"STOP_LOSS_PCT": "1"}, ["STOP_LOSS_PCT='1'", "less than 1"]),
        ({"TAKE_PROFIT_PCT": "nan"}, ["TAKE_PROFIT_PCT='nan'", "no decimal number"]),
        ({"MAX_DRAWDOWN_PCT": "20"}, ["MAX_DRAWDOWN_PCT='20'"]),
        ({"SHARDS": "0"}, ["SHARDS='0'", "greater than or equal to 1"]),
        ({"SHARDS": "many"}, ["SHARDS='many'", "valid integer"]),
        ({"TRADEENGINE_PORT": "65536"}, ["TRADEENGINE_PORT='65536'"]),
        ({"PAPER_TAKER_FEE": "5"}, ["PAPER_TAKER_FEE='5'", "fraction of the notional"]),
        ({"PAPER_EQUITY": "-1"}, ["PAPER_EQUITY='-1'"]),
        ({"PAPER_LATENCY_MS": "-1"}, ["PAPER_LATENCY_MS='-1'", "greater than or equal to 0", "milliseconds"]),
        ({"PAPER_LATENCY_MS": "0.5"}, ["PAPER_LATENCY_MS='0.5'", "valid integer"]),
        ({"PAPER_LATENCY_MS": "60001"}, ["PAPER_LATENCY_MS='60001'"]),
        ({"PAPER_FUNDING_RATE": "0.11"}, ["PAPER_FUNDING_RATE='0.11'", "fraction of the notional"]),
        ({"PAPER_FUNDING_RATE": "-0.11"}, ["PAPER_FUNDING_RATE='-0.11'"]),
        ({"PAPER_MAX_FILL_QUANTITY": "0"}, ["PAPER_MAX_FILL_QUANTITY='0'", "greater than 0", "base asset"]),
        ({"MAX_SIGNAL_AGE_SECONDS": "0"}, ["MAX_SIGNAL_AGE_SECONDS='0'"]),
        ({"ALLOWED_SYMBOLS": "btcusdt"}, ["ALLOWED_SYMBOLS='btcusdt'"]),
        ({"POSITION_MODE": "both"}, ["POSITION_MODE='both'", "'hedge' or 'one-way'"]),
        ({"MIN_CONFIDENCE_BY_STRATEGY": "{"}, ["MIN_CONFIDENCE_BY_STRATEGY='{'", "no JSON"]),
        ({"NATS_URL": "localhost:4222"}, ["NATS_URL='localhost:4222'", "nats://host"]),
        ({"NATS_TOPIC_SIGNALS": "other"}, ["NATS_TOPIC_SIGNALS='other'", "signals.trading"]),
        ({"BINANCE_WS_URL": "http://x"}, ["BINANCE_WS_URL='http://x'"]),
        ({"TRADER_API_KEY": "two words"}, ["TRADER_API_KEY='***'", "ASCII without blanks"]),
        ({"TRADING_MODE": "production"}, ["TRADING_MODE=production needs BINANCE_API_KEY", "BINANCE_API_SECRET_FILE"]),
        ({"TRADING_MODE": "testnet", "BINANCE_API_KEY": "k"}, ["TRADING_MODE=testnet needs BINANCE_API_SECRET"]),
        (KEYED | {"TRADING_MODE": "testnet", "ALLOWED_SYMBOLS": ""}, ["TRADING_MODE=testnet needs ALLOWED_SYMBOLS"]),
        ({"TRADING_MODE": "production"}, ["TRADING_MODE=production needs STOP_LOSS_PCT"]),
        (KEYED | {"TRADING_MODE": "production", "BINANCE_TESTNET": "true"}, ["BINANCE_TESTNET=true contradicts"]),
        (KEYED | {"TRADING_MODE": "testnet", "BINANCE_TESTNET": "false"}, ["BINANCE_TESTNET=false contradicts"]),
        ({"BINANCE_LEVERAGE": "126"}, ["BINANCE_LEVERAGE='126'", "1 to 125"]),
        ({"BINANCE_MARGIN_TYPE": "cross"}, ["BINANCE_MARGIN_TYPE='cross'", "CROSSED or ISOLATED"]),
        ({"BINANCE_RECV_WINDOW_MS": "60000"}, ["BINANCE_RECV_WINDOW_MS='60000'", "500 to 10000"]),
        ({"LEASE_SECONDS": "2.9"}, ["LEASE_SECONDS='2.9'", "greater than or equal to 3", "3 to 120"]),
        ({"LEASE_SECONDS": "121"}, ["LEASE_SECONDS='121'", "less than or equal to 120"]),
        (
            {"BINANCE_RECV_WINDOW_MS": "10000"},
            ["LEASE_SECONDS=15 is shorter than 2 times BINANCE_RECV_WINDOW_MS=10000"],
        ),
        ({"LEASE_SECONDS": "3"}, ["LEASE_SECONDS=3 is shorter than 2 times BINANCE_RECV_WINDOW_MS=2000"]),
        ({"HEDGE_MODE_ENABLED": "false", "POSITION_MODE": "hedge"}, ["HEDGE_MODE_ENABLED=false contradicts"]),
        ({"HEDGE_MODE_ENABLED": "true", "POSITION_MODE": "one-way"}, ["HEDGE_MODE_ENABLED=true contradicts"]),
        ({"POSITION_MODE_AWARE_CONFLICTS": "false"}, ["POSITION_MODE_AWARE_CONFLICTS=false contradicts"]),
        (
            {"STOP_LOSS_PCT": "0.01", "MIN_STOP_DISTANCE_PCT": "0.02"},
            ["STOP_LOSS_PCT=0.01", "MIN_STOP_DISTANCE_PCT=0.02"],
        ),
        ({"ORDER_SIZE_PCT": "0.1", "ORDER_SIZE_QUOTE": "100"}, ["ORDER_SIZE_PCT and ORDER_SIZE_QUOTE"]),
        ({"NATS_URL": "nats://h", "NATS_EMBEDDED": "on"}, ["NATS_EMBEDDED=on contradicts NATS_URL"]),
        ({"READER_API_KEY": "same-key", "ADMIN_API_KEY": "same-key"}, ["READER_API_KEY and ADMIN_API_KEY"]),
        ({"MYSQL_URI": "mysql://h/d", "MYSQL_USER": "u"}, ["MYSQL_URI and MYSQL_USER"]),
        ({"MYSQL_USER": "u"}, ["without MYSQL_HOST"]),
    ],
)
def test_a_wrong_value_is_named_with_its_rule(env: dict[str, str], said: list[str]) -> None:
    text = refusal(env)

    assert [part for part in said if part not in text] == []
    assert "same-key" not in text


def test_all_that_is_wrong_is_said_at_once() -> None:
    assert len(refusal({"SHARDS": "x", "STOP_LOSS_PCT": "2", "LOG_LEVEL": "loud"}).splitlines()) == 3


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("STOP_LOS_PCT", "STOP_LOSS_PCT"),
        ("stop_loss_pct", "STOP_LOSS_PCT"),
        ("MAX_POSITION_USD", "MAX_POSITION_SIZE_USD"),
        ("TRADEENGINE_PROT", "TRADEENGINE_PORT"),
        ("TRADER_API_KEYS", "TRADER_API_KEY"),
        ("TRADER_API_KEY_FIEL", "TRADER_API_KEY_FILE"),
        ("BINANCE_API_KEYS", "BINANCE_API_KEY"),
        ("TRADEENGINE_NAKED_POSITION_REMEDIATION_MODE", None),
        ("NATS_FOO", None),
        ("MYSQL_ROOT_PASSWORD", None),
        ("PAPER_WEIGHT", None),
    ],
)
def test_an_unknown_name_refuses_to_start(name: str, meant: str | None) -> None:
    text = refusal({name: "x"})

    assert f"{name} is no setting" in text
    assert meant is None or f"did you mean {meant}?" in text


@pytest.mark.parametrize(
    "env",
    [
        {"PATH": "/bin", "HOME": "/root", "LOGLEVEL": "x", "LOG_LEVELS": "x", "SHARD": "x", "OTEL_SERVICE_NAME": "x"},
        {
            "TRADEENGINE_PORT": "tcp://10.0.0.1:8000",
            "TRADEENGINE_SERVICE_HOST": "10.0.0.1",
            "TRADEENGINE_SERVICE_PORT_HTTP": "8000",
            "NATS_PORT_4222_TCP_ADDR": "10.0.0.2",
            "MYSQL_PORT": "tcp://10.0.0.3:3306",
            "MYSQL_PORT_3306_TCP": "tcp://10.0.0.3:3306",
        },
    ],
    ids=["other programs", "kubernetes"],
)
def test_names_of_others_are_left_alone(env: dict[str, str]) -> None:
    assert Settings.load(env).port == 8000


def test_a_lease_may_be_as_short_as_two_windows() -> None:
    settings = Settings.load({"LEASE_SECONDS": "3", "BINANCE_RECV_WINDOW_MS": "1500", "POD_NAME": "engine-0"})
    assert (str(settings.lease_seconds), settings.pod_name) == ("3", "engine-0")
    assert (str(Settings.load({}).lease_seconds), Settings.load({}).pod_name) == ("15", None)


def test_the_older_name_alone_decides() -> None:
    assert Settings.load({"HEDGE_MODE_ENABLED": "false"}).position_mode is PositionMode.ONE_WAY
    assert Settings.load({"HEDGE_MODE_ENABLED": "true"}).position_mode is PositionMode.HEDGE
    unaware = Settings.load({"POSITION_MODE": "one-way", "POSITION_MODE_AWARE_CONFLICTS": "false"})
    assert unaware.position_mode is PositionMode.ONE_WAY


def test_a_value_from_a_mounted_file(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("from-the-file\n")

    settings = Settings.load({"TRADER_API_KEY_FILE": str(secret)})

    assert settings.trader_api_key is not None
    assert settings.trader_api_key.get_secret_value() == "from-the-file"
    assert "both given" in refusal({"TRADER_API_KEY_FILE": str(secret), "TRADER_API_KEY": "x"})
    assert "cannot be read" in refusal({"TRADER_API_KEY_FILE": str(tmp_path / "none")})


CONFIGS = {
    "config.toml": (
        'stop_loss_pct = 0.02\nALLOWED_SYMBOLS = ["BTCUSDT"]\nshards = 4\n[min_confidence_by_strategy]\na = 0.7\n'
    ),
    "config.json": json.dumps(
        {"Stop_Loss_Pct": 0.02, "allowed_symbols": ["BTCUSDT"], "SHARDS": 4, "MIN_CONFIDENCE_BY_STRATEGY": {"a": "0.7"}}
    ),
    "config.env": (
        "# comment\nexport STOP_LOSS_PCT=0.02\nALLOWED_SYMBOLS='BTCUSDT'\nSHARDS=4\n"
        "MIN_CONFIDENCE_BY_STRATEGY='{\"a\": 0.7}'\n"
    ),
    ".env": 'STOP_LOSS_PCT=0.02\nALLOWED_SYMBOLS=BTCUSDT\nSHARDS=4\nMIN_CONFIDENCE_BY_STRATEGY={"a": 0.7}\n',
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_configuration_file_in_every_form(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text(CONFIGS[name], encoding="utf-8")

    settings = Settings.load({"SHARDS": "5"}, file)

    assert settings.stop_loss_pct == Decimal("0.02")
    assert settings.allowed_symbols == ("BTCUSDT",)
    assert settings.min_confidence_by_strategy == {"a": Decimal("0.7")}
    assert settings.shards == 5, "the environment wins"
    sources = {row.name: row.source for row in settings.describe()}
    assert (sources["STOP_LOSS_PCT"], sources["SHARDS"], sources["LOG_LEVEL"]) == ("file", "env", "default")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("c.toml", "stop_los_pct = 1", "stop_los_pct is no setting: did you mean STOP_LOSS_PCT?"),
        ("c.toml", "= broken", "cannot be read"),
        ("c.json", '{"SHARDS": 1, "shards": 2}', "gives SHARDS twice"),
        ("c.json", "[1]", "names and values at its top level"),
        ("c.yaml", "a: 1", "'.yaml'; .toml, .json and .env are understood"),
        ("c.toml", "stop_loss_pct = 2.5", "STOP_LOSS_PCT='2.5' from"),
    ],
)
def test_a_wrong_configuration_file_is_said(tmp_path: Path, name: str, text: str, said: str) -> None:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")

    message = refusal({}, file)

    assert said in message
    assert str(file) in message


def test_a_missing_configuration_file_is_said(tmp_path: Path) -> None:
    assert "cannot be read" in refusal({}, tmp_path / "none.toml")


def test_modes_that_trade_start_with_a_key_and_say_which_settings_they_leave_unused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("planted-secret\n")
    given = {"BINANCE_API_KEY": "key", "BINANCE_API_SECRET_FILE": str(secret), "BINANCE_TESTNET": "true"}
    settings = Settings.load(EXCHANGE | given | {"TRADING_MODE": "testnet", "MONGODB_DATABASE": "x"})

    assert settings.binance_api_secret is not None
    assert settings.binance_api_secret.get_secret_value() == "planted-secret"
    assert (settings.binance_leverage, settings.binance_margin_type) == (5, MarginType.CROSSED)
    assert settings.binance_recv_window_ms == 2_000
    assert settings.unused() == ["MONGODB_DATABASE"]
    assert "planted-secret" not in str(settings.describe())
    assert "planted-secret" in settings.secrets()


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ({}, None),
        ({"MYSQL_URI": "mysql://u:p@h:3307/d"}, "mysql://u:p@h:3307/d"),
        ({"MYSQL_HOST": "h"}, "mysql://h/tradeengine"),
        ({"MYSQL_HOST": "h", "MYSQL_USER": "u", "MYSQL_DATABASE": "d"}, "mysql://u@h/d"),
        (
            {"MYSQL_HOST": "h", "MYSQL_PORT": "3307", "MYSQL_USER": "u", "MYSQL_PASSWORD": "p@/:"},
            "mysql://u:p%40%2F%3A@h:3307/tradeengine",
        ),
    ],
)
def test_the_copy_in_mysql_is_named_by_a_uri_or_by_its_parts(given: dict[str, str], address: str | None) -> None:
    assert Settings.load(given).mysql_address == address


def test_secrets_are_masked_and_known() -> None:
    settings = Settings.load(
        {
            "TRADER_API_KEY": "planted-trader",
            "BINANCE_API_SECRET": "planted-binance",
            "NATS_URL": "nats://engine:planted-nats@h1:4222,nats://planted-token@h2",
            "MONGODB_URI": "mongodb://u:planted%40mongo@h1,h2:27018/?replicaSet=r",
        }
    )
    shown = "\n".join(" ".join(row) for row in settings.describe())

    assert "planted" not in shown
    assert "planted" not in repr(settings)[: repr(settings).index("nats_url")]
    assert "TRADER_API_KEY *** env" in shown
    assert "NATS_URL nats://engine:***@h1:4222,nats://***@h2 env" in shown
    assert settings.secrets() >= {
        "planted-trader",
        "planted-binance",
        "planted-nats",
        "planted-token",
        "planted@mongo",
        "planted%40mongo",
    }


def test_every_setting_is_described_once() -> None:
    names = [row.name for row in Settings.load({}).describe()]

    assert len(names) == len(set(names))
    assert set(names) == setting_names()
    listed = """NATS_URL NATS_TOPIC_SIGNALS MONGODB_URI MONGODB_DATABASE MYSQL_URI MYSQL_HOST MYSQL_PORT MYSQL_USER
        MYSQL_PASSWORD MYSQL_DATABASE BINANCE_API_KEY BINANCE_API_SECRET BINANCE_TESTNET BINANCE_FUTURES_BASE_URL
        BINANCE_WS_URL TRADING_MODE ENVIRONMENT POSITION_MODE HEDGE_MODE_ENABLED POSITION_MODE_AWARE_CONFLICTS
        SAME_DIRECTION_CONFLICT_RESOLUTION ALLOWED_SYMBOLS SHARDS MAX_SIGNAL_AGE_SECONDS MAX_POSITION_SIZE_USD
        MAX_ACCUMULATIONS_PER_POSITION ACCUMULATION_COOLDOWN_SECONDS MAX_DAILY_LOSS_USD MAX_TOTAL_EXPOSURE_USD
        MAX_DRAWDOWN_PCT STOP_LOSS_PCT TAKE_PROFIT_PCT MIN_STOP_DISTANCE_PCT LOG_LEVEL LOG_FORMAT READER_API_KEY
        TRADER_API_KEY RISK_OVERRIDE_KEY ADMIN_API_KEY"""
    assert set(listed.split()) <= set(names)


@pytest.mark.parametrize("name", ["STOP_LOSS_PCT", "MIN_STOP_DISTANCE_PCT"])
def test_no_stop_may_be_configured_farther_than_any_is_allowed(name: str) -> None:
    text = refusal({name: "0.3", "STOP_LOSS_PCT": "0.3", "MAX_STOP_DISTANCE_PCT": "0.2"})
    assert f"{name}=0.3 is farther than MAX_STOP_DISTANCE_PCT=0.2" in text


def test_policies_of_protection_have_names() -> None:
    settings = Settings.load({"CROSSED_STOP_POLICY": "reprice", "UNPROTECTED_POLICY": "hold"})
    assert (settings.crossed_stop_policy, settings.unprotected_policy) == ("reprice", "hold")
    assert "CROSSED_STOP_POLICY" in refusal({"CROSSED_STOP_POLICY": "ignore"})
