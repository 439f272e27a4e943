"""``tradeengine prices`` as a user runs it, against a simulated exchange over real sockets."""

import json
import subprocess
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.prices.market import HOUR_MS, MINUTE_MS, START_MS, SYMBOL, Market, history, market, recorded
from tests.support.deadline import Deadline
from tests.support.process import TRADEENGINE, clean_env
from tradeengine.cli.app import app
from tradeengine.prices.series import BAR_COLUMNS
from tradeengine.runtime.bars import read_bars, read_funding
from tradeengine.venue.exchange_info import read_instruments

MINUTES = 2500
KLINES = {"method": "GET", "path": "/fapi/v1/klines"}
PUBLIC = {"/fapi/v1/time", "/fapi/v1/exchangeInfo", "/fapi/v1/klines", "/fapi/v1/fundingRate"}


@pytest.fixture(scope="module")
def served() -> Iterator[Market]:
    with market(recorded(MINUTES)) as made:
        yield made


@pytest.fixture
def exchange(served: Market) -> Iterator[Market]:
    yield served
    served.no_faults()
    assert {entry["path"] for entry in served.asked() if not entry["path"].startswith("/sim")} <= PUBLIC


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["prices", *map(str, arguments)])


def fetch(exchange: Market, out: Path, *more: str | Path, start: str = "2026-01-01", symbol: str = SYMBOL) -> Result:
    return run("fetch", symbol, "--from", start, "--out", out, "--base-url", exchange.url, *more)


def fetched(exchange: Market, out: Path, *more: str, **options: Any) -> Result:
    done = fetch(exchange, out, *more, **options)
    assert done.exit_code == 0, done.output
    return done


def bars(path: Path) -> list[tuple[int, Decimal, Decimal, Decimal, Decimal]]:
    return [(bar.time_ms, bar.open, bar.high, bar.low, bar.close) for bar in read_bars(path)]


def told(first: int, last: int) -> list[tuple[int, Decimal, Decimal, Decimal, Decimal]]:
    """Bars of the recorded past, by the minutes from its beginning."""
    return [(row.time_ms, row.open, row.high, row.low, row.close) for row in history(MINUTES)[first:last]]


def starts(exchange: Market, since: int = 0) -> list[int]:
    """From which times klines were asked for, leaving the first requests out."""
    return [int(entry["parameters"]["starttime"]) for entry in exchange.asked("/klines")[since:]]


# ---------------------------------------------------------------- bars


def test_bars_come_as_simulate_reads_them(exchange: Market, tmp_path: Path) -> None:
    out = tmp_path / "btc.csv"
    done = fetched(exchange, out)

    assert bars(out) == told(0, MINUTES)
    assert out.read_text().splitlines()[0] == ",".join(BAR_COLUMNS)
    assert "2500 bars from 2026-01-01T00:00:00.000Z to 2026-01-02T17:39:00.000Z, 2500 of them new" in done.stdout
    assert done.stderr == ""
    assert f"tradeengine simulate --prices BTCUSDT={out}" in done.stdout


def test_the_span_is_from_its_start_to_before_its_end(exchange: Market, tmp_path: Path) -> None:
    out = tmp_path / "btc.csv"
    fetched(exchange, out, "--to", "2026-01-01T02:00", start="2026-01-01T01:00")

    assert bars(out) == told(60, 120)


def test_longer_bars_are_those_of_the_exchange(exchange: Market, tmp_path: Path) -> None:
    out = tmp_path / "btc.csv"
    fetched(exchange, out, "--interval", "1h", "--to", "2026-01-01T02:30")

    (first, *_), (*_, last) = told(0, 60), told(0, 60)
    hours = bars(out)
    assert [time_ms for time_ms, *_ in hours] == [START_MS, START_MS + HOUR_MS, START_MS + 2 * HOUR_MS]
    assert (hours[0][1], hours[0][4]) == (first[1], last[4])


def test_the_file_has_a_name_of_its_own_by_default(
    exchange: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("fetch", SYMBOL, "--from", "2026-01-01", "--to", "2026-01-01T00:05", "--base-url", exchange.url)

    assert done.exit_code == 0, done.output
    assert bars(tmp_path / "BTCUSDT-1m.csv") == told(0, 5)


# ---------------------------------------------------------------- going on


def test_it_goes_on_after_the_last_row(exchange: Market, tmp_path: Path) -> None:
    out = tmp_path / "btc.csv"
    fetched(exchange, out, "--to", "2026-01-01T05:00")
    asked = len(exchange.asked("/klines"))
    done = fetched(exchange, out)

    assert bars(out) == told(0, MINUTES)
    assert "2200 of them new" in done.stdout
    assert min(starts(exchange, asked)) >= START_MS + 299 * MINUTE_MS


def test_a_file_that_is_complete_is_left_as_it_is(exchange: Market, tmp_path: Path) -> None:
    out = tmp_path / "btc.csv"
    fetched(exchange, out)
    before = out.read_bytes()
    done = fetched(exchange, out)

    assert out.read_bytes() == before
    assert "0 of them new" in done.stdout


@pytest.mark.parametrize("torn", [1, 7, 40])
def test_a_line_that_was_not_finished_is_written_anew(exchange: Market, tmp_path: Path, torn: int) -> None:
    out = tmp_path / "btc.csv"
    fetched(exchange, out, "--to", "2026-01-01T00:30")
    out.write_bytes(out.read_bytes()[:-torn])
    fetched(exchange, out, "--to", "2026-01-01T01:00")

    assert bars(out) == told(0, 60)


def test_rows_of_another_symbol_are_not_mixed_in(exchange: Market, tmp_path: Path) -> None:
    out = tmp_path / "btc.csv"
    fetched(exchange, out, "--to", "2026-01-01T00:30")
    out.write_text(out.read_text().replace(",50003", ",3000"))
    before = out.read_bytes()
    done = fetch(exchange, out)

    assert (done.exit_code, out.read_bytes()) == (78, before)
    assert "is not among the BTCUSDT bars of 1m of the exchange" in done.stderr
    assert "name another --out" in done.stderr


def test_rows_of_another_interval_are_not_mixed_in(exchange: Market, tmp_path: Path) -> None:
    out = tmp_path / "btc.csv"
    fetched(exchange, out, "--interval", "1h", "--to", "2026-01-01T03:00")
    done = fetch(exchange, out)

    assert done.exit_code == 78
    assert "another symbol, interval or exchange" in done.stderr


def test_a_file_does_not_grow_at_its_beginning(exchange: Market, tmp_path: Path) -> None:
    out = tmp_path / "btc.csv"
    fetched(exchange, out, "--to", "2026-01-01T02:00", start="2026-01-01T01:00")
    done = fetch(exchange, out)

    assert done.exit_code == 78
    assert "begins at 2026-01-01T01:00:00.000Z" in done.stderr
    assert "--from 2026-01-01T01:00:00.000Z" in done.stderr


def test_a_start_before_the_first_bar_is_no_reason_to_refuse_to_go_on(exchange: Market, tmp_path: Path) -> None:
    out = tmp_path / "btc.csv"
    for end in ("2026-01-01T01:00", "2026-01-01T02:00"):
        done = fetched(exchange, out, "--to", end, start="2025-12-01")

        assert "the exchange has nothing before 2026-01-01T00:00:00.000Z" in done.stderr
    assert bars(out) == told(0, 120)


# ---------------------------------------------------------------- gaps


def test_gaps_are_named(exchange: Market, tmp_path: Path) -> None:
    out = tmp_path / "btc.csv"
    fetched(exchange, out, "--to", "2026-01-01T00:30")
    lines = out.read_text().splitlines(keepends=True)
    out.write_text("".join([*lines[:6], *lines[10:]]))
    done = fetched(exchange, out, "--to", "2026-01-01T01:00")

    assert "nothing between 2026-01-01T00:04:00.000Z and 2026-01-01T00:09:00.000Z" in done.stderr
    assert len(bars(out)) == 56


# ---------------------------------------------------------------- what goes wrong on the way


@pytest.mark.parametrize(
    "fault",
    [
        {"match": KLINES, "effect": {"drop_connection": True}},
        {"match": KLINES, "effect": {"truncate": True}},
        {"match": KLINES, "effect": {"html_503": True}},
        {"match": KLINES, "effect": {"status": 500, "code": -1000, "msg": "An unknown error occurred"}},
        {"match": KLINES, "effect": {"status": 429, "code": -1003, "msg": "Too many requests", "retry_after": 1}},
    ],
    ids=["dropped", "truncated", "html", "500", "429"],
)
def test_what_passes_is_waited_for(exchange: Market, tmp_path: Path, fault: dict[str, Any]) -> None:
    out = tmp_path / "btc.csv"
    exchange.faults(fault)
    before = len(exchange.asked("/klines"))
    fetched(exchange, out, "--to", "2026-01-01T01:00")

    assert bars(out) == told(0, 60)
    assert len(exchange.asked("/klines")) - before == 2


def test_a_connection_that_breaks_in_the_middle_leaves_a_file_that_can_be_used_and_goes_on(
    exchange: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tradeengine.prices.client._FIRST_PAUSE_S", 0.001)
    out = tmp_path / "btc.csv"
    second_page = {"starttime": str(START_MS + 999 * MINUTE_MS + 1)}
    exchange.faults({"match": {**KLINES, "params": second_page}, "times": None, "effect": {"drop_connection": True}})
    done = fetch(exchange, out)

    assert done.exit_code == 1
    assert "gave no answer in 6 tries" in done.stderr
    assert bars(out) == told(0, 1000)
    exchange.no_faults()
    fetched(exchange, out)
    assert bars(out) == told(0, MINUTES)


def test_a_long_ban_is_told_and_not_waited_for(exchange: Market, tmp_path: Path) -> None:
    exchange.faults(
        {"match": KLINES, "effect": {"status": 418, "code": -1003, "msg": "IP banned", "retry_after": 3600}}
    )
    before = len(exchange.asked("/klines"))
    done = fetch(exchange, tmp_path / "btc.csv")

    assert done.exit_code == 1
    assert "wants no requests from this address for 3600 s (HTTP 418)" in done.stderr
    assert len(exchange.asked("/klines")) - before == 1
    assert list(tmp_path.iterdir()) == []


def test_an_exchange_that_is_away_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradeengine.prices.client._FIRST_PAUSE_S", 0.001)
    out = tmp_path / "btc.csv"
    done = run("fetch", SYMBOL, "--from", "2026-01-01", "--out", out, "--base-url", "http://127.0.0.1:9")

    assert done.exit_code == 1
    assert "http://127.0.0.1:9 gave no answer" in done.stderr
    assert "check the network" in done.stderr


# ---------------------------------------------------------------- funding


def test_funding_comes_as_simulate_reads_it(exchange: Market, tmp_path: Path) -> None:
    out = tmp_path / "BTCUSDT-1m.csv"
    for end in ("2026-01-01T12:00", "2026-01-02T17:00"):
        fetched(exchange, out, "--funding", "--to", end)
    signals, result, store = tmp_path / "signals.jsonl", tmp_path / "out.json", tmp_path / "store"
    signals.write_text(
        json.dumps(
            {
                "strategy_id": "A",
                "symbol": SYMBOL,
                "action": "buy",
                "confidence": 1,
                "quantity": "1",
                "timestamp": "2026-01-01T01:00Z",
            }
        )
    )
    arguments = ["--prices", f"{SYMBOL}={out}", "--funding", f"{SYMBOL}={tmp_path / 'BTCUSDT-funding.csv'}"]
    arguments += ["--signals", str(signals), "--store", str(store), "--result", str(result)]
    done = CliRunner().invoke(app, ["simulate", *arguments, "--taker-fee", "0.0005", "--maker-fee", "0.0002"])

    rates = list(read_funding(tmp_path / "BTCUSDT-funding.csv"))
    assert [rate.time_ms for rate in rates] == [START_MS + hours * HOUR_MS for hours in (8, 16, 24, 32, 40)]
    assert done.exit_code == 0, done.output
    assert "not paid" not in done.stderr
    assert Decimal(json.loads(result.read_text())["totals"]["funding"]) != 0


# ---------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["btcusdt", "--from", "2026-01-01"], "'btcusdt' is no symbol such as BTCUSDT"),
        (["BTCUSDT"], "Missing option '--from'"),
        (["BTCUSDT", "--from", "yesterday"], "'yesterday' is neither ISO 8601 nor an epoch number"),
        (["BTCUSDT", "--from", "2026-01-02", "--to", "2026-01-01"], "is not before 2026-01-01T00:00:00.000Z"),
        (["BTCUSDT", "--from", "2098-01-02"], "is not before now"),
        (["BTCUSDT", "--from", "2026-01-01", "--interval", "7m"], "'7m' is none of 1m, 3m, 5m"),
        (["BTCUSDT", "--from", "2026-01-01", "--base-url", "ftp://x"], "'ftp://x' is not https://host:port"),
        (["BTCUSDT", "--from", "2026-01-01", "--out", "."], "is a directory"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_asked(arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["prices", "fetch", *arguments], env={"COLUMNS": "300"})

    assert done.exit_code == 2
    assert said in " ".join(done.output.replace("│", " ").split())


def test_a_symbol_that_the_exchange_does_not_list_is_refused_with_those_that_are_like_it(
    exchange: Market, tmp_path: Path
) -> None:
    done = fetch(exchange, tmp_path / "x.csv", symbol="BTCUSDC")

    assert done.exit_code == 1
    assert "BTCUSDC: " in done.stderr
    assert "lists no such symbol; there are BTCUSDT" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_span_without_bars_is_refused(exchange: Market, tmp_path: Path) -> None:
    done = fetch(exchange, tmp_path / "x.csv", "--to", "2025-02-01", start="2025-01-01")

    assert done.exit_code == 1
    assert "the exchange has no BTCUSDT bars of 1m from 2025-01-01" in done.stderr
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- trading rules


def test_rules_come_as_simulate_and_run_read_them(exchange: Market, tmp_path: Path) -> None:
    out = tmp_path / "rules.json"
    done = run("rules", SYMBOL, "ETHUSDT", "--out", out, "--base-url", exchange.url)

    assert done.exit_code == 0, done.output
    instruments = read_instruments(out.read_bytes())
    assert list(instruments) == [SYMBOL, "ETHUSDT"]
    assert instruments[SYMBOL].tick_size == Decimal("0.10")
    assert [path.name for path in tmp_path.iterdir()] == ["rules.json"]


def test_rules_of_a_symbol_that_is_not_listed_are_refused(exchange: Market, tmp_path: Path) -> None:
    done = run("rules", "ETHUSD", "--out", tmp_path / "rules.json", "--base-url", exchange.url)

    assert done.exit_code == 1
    assert "ETHUSD: " in done.stderr
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- killed


@pytest.mark.process
def test_a_killed_fetch_leaves_a_file_that_can_be_used_and_goes_on(exchange: Market, tmp_path: Path) -> None:
    out = tmp_path / "btc.csv"
    second_page = {"starttime": str(START_MS + 999 * MINUTE_MS + 1)}
    exchange.faults({"match": {**KLINES, "params": second_page}, "effect": {"delay_ms": 60_000}})
    before = len(exchange.asked("/klines"))
    command: list[str | Path] = [
        TRADEENGINE,
        "prices",
        "fetch",
        SYMBOL,
        "--from",
        "2026-01-01",
        "--base-url",
        exchange.url,
    ]
    with subprocess.Popen([*command, "--out", out], env=clean_env(), stdout=subprocess.DEVNULL) as process:
        deadline = Deadline(look_s=0.02)
        while len(exchange.asked("/klines")) - before < 2 and process.poll() is None:
            assert not deadline.passed(), f"waited {deadline} for the second page to be asked for"
            time.sleep(0.02)
        process.kill()

    assert bars(out) == told(0, 1000)
    exchange.no_faults()
    fetched(exchange, out)
    assert bars(out) == told(0, MINUTES)
