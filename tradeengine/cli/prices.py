"""``tradeengine prices``: the exchange's public history and trading rules, into files."""

import asyncio
import os
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from contracts.values import iso_millis, parse_timestamp, to_millis
from shared.clock import SystemClock
from shared.errors import ConfigError
from tradeengine.cli.base import progress, say, warn
from tradeengine.cli.options import check_address
from tradeengine.prices.client import PublicClient
from tradeengine.prices.fetch import LONGEST_FUNDING_MS, Fetched, Span, fetch_bars, fetch_funding, missing_at_end
from tradeengine.prices.intervals import INTERVALS, interval_ms
from tradeengine.prices.rules import rules_document
from tradeengine.prices.series import BAR_COLUMNS, FUNDING_COLUMNS
from tradeengine.prices.series_file import SeriesFile
from tradeengine.venue.binance.addresses import PRODUCTION
from tradeengine.venue.exchange_info import read_instruments

_SYMBOL = re.compile("[A-Z0-9]{2,30}")
_SHOWN_GAPS = 10
_TOLD_WAIT_S = 1.0

app = typer.Typer(
    name="prices", no_args_is_help=True, help="Fetch the exchange's public prices and trading rules; no key is needed."
)


def _time(value: str) -> datetime:
    try:
        return parse_timestamp(value)
    except ValueError as error:
        raise typer.BadParameter(f"{error}; write 2026-01-31 or 2026-01-31T12:00") from None


def _symbol(value: str) -> str:
    if not _SYMBOL.fullmatch(value):
        raise typer.BadParameter(f"{value!r} is no symbol such as BTCUSDT")
    return value


_BaseUrl = Annotated[
    str, typer.Option(metavar="URL", help="Where the exchange, or its simulator, serves its REST routes.")
]


@app.command()
def fetch(
    symbol: Annotated[str, typer.Argument(parser=_symbol, metavar="SYMBOL", help="Such as BTCUSDT.")],
    start: Annotated[datetime, typer.Option("--from", parser=_time, metavar="TIME", help="First bar: ISO 8601, UTC.")],
    end: Annotated[
        datetime | None,
        typer.Option("--to", parser=_time, metavar="TIME", help="Bars start before it; without it, up to now."),
    ] = None,
    interval: Annotated[str, typer.Option(help=f"Length of a bar: {', '.join(INTERVALS)}.")] = "1m",
    funding: Annotated[
        bool, typer.Option("--funding", help="Also fetch the funding rates, to a file of their own beside.")
    ] = False,
    file: Annotated[
        Path | None, typer.Option("--out", dir_okay=False, help="CSV of the bars [SYMBOL-INTERVAL.csv].")
    ] = None,
    base_url: _BaseUrl = PRODUCTION.rest,
) -> None:
    """Fetch bars, and funding rates, as `simulate` reads them.

    The same command goes on where an interrupted one ended. Gaps of the exchange's own history are named.
    """
    check_address(base_url, "--base-url", "https", "http")
    if interval not in INTERVALS:
        raise typer.BadParameter(f"{interval!r} is none of {', '.join(INTERVALS)}", param_hint="--interval")
    now_ms = SystemClock().now_ms()
    span = Span(to_millis(start), to_millis(end) if end is not None else now_ms)
    if span.start_ms >= span.end_ms:
        until = "now" if end is None else iso_millis(span.end_ms)
        raise typer.BadParameter(f"{iso_millis(span.start_ms)} is not before {until}", param_hint="--from")
    bars = file or Path(f"{symbol}-{interval}.csv")
    rates = bars.with_name(f"{bars.stem.removesuffix(f'-{interval}')}-funding.csv") if funding else None
    for result in asyncio.run(_fetch(_Wanted(symbol, interval, span, bars, rates), base_url)):
        _tell(result, span)
    with_funding = f" --funding {symbol}={rates}" if rates is not None else ""
    say(f"next: tradeengine simulate --prices {symbol}={bars}{with_funding} …")


class _Wanted(NamedTuple):
    """What is fetched, and into which files."""

    symbol: str
    interval: str
    span: Span
    bars: Path
    funding: Path | None


class _Result(NamedTuple):
    """One file as it is in the end, and from which distance of two rows on something is missing."""

    path: Path
    what: str
    fetched: Fetched
    longest_ms: int
    now_ms: int


async def _fetch(wanted: _Wanted, base_url: str) -> list[_Result]:
    symbol, interval, span, bars, funding = wanted
    step_ms = interval_ms(interval)
    with SeriesFile(bars, BAR_COLUMNS) as file, progress(unit="bars") as shown:
        task = shown.add_task(symbol, total=max((span.end_ms - span.start_ms) // step_ms, 1))

        def wait(why: str, seconds: float) -> None:
            if seconds >= _TOLD_WAIT_S:
                warn(f"{why}: waiting {seconds:.0f} s")

        def reached(time_ms: int) -> None:
            shown.update(task, completed=(time_ms + step_ms - span.start_ms) // step_ms)

        async with PublicClient(base_url, SystemClock(), wait) as client:
            await client.prepare([symbol])
            fetched = await fetch_bars(client, file, symbol, interval, span, reached)
            results = [_Result(bars, "bars", fetched, step_ms, client.now_ms())]
            if funding is not None:
                shown.update(task, description=f"{symbol} funding")
                with SeriesFile(funding, FUNDING_COLUMNS) as rates:
                    fetched = await fetch_funding(client, rates, symbol, span, lambda time_ms: None)
                results.append(_Result(funding, "funding rates", fetched, LONGEST_FUNDING_MS, client.now_ms()))
    return results


def _tell(result: _Result, span: Span) -> None:
    """Say what a file holds, and name what the exchange has not."""
    path, what, fetched, longest_ms, now_ms = result
    extent = fetched.extent
    say(
        f"{path}: {extent.rows} {what} from {iso_millis(extent.first_ms)} to {iso_millis(extent.last.time_ms)}, "
        f"{fetched.added} of them new"
    )
    if extent.first_ms - span.start_ms >= longest_ms:
        warn(f"{path}: the exchange has nothing before {iso_millis(extent.first_ms)}")
    for gap in extent.gaps[:_SHOWN_GAPS]:
        warn(f"{path}: nothing between {iso_millis(gap.after_ms)} and {iso_millis(gap.before_ms)}")
    if len(extent.gaps) > _SHOWN_GAPS:
        warn(f"{path}: and {len(extent.gaps) - _SHOWN_GAPS} more gaps")
    if missing_at_end(extent, span, longest_ms, now_ms):
        warn(f"{path}: the exchange has nothing after {iso_millis(extent.last.time_ms)}")


@app.command()
def rules(
    symbols: Annotated[list[str], typer.Argument(parser=_symbol, metavar="SYMBOL...", help="Such as BTCUSDT ETHUSDT.")],
    file: Annotated[Path, typer.Option("--out", dir_okay=False, help="Where they are written.")] = Path(
        "exchangeInfo.json"
    ),
    base_url: _BaseUrl = PRODUCTION.rest,
) -> None:
    """Fetch the trading rules of symbols: the file that `--symbols` of `simulate` and `run` reads."""
    check_address(base_url, "--base-url", "https", "http")
    info = asyncio.run(_rules(base_url, symbols))
    document = rules_document(info, symbols)
    traded = read_instruments(document, base_url)
    for symbol in symbols:
        if symbol not in traded:
            warn(f"{symbol} does not trade now: `simulate` and `run` leave it out")
    _write(file, document)
    say(f"{file}: trading rules of {', '.join(symbols)}")


async def _rules(base_url: str, symbols: Sequence[str]) -> Mapping[str, Any]:
    async with PublicClient(base_url, SystemClock()) as client:
        return await client.prepare(symbols)


def _write(path: Path, text: str) -> None:
    """Replace a file at once, so that nobody ever reads half of it."""
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)  # noqa: PTH105 - says what it does
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); name another --out") from error
