"""A newcomer's first backtest: made-up prices and funding with the example strategies' signals, from a seed."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from contracts.values import iso_millis
from shared.errors import ConfigError
from tradeengine.runtime.bars import FundingRate
from tradeengine.runtime.demo.presets import BAR_STRATEGIES
from tradeengine.runtime.demo.signals import signals_from_bars, write_signals
from tradeengine.venue.paper.bar import Bar
from tradeengine.venue.paper.instruments import DEMO_INSTRUMENTS
from tradeengine.venue.paper.prices import PriceGenerator

START_MS = 1_735_689_600_000
"""First bar: 2025-01-01 00:00 UTC, in milliseconds."""

START_PRICES = {"BTCUSDT": Decimal(95_000), "ETHUSDT": Decimal(3_300)}

_HOUR_MS = 3_600_000
_STEPS_PER_BAR = 12
_STEP_VOLATILITY = Decimal("0.0012")

_FUNDING_HOURS = 8
_BASE_RATE = Decimal("0.0001")
_RATE_PER_RISE = Decimal("0.02")
_RATE_LIMIT = Decimal("0.003")
_RATE_STEP = Decimal("1e-8")


def write_sample(folder: Path, seed: int, days: int) -> list[Path]:
    """Write hourly bars and 8-hour funding of two symbols, and three strategies' signals: all that ``simulate`` reads.

    Parameters
    ----------
    folder
        Made if it is missing; files of the same names are replaced.
    seed
        Same seed and days, same bytes.
    days
        Length in days, at least 1; the strategies need about four to warm up.

    Returns
    -------
    list of Path
        ``<SYMBOL>-1h.csv`` and ``<SYMBOL>-funding-8h.csv`` of each symbol, then ``signals.jsonl``.

    Raises
    ------
    ConfigError
        If days is below 1 or the files cannot be written.
    """
    if days < 1:
        raise ConfigError(f"a sample of {days} days holds nothing; ask for at least 1")
    paths: list[Path] = []
    streams = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for symbol, bars in generate_bars(seed, hours=24 * days).items():
            prices, funding = folder / f"{symbol}-1h.csv", folder / f"{symbol}-funding-8h.csv"
            _write(prices, "time,open,high,low,close", [_bar_line(bar) for bar in bars])
            _write(funding, "time,funding_rate", [_funding_line(rate) for rate in generate_funding(bars)])
            paths += [prices, funding]
            streams += [signals_from_bars(make, symbol, bars) for make in BAR_STRATEGIES.values()]
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written ({error.strerror}); name a folder of your own") from error
    signals = folder / "signals.jsonl"
    write_signals(streams, signals)
    return [*paths, signals]


def generate_bars(seed: int, hours: int) -> Mapping[str, list[Bar]]:
    """Make hourly bars of each symbol of :data:`START_PRICES`; each opens where the one before closed."""
    generator = PriceGenerator(seed, DEMO_INSTRUMENTS, START_PRICES, _STEP_VOLATILITY)
    ticks = {instrument.symbol: instrument.tick_size for instrument in DEMO_INSTRUMENTS}
    last = {symbol: price.quantize(ticks[symbol]) for symbol, price in START_PRICES.items()}
    bars: dict[str, list[Bar]] = {symbol: [] for symbol in START_PRICES}
    for hour in range(hours):
        steps = {symbol: [price] for symbol, price in last.items()}
        for _ in range(_STEPS_PER_BAR):
            for symbol, price in generator.step():
                steps[symbol].append(price.quantize(ticks[symbol]))
        for symbol, seen in steps.items():
            bars[symbol].append(Bar(START_MS + hour * _HOUR_MS, seen[0], max(seen), min(seen), seen[-1]))
            last[symbol] = seen[-1]
    return bars


def generate_funding(bars: Sequence[Bar]) -> list[FundingRate]:
    """Settle every eight hours at a base rate plus a part of the rise since the last time: a crowd of longs pays."""
    rates = []
    for index in range(0, len(bars), _FUNDING_HOURS):
        before = bars[max(index - _FUNDING_HOURS, 0)].open
        rise = (bars[index].open - before) / before
        rate = max(-_RATE_LIMIT, min(_RATE_LIMIT, _BASE_RATE + _RATE_PER_RISE * rise))
        rates.append(FundingRate(bars[index].time_ms, rate.quantize(_RATE_STEP)))
    return rates


def _bar_line(bar: Bar) -> str:
    return ",".join([_time(bar.time_ms), *[format(price, "f") for price in (bar.open, bar.high, bar.low, bar.close)]])


def _funding_line(funding: FundingRate) -> str:
    return f"{_time(funding.time_ms)},{funding.rate:f}"


def _time(time_ms: int) -> str:
    return iso_millis(time_ms).replace(".000Z", "Z")


def _write(path: Path, header: str, lines: list[str]) -> None:
    path.write_text("\n".join([header, *lines, ""]), encoding="utf-8", newline="")
