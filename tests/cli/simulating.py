"""Tiny hand-made markets for ``tradeengine simulate``, run through the command line as a user runs it."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from tradeengine.cli.app import app

DAY = "2026-01-05"
TAKER, MAKER = "0.0005", "0.0002"
BTC, ETH = "BTCUSDT", "ETHUSDT"

D = Decimal
Row = dict[str, Any]


def at(time: str) -> str:
    """A time of the simulated day, such as ``01:00``."""
    return f"{DAY}T{time}Z"


def hourly(*bars: str, start: int = 0) -> list[tuple[str, ...]]:
    """Bars of an hour each, written as ``open high low close``; an empty text leaves its hour out."""
    return [(at(f"{start + hour:02}:00"), *bar.split()) for hour, bar in enumerate(bars) if bar]


def flat(*prices: str, start: int = 0) -> list[tuple[str, ...]]:
    """Bars of an hour each in which the price does not move."""
    return hourly(*[f"{price} {price} {price} {price}" for price in prices], start=start)


def signal(time: str, action: str = "buy", strategy: str = "A", **fields: Any) -> Row:
    """A signal of the simulated day; its id says who sent it when, unless one is given."""
    identity = {"signal_id": f"{strategy}-{action}-{time}", "strategy_id": strategy, "action": action}
    return {**identity, "symbol": BTC, "confidence": "0.9", "timestamp": at(time), **fields}


def buy(time: str, quantity: str | None = "1", strategy: str = "A", **fields: Any) -> Row:
    return signal(time, "buy", strategy, **({} if quantity is None else {"quantity": quantity}), **fields)


def sell(time: str, quantity: str | None = "1", strategy: str = "A", **fields: Any) -> Row:
    return signal(time, "sell", strategy, **({} if quantity is None else {"quantity": quantity}), **fields)


def close(time: str, strategy: str = "A", **fields: Any) -> Row:
    return signal(time, "close", strategy, **fields)


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *rows])
    return path


def write_signals(path: Path, signals: Sequence[Row | str]) -> Path:
    """Write signals, and lines of text that are none, as a JSON Lines file."""
    lines = [entry if isinstance(entry, str) else json.dumps(entry) for entry in signals]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def dec(value: str) -> Decimal:
    """Read a decimal of OUT.json, which must be a text."""
    assert isinstance(value, str), f"{value!r} is no text"
    return Decimal(value)


@dataclass
class Outcome:
    """What a run wrote: its exit code, what it said, and OUT.json."""

    exit_code: int
    stdout: str
    stderr: str
    document: Row

    @property
    def totals(self) -> dict[str, Decimal]:
        return {name: dec(value) for name, value in self.document["totals"].items()}

    @property
    def decisions(self) -> list[tuple[str, str, str | None]]:
        """Signal, outcome and reason of each decision."""
        return [(d["signal_id"], d["outcome"], d["reason"]) for d in self.document["decisions"]]

    def reasons(self) -> dict[str, str | None]:
        """The reason of each signal's decision."""
        return {signal_id: reason for signal_id, _, reason in self.decisions}

    def fills(self, *fields: str, **only: str) -> list[tuple[Any, ...]]:
        """Fields of the fills that fit; figures as decimals, and times without their day."""
        rows = [row for row in self.document["fills"] if only.items() <= row.items()]
        return [tuple(_plain(name, row[name]) for name in fields) for row in rows]

    def trades(self, **only: str) -> list[tuple[Any, ...]]:
        """Time, side, price and quantity of the fills that fit."""
        return self.fills("time", "side", "price", "qty", **only)

    def row(self, table: str, **only: str) -> Row:
        """The one row of a table that fits."""
        (row,) = [row for row in self.document[table] if only.items() <= row.items()]
        return dict(row)


_FIGURES = frozenset(("price", "qty", "fee", "realized_pnl"))


def _plain(name: str, value: Any) -> Any:
    if name in _FIGURES:
        return dec(value)
    if name == "time":
        day, _, time = str(value).partition("T")
        return time.removesuffix(":00.000Z") if day == DAY else value
    return value


@dataclass
class Market:
    """Files of a simulation in a folder: prices and funding by symbol, signals."""

    folder: Path
    prices: Mapping[str, Sequence[Sequence[str]]]
    signals: Sequence[Row | str] = ()
    funding: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)
    fees: Sequence[str] = ("--taker-fee", TAKER, "--maker-fee", MAKER)

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def result(self) -> Path:
        return self.folder / "out.json"

    def arguments(self, *more: str | Path) -> list[str]:
        """Write the files, and the command line that simulates over them."""
        options = ["--signals", write_signals(self.folder / "signals.jsonl", self.signals)]
        for symbol, bars in self.prices.items():
            path = write_csv(self.folder / f"{symbol}.csv", ("time", "open", "high", "low", "close"), bars)
            options += ["--prices", f"{symbol}={path}"]
        for symbol, rates in self.funding.items():
            path = write_csv(self.folder / f"{symbol}-funding.csv", ("time", "funding_rate"), rates)
            options += ["--funding", f"{symbol}={path}"]
        return ["simulate", *map(str, [*options, "--store", self.store, "--result", self.result, *self.fees, *more])]

    def try_run(self, *more: str | Path) -> Outcome:
        """Simulate, whatever comes of it."""
        self.result.unlink(missing_ok=True)
        done = CliRunner().invoke(app, self.arguments(*more))
        document = json.loads(self.result.read_text()) if self.result.exists() else {}
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
        return Outcome(done.exit_code, done.stdout, done.stderr, document)

    def run(self, *more: str | Path) -> Outcome:
        """Simulate, and insist that it works."""
        outcome = self.try_run(*more)
        assert outcome.exit_code == 0, outcome.stdout + outcome.stderr
        return outcome
