"""``tradeengine simulate``: the engine over recorded prices, in virtual time."""

import asyncio
import json
import shutil
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from contracts.enums import Outcome
from contracts.signal import Signal
from shared.clock import SystemClock
from shared.errors import ConfigError, EngineError
from shared.settings import Settings
from tradeengine.cli.base import out, progress, say, warn
from tradeengine.cli.options import ConfigFile, SymbolsFile, load_instruments, parse_files
from tradeengine.domain.instrument import Instrument
from tradeengine.journal.sqlite import SqliteJournal
from tradeengine.projection.projector import Projector
from tradeengine.projection.sqlite import SqliteReadModel
from tradeengine.runtime.backtest import Backtest, SymbolFeed
from tradeengine.runtime.bars import read_bars, read_funding
from tradeengine.runtime.files import journal_file, read_model_file
from tradeengine.runtime.signal_files import park, read_signal_lines
from tradeengine.runtime.simulation_result import ResultCollector, result_document
from tradeengine.runtime.trading_config import trading_config
from tradeengine.venue.paper.book import PaperBook
from tradeengine.venue.paper.instruments import default_instrument

_MARKER = "simulation.json"
_SHOWN_INVALID = 5


def _decimal(value: str) -> Decimal:
    try:
        return Decimal(value)
    except InvalidOperation:
        raise typer.BadParameter(f"{value!r} is no decimal number") from None


def simulate(
    prices: Annotated[
        list[str],
        typer.Option(metavar="SYMBOL=FILE", help="CSV with time,open,high,low,close; once for each symbol."),
    ],
    signals: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="JSON Lines file of signals.")],
    store: Annotated[Path, typer.Option(file_okay=False, help="Folder for journal and read model; made anew.")],
    result: Annotated[Path, typer.Option(dir_okay=False, metavar="OUT.json", help="Where the result is written.")],
    taker_fee: Annotated[Decimal, typer.Option(parser=_decimal, help="Fraction of the notional, such as 0.0005.")],
    maker_fee: Annotated[Decimal, typer.Option(parser=_decimal, help="Fraction of the notional, such as 0.0002.")],
    slippage_bps: Annotated[
        Decimal, typer.Option(parser=_decimal, help="Basis points that market orders are moved against themselves.")
    ] = Decimal(0),
    funding: Annotated[
        list[str] | None, typer.Option(metavar="SYMBOL=FILE", help="CSV with time,funding_rate; once for each symbol.")
    ] = None,
    equity: Annotated[Decimal, typer.Option(parser=_decimal, help="Equity at the start, in quote currency.")] = Decimal(
        10_000
    ),
    symbols: SymbolsFile = None,
    config: ConfigFile = None,
) -> None:
    """Run signals over recorded prices in virtual time: the live chain, the same result every time.

    A market order fills at the open of the first bar that starts at or after it.
    A limit order fills at its price, or at the open if that is better.
    A stop or target fills at its trigger, or at the open beyond it; the stop first.
    Funding is paid on the notional at the open of the bar that starts then.
    """
    if not equity.is_finite() or equity <= 0:
        raise typer.BadParameter(f"{equity} is not above zero", param_hint="--equity")
    bars = parse_files(prices, "--prices")
    rates = parse_files(funding or [], "--funding")
    if strangers := sorted(rates.keys() - bars.keys()):
        raise typer.BadParameter(f"no --prices for {', '.join(strangers)}", param_hint="--funding")
    settings = Settings.load(env={}, config_file=config)
    rules = _instruments(bars, symbols)
    book = PaperBook(maker_fee=maker_fee, taker_fee=taker_fee, slippage_bps=slippage_bps, instruments=rules)
    _clear(store)
    sent = _read_signals(signals, store)
    document, played = asyncio.run(_simulate(settings, bars, rates, rules, book, equity, sent, store))
    _write(result, json.dumps(document, indent=1) + "\n")
    _print_summary(document, played)
    say(f"result: {result}")


def _instruments(bars: Mapping[str, Path], symbols: Path | None) -> list[Instrument]:
    if symbols is None:
        return [default_instrument(symbol) for symbol in bars]
    known = load_instruments(symbols)
    if missing := sorted(bars.keys() - known.keys()):
        raise ConfigError(f"{symbols}: no trading rules of {', '.join(missing)}; add them, or leave --symbols out")
    return [known[symbol] for symbol in bars]


def _clear(store: Path) -> None:
    """Make the folder empty, if nothing but a former simulation is in it."""
    try:
        store.mkdir(parents=True, exist_ok=True)
        if any(store.iterdir()):
            if not (store / _MARKER).exists():
                raise ConfigError(f"{store} is not empty and holds no simulation: name an empty or a new folder")
            shutil.rmtree(store)
            store.mkdir()
        (store / _MARKER).write_text('{"made_by": "tradeengine simulate"}\n', encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{store} cannot be written: {error.strerror}; name another --store") from error


def _read_signals(path: Path, store: Path) -> list[Signal]:
    signals: list[Signal] = []
    invalid = 0
    with path.open("rb") as stream:
        for line in read_signal_lines(stream):
            if line.signal is not None:
                signals.append(line.signal)
                continue
            invalid += 1
            park(store, str(path), line)
            if invalid <= _SHOWN_INVALID:
                warn(f"{path}:{line.number}: {line.error}")
    if invalid:
        warn(f"{invalid} lines are no signals; they are kept in {store / 'dead-letters.jsonl'}")
    return sorted(signals, key=lambda signal: signal.timestamp)


async def _simulate(
    settings: Settings,
    bars: Mapping[str, Path],
    rates: Mapping[str, Path],
    rules: Sequence[Instrument],
    book: PaperBook,
    equity: Decimal,
    signals: Sequence[Signal],
    store: Path,
) -> tuple[dict[str, Any], int]:
    """The result, and how many bars were played."""
    feeds = [
        SymbolFeed(symbol, read_bars(path), read_funding(rates[symbol]) if symbol in rates else ())
        for symbol, path in bars.items()
    ]
    journal = SqliteJournal(journal_file(store), durable=False)
    clock = SystemClock()
    read_model = SqliteReadModel(read_model_file(store), venue="paper", clock=clock)
    await journal.open()
    await read_model.open()
    projector = Projector(journal, read_model, clock, range(settings.shards))
    await projector.start()
    collector = ResultCollector()
    backtest = Backtest(
        feeds=feeds,
        signals=signals,
        book=book,
        instruments=rules,
        config=trading_config(settings),
        equity=equity,
        shards=settings.shards,
        journal=journal,
        listeners=[projector.notify, collector],
    )
    try:
        with progress(unit="bars") as shown:
            total = sum(_count_lines(path) for path in bars.values())
            task = shown.add_task("simulating", total=total)
            played = await backtest.run(lambda count: shown.advance(task, count))
        for symbol, count in backtest.unpriced.items():
            warn(f"{rates[symbol]}: {count} settlements are not paid, because no bar of {symbol} starts at their time")
        await projector.catch_up()
        document = await result_document(
            collector, read_model, backtest.account, backtest.clock.now_ms(), await journal.digest()
        )
    finally:
        await projector.stop()
        await read_model.close()
        await journal.close()
    return document, played


def _write(result: Path, text: str) -> None:
    try:
        result.parent.mkdir(parents=True, exist_ok=True)
        result.write_text(text, encoding="utf-8")
    except OSError as error:
        raise EngineError(f"{result} cannot be written: {error.strerror}; name another --result") from error


def _count_lines(path: Path) -> int:
    with path.open("rb") as stream:
        return max(sum(1 for _ in stream) - 1, 0)


def _print_summary(document: Mapping[str, Any], played: int) -> None:
    outcomes = Table(title="Signals", title_justify="left")
    outcomes.add_column("outcome")
    outcomes.add_column("reason")
    outcomes.add_column("number", justify="right")
    counts: dict[tuple[str, str], int] = {}
    for decision in document["decisions"]:
        key = decision["outcome"], decision["reason"] or ""
        counts[key] = counts.get(key, 0) + 1
    order = [outcome.value for outcome in Outcome]
    for (outcome, reason), number in sorted(counts.items(), key=lambda item: (order.index(item[0][0]), item[0][1])):
        outcomes.add_row(outcome, reason, str(number))
    out.print(outcomes)
    out.print(_strategy_table(document))
    totals = Table(title="Totals, in quote currency", title_justify="left", show_header=False)
    for name, value in document["totals"].items():
        totals.add_row(name, value)
    out.print(totals)
    say(
        f"{played} bars, {len(document['orders'])} orders, {len(document['fills'])} fills; "
        f"journal {document['journal_sha256']}"
    )


def _strategy_table(document: Mapping[str, Any]) -> Table:
    table = Table(title="Strategies", title_justify="left")
    for name in ("strategy", "positions", "fills", "realised", "fees"):
        table.add_column(name, justify="left" if name == "strategy" else "right")
    rows: dict[str, list[Decimal]] = {}
    for position in document["strategy_positions"]:
        rows.setdefault(position["strategy_id"], [Decimal(0)] * 4)[0] += 1
    for fill in document["fills"]:
        row = rows.setdefault(fill["strategy_id"], [Decimal(0)] * 4)
        row[1] += 1
        row[2] += Decimal(fill["realized_pnl"])
        row[3] += Decimal(fill["fee"])
    for strategy, (positions, fills, realized, fees) in sorted(rows.items()):
        table.add_row(Text(strategy), str(positions), str(fills), f"{realized:,.2f}", f"{fees:,.2f}")
    return table
