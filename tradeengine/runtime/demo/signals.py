"""Signals of the example strategies over recorded bars: input for a backtest."""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from operator import itemgetter
from pathlib import Path

import msgspec

from shared.errors import ConfigError
from tradeengine.runtime.bars import read_bars
from tradeengine.runtime.demo.presets import MakeStrategy, bar_strategy
from tradeengine.runtime.demo.writer import Document
from tradeengine.venue.paper.bar import Bar

Progress = Callable[[int], None]

_REPORT_EVERY = 1000


def signals_from_bars(make: MakeStrategy, symbol: str, bars: Iterable[Bar]) -> Iterator[Document]:
    """Run a strategy over the bars of one symbol.

    Parameters
    ----------
    make
        Makes the strategy; it starts knowing nothing.
    bars
        In order of time; read as they are needed.

    Yields
    ------
    Document
        Signals by time. A strategy hears a bar's close and decides when the next bar starts, which is the first price
        that it could trade at; the last bar's close is not heard, for nothing follows it.
    """
    strategy = make()
    for bar, following in pairwise(bars):
        yield from strategy.on_price(symbol, bar.close, following.time_ms)


def write_example_signals(
    prices: Mapping[str, Path], strategy: str, out: Path, progress: Progress = lambda bars: None
) -> int:
    """Run an example strategy over recorded prices and write its signals.

    Parameters
    ----------
    prices
        CSV file of bars of each symbol, see :func:`tradeengine.runtime.bars.read_bars`.
    strategy
        A name of :data:`.presets.BAR_STRATEGIES`.
    out
        JSON Lines file to write, sorted by time; whole or not at all.
    progress
        Called with the number of bars read since the last call.

    Returns
    -------
    int
        Number of signals.

    Raises
    ------
    ConfigError
        If the strategy is unknown, a file of prices is wrong, or the file cannot be written.
    """
    make = bar_strategy(strategy)
    return write_signals(
        [signals_from_bars(make, symbol, _counted(read_bars(path), progress)) for symbol, path in prices.items()], out
    )


def write_signals(streams: Iterable[Iterable[Document]], out: Path) -> int:
    """Write signals of several streams, each sorted by time, as one file sorted by time; return their number.

    Raises
    ------
    ConfigError
        If the file cannot be written; what was there before is then left alone.
    """
    # ISO texts of one width sort as the times they name.
    merged = heapq.merge(*streams, key=itemgetter("timestamp"))
    part = out.with_name(f"{out.name}.part")
    written = 0
    try:
        try:
            with part.open("wb") as file:
                for written, document in enumerate(merged, start=1):  # noqa: B007
                    file.write(msgspec.json.encode(document) + b"\n")
            part.replace(out)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{out}: cannot be written ({error.strerror}); name a file in a folder that exists"
        ) from error
    return written


def _counted(bars: Iterable[Bar], progress: Progress) -> Iterator[Bar]:
    unreported = 0
    for bar in bars:
        yield bar
        unreported += 1
        if unreported == _REPORT_EVERY:
            progress(unreported)
            unreported = 0
    progress(unreported)
