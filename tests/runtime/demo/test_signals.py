from decimal import Decimal
from pathlib import Path

import pytest

from contracts.signal import Signal
from shared.errors import ConfigError
from tests.support.builders import T0
from tradeengine.runtime.bars import read_bars
from tradeengine.runtime.demo.presets import bar_strategy
from tradeengine.runtime.demo.sample import write_sample
from tradeengine.runtime.demo.signals import signals_from_bars, write_example_signals, write_signals
from tradeengine.runtime.demo.writer import Document
from tradeengine.venue.paper.bar import Bar

HOUR = 3_600_000


class Recorder:
    """Signals every price it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[Decimal, int]] = []

    def on_price(self, symbol: str, price: Decimal, time_ms: int) -> list[Document]:
        self.heard.append((price, time_ms))
        return [{"symbol": symbol, "timestamp": time_ms}]


def test_a_strategy_hears_a_bars_close_when_the_next_bar_starts() -> None:
    strategy = Recorder()
    bars = [Bar(T0 + n * HOUR, Decimal(9), Decimal(9), Decimal(1), Decimal(n + 1)) for n in (0, 1, 5)]

    signals = list(signals_from_bars(lambda: strategy, "BTCUSDT", bars))

    assert strategy.heard == [(Decimal(1), T0 + HOUR), (Decimal(2), T0 + 5 * HOUR)]
    assert [signal["timestamp"] for signal in signals] == [T0 + HOUR, T0 + 5 * HOUR]


def test_the_file_holds_the_signals_of_all_symbols_by_time(tmp_path: Path) -> None:
    write_sample(tmp_path, seed=1, days=30)
    prices = {symbol: tmp_path / f"{symbol}-1h.csv" for symbol in ("ETHUSDT", "BTCUSDT")}
    out = tmp_path / "out.jsonl"
    reported: list[int] = []

    written = write_example_signals(prices, "breakout", out, reported.append)

    signals = [Signal.from_json(line) for line in out.read_bytes().splitlines()]
    assert len(signals) == written > 10
    assert {signal.symbol for signal in signals} == {"BTCUSDT", "ETHUSDT"}
    assert [signal.timestamp for signal in signals] == sorted([signal.timestamp for signal in signals])
    assert sum(reported) == 2 * 30 * 24
    for symbol, path in prices.items():
        alone = list(signals_from_bars(bar_strategy("breakout"), symbol, read_bars(path)))
        assert [s.signal_id for s in signals if s.symbol == symbol] == [document["signal_id"] for document in alone]


def test_a_broken_file_of_prices_leaves_what_was_there(tmp_path: Path) -> None:
    prices, out = tmp_path / "prices.csv", tmp_path / "out.jsonl"
    lines = [f"2025-01-{day:02}T{hour:02}:00:00Z,1,1,1,1" for day in range(1, 6) for hour in range(24)]
    prices.write_text("\n".join(["time,open,high,low,close", *lines, "2025-02-01,1,1,1,x", ""]), encoding="utf-8")
    out.write_text("before", encoding="utf-8")

    with pytest.raises(ConfigError, match=r"prices\.csv:122: close 'x'"):
        write_example_signals({"BTCUSDT": prices}, "moving-average", out)

    assert out.read_text(encoding="utf-8") == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.jsonl", "prices.csv"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing/out\.jsonl: cannot be written \(No such file or directory\)"):
        write_signals([], tmp_path / "missing" / "out.jsonl")


def test_an_unknown_strategy_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no example strategy 'x'"):
        write_example_signals({"BTCUSDT": tmp_path / "prices.csv"}, "x", tmp_path / "out.jsonl")

    assert list(tmp_path.iterdir()) == []
