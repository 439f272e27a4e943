"""``signal validate`` and ``signal example``, and ``sample``: files in, files out."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from contracts.signal import MAX_SIGNAL_BYTES, Signal
from tests.cli.simulating import BTC, Row, buy, flat, write_csv, write_signals
from tradeengine.cli.app import app

HEADER = ("time", "open", "high", "low", "close")


def call(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return done


# ---------------------------------------------------------------- validate


def test_valid_signals_are_counted(tmp_path: Path) -> None:
    path = write_signals(tmp_path / "signals.jsonl", [buy("00:00"), "", buy("01:00", mood="good", extra=None)])

    done = call("signal", "validate", path)

    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == "2 valid, 1 with fields that the contract does not name (kept as metadata), 0 invalid\n"


def test_every_invalid_line_is_named_with_what_is_wrong_in_it(tmp_path: Path) -> None:
    lines: list[Row | str] = [
        buy("00:00"),
        "{",
        "[1]",
        buy("00:00", "-1"),
        buy("00:00", confidence="1.5"),
        buy("00:00", symbol="btc-usdt"),
        buy("00:00", timestamp="yesterday"),
        "NaN [/bold]",
        buy("01:00"),
    ]
    path = write_signals(tmp_path / "signals.jsonl", lines)

    done = call("signal", "validate", path)

    assert done.exit_code == 1
    assert done.stdout == "2 valid, 7 invalid\n"
    said = done.stderr.splitlines()
    assert len(said) == 7
    for number, text in ((2, "not JSON"), (3, "a JSON object, not list"), (4, "quantity"), (5, "confidence")):
        assert f"signals.jsonl:{number}: " in done.stderr
        assert text in said[number - 2]
    assert "symbol: " in said[4]
    assert "'yesterday'" in said[5]


def test_many_invalid_lines_are_counted_without_a_flood(tmp_path: Path) -> None:
    done = call("signal", "validate", write_signals(tmp_path / "signals.jsonl", ["?"] * 1000))

    assert done.exit_code == 1
    assert done.stdout == "0 valid, 1000 invalid\n"
    assert len(done.stderr.splitlines()) == 21


def test_a_line_that_is_too_long_is_named_and_the_next_one_read(tmp_path: Path) -> None:
    huge = json.dumps({**buy("00:00"), "rationale": "x" * MAX_SIGNAL_BYTES})

    done = call("signal", "validate", write_signals(tmp_path / "signals.jsonl", [huge, buy("01:00")]))

    assert done.exit_code == 1
    assert done.stdout == "1 valid, 1 invalid\n"
    assert f"signals.jsonl:1: the line is longer than {MAX_SIGNAL_BYTES} bytes" in done.stderr


def test_a_dash_reads_standard_input() -> None:
    done = call("signal", "validate", "-", stdin=json.dumps(buy("00:00")).encode() + b"\nno JSON")

    assert done.exit_code == 1
    assert done.stdout == "1 valid, 1 invalid\n"
    assert "-:2: not JSON" in done.stderr


def test_nothing_at_all_is_valid() -> None:
    assert call("signal", "validate", "-", stdin=b"").stdout == "0 valid, 0 invalid\n"


@pytest.mark.parametrize("command", ["validate", "send"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, command: str) -> None:
    more = ("--http", "http://127.0.0.1:1", "--key", "k") if command == "send" else ()

    for path in (tmp_path / "missing.jsonl", tmp_path):
        done = call("signal", command, path, *more)
        assert done.exit_code == 78
        assert f"{path} cannot be read" in done.stderr


# ---------------------------------------------------------------- example


def wave(folder: Path) -> Path:
    """Two hundred hours that rise, fall and rise again."""
    heights = [100 + abs(hour % 100 - 50) for hour in range(200)]
    bars = [(f"2026-02-{1 + hour // 24:02}T{hour % 24:02}:00Z", *[str(p)] * 4) for hour, p in enumerate(heights)]
    return write_csv(folder / "wave.csv", HEADER, bars)


@pytest.mark.parametrize("strategy", ["moving-average", "mean-reversion", "breakout"])
def test_an_example_writes_signals_that_simulate_takes(tmp_path: Path, strategy: str) -> None:
    prices, signals = wave(tmp_path), tmp_path / "signals.jsonl"

    done = call("signal", "example", "--prices", f"{BTC}={prices}", "--out", signals, "--strategy", strategy)

    written = [Signal.from_json(line) for line in signals.read_bytes().splitlines()]
    assert (done.exit_code, done.stdout) == (0, f"{len(written)} signals: {signals}\n")
    assert {signal.symbol for signal in written} <= {BTC}
    assert [signal.timestamp for signal in written] == sorted(signal.timestamp for signal in written)
    fees = ("--taker-fee", "0.0005", "--maker-fee", "0.0002")
    files = ("--store", tmp_path / "store", "--result", tmp_path / "out.json")
    ran = call("simulate", "--prices", f"{BTC}={prices}", "--signals", signals, *files, *fees)
    assert ran.exit_code == 0, ran.stderr
    decided = json.loads((tmp_path / "out.json").read_text())["decisions"]
    assert [decision["signal_id"] for decision in decided] == [signal.signal_id for signal in written]


def test_the_moving_average_trades_a_price_that_turns(tmp_path: Path) -> None:
    signals = tmp_path / "signals.jsonl"

    call("signal", "example", "--prices", f"{BTC}={wave(tmp_path)}", "--out", signals)

    assert len(signals.read_bytes().splitlines()) >= 1


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--strategy", "luck"), 78, "no example strategy 'luck'; choose one of moving-average"),
        (("--prices", "ETHUSDT=missing.csv"), 2, "missing.csv is no file"),
        (("--prices", "wave.csv"), 2, "'wave.csv' is not SYMBOL=FILE"),
    ],
)
def test_an_example_that_cannot_be_made_says_why(
    tmp_path: Path, arguments: tuple[str, ...], code: int, text: str
) -> None:
    prices = write_csv(tmp_path / "prices.csv", HEADER, flat("1", "2"))

    done = call("signal", "example", "--prices", f"{BTC}={prices}", "--out", tmp_path / "s.jsonl", *arguments)

    assert done.exit_code == code
    assert text in " ".join(done.stderr.replace("│", " ").split())


def test_an_example_names_a_bad_line_of_prices(tmp_path: Path) -> None:
    prices = write_csv(tmp_path / "prices.csv", HEADER, [*flat("1", "2"), ("2026-01-05T02:00Z", "1", "2", "3")])

    done = call("signal", "example", "--prices", f"{BTC}={prices}", "--out", tmp_path / "s.jsonl")

    assert done.exit_code == 78
    assert "prices.csv:4: 4 fields" in done.stderr


# ---------------------------------------------------------------- sample


def test_a_sample_is_all_that_simulate_reads_and_the_same_for_the_same_seed(tmp_path: Path) -> None:
    first, again, other = (
        call("sample", tmp_path / name, "--days", "30", "--seed", seed)
        for name, seed in (("a", "7"), ("b", "7"), ("c", "8"))
    )

    assert first.exit_code == again.exit_code == other.exit_code == 0
    paths = [Path(line) for line in first.stdout.splitlines()]
    assert [path.name for path in paths] == [
        "BTCUSDT-1h.csv",
        "BTCUSDT-funding-8h.csv",
        "ETHUSDT-1h.csv",
        "ETHUSDT-funding-8h.csv",
        "signals.jsonl",
    ]
    for path in paths:
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
        assert path.read_bytes() != (tmp_path / "c" / path.name).read_bytes()
    assert len(paths[0].read_text().splitlines()) == 1 + 30 * 24
    options = [o for s in ("BTCUSDT", "ETHUSDT") for o in ("--prices", f"{s}={tmp_path}/a/{s}-1h.csv")]
    options += [o for s in ("BTCUSDT", "ETHUSDT") for o in ("--funding", f"{s}={tmp_path}/a/{s}-funding-8h.csv")]
    options += ["--signals", f"{paths[-1]}", "--store", f"{tmp_path}/store", "--result", f"{tmp_path}/out.json"]
    results = []
    for _ in range(2):
        ran = call("simulate", *options, "--taker-fee", "0.0005", "--maker-fee", "0.0002")
        assert (ran.exit_code, ran.stderr) == (0, "")
        results.append((tmp_path / "out.json").read_bytes())
    assert results[0] == results[1]
    assert len(json.loads(results[0])["fills"]) > 10


def test_a_sample_needs_a_folder_and_a_day(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert call("sample", tmp_path / "file").exit_code == 2
    assert call("sample", tmp_path / "file" / "folder").exit_code == 78
    assert call("sample", tmp_path / "folder", "--days", "0").exit_code == 2
    assert call("sample").exit_code == 2
