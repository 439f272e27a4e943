from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from contracts.signal import Signal
from contracts.values import to_millis
from shared.errors import ConfigError
from tradeengine.domain.config import TradingConfig
from tradeengine.journal.memory import MemoryJournal
from tradeengine.runtime.backtest import Backtest, SymbolFeed
from tradeengine.runtime.bars import read_bars, read_funding
from tradeengine.runtime.demo.presets import BAR_STRATEGIES
from tradeengine.runtime.demo.sample import START_MS, write_sample
from tradeengine.venue.paper.book import PaperBook
from tradeengine.venue.paper.instruments import DEMO_INSTRUMENTS

HOUR = 3_600_000
SYMBOLS = ("BTCUSDT", "ETHUSDT")
TICKS = {instrument.symbol: instrument.tick_size for instrument in DEMO_INSTRUMENTS}


def contents(paths: list[Path]) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in paths}


def read_signals(folder: Path) -> list[Signal]:
    return [Signal.from_json(line) for line in (folder / "signals.jsonl").read_bytes().splitlines()]


def test_a_seed_alone_determines_every_byte(tmp_path: Path) -> None:
    first = contents(write_sample(tmp_path / "a", seed=3, days=10))

    assert sorted(first) == [
        "BTCUSDT-1h.csv",
        "BTCUSDT-funding-8h.csv",
        "ETHUSDT-1h.csv",
        "ETHUSDT-funding-8h.csv",
        "signals.jsonl",
    ]
    assert contents(write_sample(tmp_path / "b", seed=3, days=10)) == first
    assert contents(write_sample(tmp_path / "a", seed=3, days=10)) == first, "a second time into the same folder"
    other = contents(write_sample(tmp_path / "c", seed=4, days=10))
    assert [name for name in first if other[name] == first[name]] == []


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_bars_follow_each_other_on_the_hour_and_on_the_tick(tmp_path: Path, symbol: str) -> None:
    write_sample(tmp_path, seed=3, days=5)

    bars = list(read_bars(tmp_path / f"{symbol}-1h.csv"))

    assert [bar.time_ms for bar in bars] == [START_MS + hour * HOUR for hour in range(5 * 24)]
    assert [later.open for _, later in pairwise(bars)] == [earlier.close for earlier, _ in pairwise(bars)]
    prices = [price for bar in bars for price in (bar.open, bar.high, bar.low, bar.close)]
    assert [price for price in prices if price % TICKS[symbol]] == []
    assert len({bar.high - bar.low for bar in bars}) > 50, "the prices move"


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_funding_is_settled_every_eight_hours_at_rates_of_both_signs(tmp_path: Path, symbol: str) -> None:
    write_sample(tmp_path, seed=3, days=30)

    rates = list(read_funding(tmp_path / f"{symbol}-funding-8h.csv"))

    assert [rate.time_ms for rate in rates] == [START_MS + n * 8 * HOUR for n in range(90)]
    assert min(rate.rate for rate in rates) < 0 < max(rate.rate for rate in rates) <= Decimal("0.003")


def test_all_three_strategies_signal_on_both_symbols_in_order_of_time(tmp_path: Path) -> None:
    write_sample(tmp_path, seed=3, days=30)

    signals = read_signals(tmp_path)

    assert {(s.strategy_id, s.symbol) for s in signals} == {(name, s) for name in BAR_STRATEGIES for s in SYMBOLS}
    assert [s.timestamp for s in signals] == sorted([s.timestamp for s in signals])


async def test_the_sample_is_all_that_a_backtest_needs(tmp_path: Path) -> None:
    write_sample(tmp_path, seed=3, days=30)
    signals = read_signals(tmp_path)
    instruments = [instrument for instrument in DEMO_INSTRUMENTS if instrument.symbol in SYMBOLS]
    backtest = Backtest(
        feeds=[
            SymbolFeed(
                symbol, read_bars(tmp_path / f"{symbol}-1h.csv"), read_funding(tmp_path / f"{symbol}-funding-8h.csv")
            )
            for symbol in SYMBOLS
        ],
        signals=signals,
        book=PaperBook(maker_fee=Decimal("0.0002"), taker_fee=Decimal("0.0005"), slippage_bps=Decimal(1)),
        instruments=instruments,
        config=TradingConfig(),
        equity=Decimal(10_000),
        shards=2,
        journal=MemoryJournal(),
    )

    played = await backtest.run()

    summary = backtest.account.summary(to_millis(signals[-1].timestamp))
    assert played == 2 * 30 * 24
    assert summary["realized_pnl"] != 0
    assert summary["fees"] > 0
    assert summary["funding"] != 0
    strategies = {name for leg in backtest.account.legs() for name in leg.strategies}
    assert strategies <= set(BAR_STRATEGIES)


def test_a_sample_without_a_day_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a sample of 0 days"):
        write_sample(tmp_path, seed=1, days=0)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")

    with pytest.raises(ConfigError, match=r"file/inside: cannot be written \(Not a directory\)"):
        write_sample(tmp_path / "file" / "inside", seed=1, days=1)
