"""The command ``simulate``: what it writes, that it always writes the same, and what it says when it cannot."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.cli.simulating import BTC, ETH, Market, Outcome, at, buy, close, flat, sell
from tests.support.process import tradeengine
from tradeengine.cli.app import app

CALM = {BTC: flat("100", "100", "100")}


def busy(folder: Path) -> Market:
    """Several strategies and symbols, with funding, stops, refusals and a copy."""
    signals = [
        buy("00:00", "0.7", "A", stop_loss_pct="0.02", metadata={"b": 1, "a": [1, 2], "ü": None}),
        buy("00:30", "0.3", "B", order_type="limit", price="99"),
        sell("01:00", "1.1", "C", take_profit_pct="0.03"),
        sell("01:00", "20", "A", symbol=ETH, signal_id="eth", stop_loss_pct="0.05"),
        buy("01:30", None, "D"),
        close("02:00", "B", quantity="0.1"),
        close("02:00", "B", quantity="0.1"),
        buy("02:00", None, "[/bold]", quote_quantity="77"),
    ]
    funding = {BTC: [(at("02:00"), "0.0003")], ETH: [(at("01:00"), "-0.0001"), (at("03:00"), "0.0002")]}
    prices = {BTC: flat("100", "98.77", "103.1", "97.9", "100.3"), ETH: flat("10", "11", "9.37", "12", "11.11")}
    return Market(folder, prices, signals, funding)


def floats(value: Any) -> Iterator[float]:
    """Every float in a document."""
    if isinstance(value, float):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from floats(inner)


def refused(outcome: Outcome, code: int, *texts: str) -> None:
    """Check that a run ended with a code and says these texts, without anything of Python's own."""
    said = " ".join(outcome.stderr.replace("│", " ").split())
    assert outcome.exit_code == code, said
    for text in texts:
        assert text in said
    assert "Traceback" not in said
    assert outcome.document == {}


# ---------------------------------------------------------------- what it writes


def test_the_result_holds_what_is_promised(tmp_path: Path) -> None:
    document = busy(tmp_path).run("--slippage-bps", "2").document

    assert list(document) == [
        "decisions",
        "orders",
        "fills",
        "strategy_positions",
        "contributions",
        "exchange_positions",
        "totals",
        "journal_sha256",
    ]
    assert list(document["totals"]) == ["realized_pnl", "unrealized_pnl", "fees", "funding", "equity"]
    assert len(document["decisions"]) == 8
    for decision in document["decisions"]:
        assert {"signal_id", "outcome", "reason"} <= decision.keys()
    fields = {"time", "strategy_id", "symbol", "position_side", "side", "price", "qty", "fee", "realized_pnl"}
    for fill in document["fills"]:
        assert fields <= fill.keys()
    assert len(document["journal_sha256"]) == 64


def test_no_figure_of_the_result_is_a_float(tmp_path: Path) -> None:
    signals = [buy("00:00", "0.00001"), buy("00:00", "30000", "B", symbol="TINYUSDT")]
    prices = {BTC: flat("1000000", "1000000.01"), "TINYUSDT": flat("0.01", "0.02")}

    outcome = Market(tmp_path, prices, signals, fees=("--taker-fee", "0.0000001", "--maker-fee", "0")).run()

    assert list(floats(outcome.document)) == []
    # 10 × 0.0000001, 300 × 0.0000001, 0.00001 × 0.01 and 30000 × 0.01: neither exponents nor idle zeros
    assert [fill["fee"] for fill in outcome.document["fills"]] == ["0.000001", "0.00003"]
    assert [fill["qty"] for fill in outcome.document["fills"]] == ["0.00001", "30000"]
    assert outcome.document["totals"] == {
        "realized_pnl": "0",
        "unrealized_pnl": "300.0000001",
        "fees": "0.000031",
        "funding": "0",
        "equity": "10299.9999691",
    }


def test_the_summary_says_what_became_of_the_signals_and_what_was_earned(tmp_path: Path) -> None:
    outcome = busy(tmp_path).run()

    for text in ("accepted", "rejected", "no_size", "[/bold]", "equity", outcome.document["totals"]["equity"]):
        assert text in outcome.stdout
    assert f"10 bars, {len(outcome.document['orders'])} orders, {len(outcome.document['fills'])} fills" in (
        outcome.stdout
    )
    assert outcome.document["journal_sha256"] in outcome.stdout


def test_folders_of_store_and_result_are_made(tmp_path: Path) -> None:
    market = Market(tmp_path, CALM)
    arguments = market.arguments()
    arguments[arguments.index("--store") + 1] = str(tmp_path / "new" / "store")
    arguments[arguments.index("--result") + 1] = str(tmp_path / "other" / "out.json")

    done = tradeengine(*arguments)

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "new" / "store" / "journal.sqlite").exists()
    assert json.loads((tmp_path / "other" / "out.json").read_text())["totals"]["equity"] == "10000"


# ---------------------------------------------------------------- always the same


@pytest.mark.process
def test_fresh_processes_write_the_same_bytes_whatever_they_hash_with(tmp_path: Path) -> None:
    written = []
    for run, seed in enumerate(("0", "1", "4242")):
        folder = tmp_path / str(run)
        folder.mkdir()
        market = busy(folder)
        done = tradeengine(*market.arguments("--slippage-bps", "2"), env={"PYTHONHASHSEED": seed, "TZ": f"UTC-{run}"})
        assert done.returncode == 0, done.stderr
        written.append(market.result.read_bytes())

    assert written[0] == written[1] == written[2]
    assert len(json.loads(written[0])["fills"]) >= 8


def test_a_simulation_replaces_the_one_before_it_in_its_store(tmp_path: Path) -> None:
    market = busy(tmp_path)

    first, second = market.run(), market.run()

    assert first.document == second.document


def test_what_is_simulated_shows_in_the_digest_of_the_journal(tmp_path: Path) -> None:
    market = busy(tmp_path)

    digests = {market.run("--slippage-bps", bps).document["journal_sha256"] for bps in ("0", "1")}

    assert len(digests) == 2


def test_the_environment_of_the_engine_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = busy(tmp_path).run().document
    monkeypatch.setenv("MIN_CONFIDENCE", "0.99")
    monkeypatch.setenv("POSITION_MODE", "one-way")

    assert busy(tmp_path).run().document == before


# ---------------------------------------------------------------- wrong usage: 2


@pytest.mark.parametrize(
    "missing", ["--prices", "--signals", "--store", "--result", "--taker-fee", "--maker-fee"], ids=lambda name: name
)
def test_what_must_be_stated_has_no_default(tmp_path: Path, missing: str) -> None:
    arguments = Market(tmp_path, CALM).arguments()
    place = arguments.index(missing)

    done = CliRunner().invoke(app, [*arguments[:place], *arguments[place + 2 :]])

    assert done.exit_code == 2
    assert missing in done.stderr


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("--taker-fee", "much", "'much' is no decimal number"),
        ("--equity", "0", "0 is not above zero"),
        ("--equity", "-1", "-1 is not above zero"),
        ("--equity", "NaN", "NaN is not above zero"),
        ("--equity", "Infinity", "Infinity is not above zero"),
        ("--slippage-bps", "few", "'few' is no decimal number"),
        ("--prices", "BTCUSDT", "'BTCUSDT' is not SYMBOL=FILE"),
        ("--prices", "=x.csv", "'=x.csv' is not SYMBOL=FILE"),
        ("--prices", "btcusdt=x.csv", "'btcusdt' is no symbol such as BTCUSDT"),
        ("--prices", "ETHUSDT=missing.csv", "missing.csv is no file"),
        ("--funding", "BTCUSDT=missing.csv", "missing.csv is no file"),
        ("--signals", "missing.jsonl", "missing.jsonl"),
        ("--symbols", "missing.json", "missing.json"),
        ("--config", "missing.toml", "missing.toml"),
        ("--no-such-option", "1", "No such option"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_wrong(tmp_path: Path, option: str, value: str, text: str) -> None:
    refused(Market(tmp_path, CALM).try_run(option, value), 2, text)


def test_a_symbol_has_one_file_of_prices(tmp_path: Path) -> None:
    again = tmp_path / "BTCUSDT.csv"

    refused(Market(tmp_path, CALM).try_run("--prices", f"{BTC}={again}"), 2, "BTCUSDT is given twice")


def test_funding_needs_prices(tmp_path: Path) -> None:
    refused(Market(tmp_path, CALM, funding={ETH: [(at("01:00"), "0.01")]}).try_run(), 2, "no --prices for ETHUSDT")


# ---------------------------------------------------------------- wrong input: 78


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--taker-fee", "5"),
        ("--taker-fee", "-0.1"),
        ("--taker-fee", "NaN"),
        ("--maker-fee", "1"),
        ("--slippage-bps", "-1"),
        ("--slippage-bps", "10000"),
        ("--slippage-bps", "NaN"),
    ],
)
def test_an_impossible_cost_is_refused(tmp_path: Path, option: str, value: str) -> None:
    market = Market(tmp_path, CALM)

    refused(market.try_run(option, value), 78, f"{option.strip('-').split('-')[0]}", value)
    assert not market.store.exists()


@pytest.mark.parametrize(
    ("lines", "place"),
    [
        (["time,open,high,low,close", "2026-01-05T00:00:00Z,100,101,99"], ":2: 4 fields"),
        (["time,open,high,low,close", "2026-01-05T00:00:00Z,100,101,99,x"], ":2: close 'x'"),
        (["time,open,high,low,close", "2026-01-05T00:00:00Z,100,101,99,NaN"], ":2: close 'NaN'"),
        (["time,open,high,low,close", "2026-01-05T00:00:00Z,102,101,99,100"], ":2: open 102"),
        (["time,open,high,low,close", "2026-01-05T00:00:00Z,-1,101,-2,100"], ":2: open -1"),
        (["time,open,high,low,close", "soon,100,101,99,100"], ":2: timestamp 'soon'"),
        (
            ["time,open,high,low,close", *[f"2026-01-05T0{hour}:00:00Z,1,1,1,1" for hour in (0, 1, 1)]],
            ":4: time 2026-01-05T01:00:00.000Z is there twice",
        ),
        (
            ["time,open,high,low,close", *[f"2026-01-05T0{hour}:00:00Z,1,1,1,1" for hour in (0, 2, 1)]],
            ":4: time 2026-01-05T01:00:00.000Z follows",
        ),
        (["time,open,high,low", "2026-01-05T00:00:00Z,100,101,99"], ":1: the header"),
        (["time,open,high,low,close"], ": holds no line of data"),
        ([], ":1: the header"),
    ],
)
def test_a_bad_line_of_prices_is_named(tmp_path: Path, lines: list[str], place: str) -> None:
    market = Market(tmp_path, CALM)
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("".join(f"{line}\n" for line in lines))

    refused(market.try_run("--prices", f"{ETH}={wrong}"), 78, f"wrong.csv{place}")


def test_a_bad_line_of_funding_is_named(tmp_path: Path) -> None:
    funding = {BTC: [(at("00:00"), "0.0001"), (at("01:00"), "1.5")]}

    refused(Market(tmp_path, CALM, funding=funding).try_run(), 78, "BTCUSDT-funding.csv:3: funding_rate 1.5")


def test_a_store_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    market = Market(tmp_path, CALM)
    market.store.mkdir()
    kept = market.store / "journal.sqlite"
    kept.write_text("somebody's own")

    refused(market.try_run(), 78, "store is not empty", "name an empty or a new folder")
    assert kept.read_text() == "somebody's own"


def test_a_store_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    market = Market(tmp_path, CALM)
    (tmp_path / "file").touch()

    refused(market.try_run("--store", tmp_path / "file" / "store"), 78, "cannot be written", "name another --store")


def test_an_unknown_setting_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "settings.json"
    config.write_text('{"MAX_POSITION_SIZE": "100"}')

    refused(Market(tmp_path, CALM).try_run("--config", config), 78, "MAX_POSITION_SIZE")


def test_symbols_that_are_no_exchange_info_are_refused(tmp_path: Path) -> None:
    symbols = tmp_path / "symbols.json"
    symbols.write_text("[]")

    refused(Market(tmp_path, CALM).try_run("--symbols", symbols), 78, "symbols.json", "exchangeInfo")


# ---------------------------------------------------------------- failure: 1


def test_a_result_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    market = Market(tmp_path, CALM)
    (tmp_path / "file").touch()

    refused(market.try_run("--result", tmp_path / "file" / "out.json"), 1, "out.json cannot be written")
