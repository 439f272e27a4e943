"""``tradeengine doctor``: check before the first order does."""

import asyncio
import sys
from typing import Annotated

import typer
from nats.errors import Error as NatsError
from rich.table import Table
from rich.text import Text

from shared.clock import SystemClock
from shared.errors import ConfigError, EngineError, RetrySafe
from shared.settings import Embedded, Settings
from tradeengine import __version__
from tradeengine.cli.base import EXIT_CONFIG, EXIT_FAILURE, out
from tradeengine.cli.broker import connected, reason_of
from tradeengine.cli.doctor_stores import examine_stores
from tradeengine.cli.finding import Finding
from tradeengine.cli.options import ConfigFile
from tradeengine.runtime.nats_server import find_binary
from tradeengine.venue.binance.build import build_venue

_OLDEST_NOW_MS = 1_767_225_600_000


def doctor(
    config: ConfigFile = None,
    settings_table: Annotated[
        bool, typer.Option("--settings", help="Also print every setting and its source.")
    ] = False,
) -> None:
    """Check configuration, clock, stores, NATS and the exchange, and say what to do about what fails.

    Exit code 0 when nothing failed, 78 when the configuration is wrong, 1 otherwise.
    """
    try:
        settings = Settings.load(config_file=config)
    except ConfigError as error:
        _print([Finding("configuration", "failed", str(error))])
        raise typer.Exit(EXIT_CONFIG) from None
    findings = asyncio.run(_examine(settings))
    _print(findings)
    if settings_table:
        _print_settings(settings)
    if any(finding.verdict == "failed" for finding in findings):
        raise typer.Exit(EXIT_FAILURE)


async def _examine(settings: Settings) -> list[Finding]:
    return [
        Finding("versions", "ok", f"tradeengine {__version__}, Python {sys.version.split()[0]}"),
        *_configuration(settings),
        _clock(settings),
        *(await examine_stores(settings)),
        await _nats(settings),
        *(await _exchange(settings)),
    ]


def _configuration(settings: Settings) -> list[Finding]:
    findings = [Finding("configuration", "ok", f"mode {settings.trading_mode}, {settings.position_mode}")]
    if unused := settings.unused():
        findings.append(Finding("configuration", "note", f"not used by this version: {', '.join(unused)}"))
    limits = {
        "MAX_POSITION_SIZE_USD": settings.max_position_size_usd,
        "MAX_TOTAL_EXPOSURE_USD": settings.max_total_exposure_usd,
        "MAX_DAILY_LOSS_USD": settings.max_daily_loss_usd,
        "STOP_LOSS_PCT": settings.stop_loss_pct,
    }
    if open_ends := [name for name, value in limits.items() if value is None]:
        findings.append(Finding("limits", "note", f"not set, so without limit: {', '.join(open_ends)}"))
    return findings


def _clock(settings: Settings) -> Finding:
    now = SystemClock().now_ms()
    if now < _OLDEST_NOW_MS:
        return Finding("clock", "failed", "the machine's clock stands before 2026: set it, or run a time service")
    compared = "" if settings.trading_mode.real else "; no exchange is configured to compare it with"
    return Finding("clock", "ok", f"the machine's clock is plausible{compared}")


async def _nats(settings: Settings) -> Finding:
    if settings.nats_url is None:
        if settings.nats_embedded is Embedded.OFF:
            return Finding("nats", "note", "off: signals are taken by HTTP and from files only")
        try:
            return Finding("nats", "ok", f"a server of the engine's own will be started: {find_binary()}")
        except ConfigError as error:
            return Finding("nats", "failed" if settings.nats_embedded is Embedded.ON else "note", str(error))
    try:
        async with connected(settings.nats_url) as client:
            info = await client.jetstream().account_info()
    except RetrySafe as error:
        return Finding("nats", "failed", str(error))
    except (NatsError, OSError, TimeoutError) as error:
        return Finding("nats", "failed", f"JetStream does not answer ({reason_of(error)}): start the server with -js")
    return Finding("nats", "ok", f"JetStream answers: {info.streams} streams")


async def _exchange(settings: Settings) -> list[Finding]:
    """What the start would check there; nothing is changed."""
    if not settings.trading_mode.real:
        return [Finding("exchange", "ok", f"none: {settings.trading_mode} sends nothing to one")]
    try:
        report = await build_venue(settings, SystemClock()).check()
    except EngineError as error:
        return [Finding("exchange", "failed", str(error))]
    return [Finding("exchange", "note" if line.startswith("problem") else "ok", line) for line in report.lines()]


_STYLE = {"ok": "green", "note": "yellow", "failed": "bold red"}


def _print(findings: list[Finding]) -> None:
    table = Table(title="Doctor", title_justify="left")
    table.add_column("check")
    table.add_column("verdict")
    table.add_column("what was found", overflow="fold")
    for check, verdict, text in findings:
        table.add_row(check, Text(verdict, _STYLE[verdict]), Text(text))
    out.print(table)


def _print_settings(settings: Settings) -> None:
    table = Table(title="Settings", title_justify="left")
    for column in ("name", "value", "source"):
        table.add_column(column, overflow="fold")
    for row in settings.describe():
        table.add_row(row.name, Text(row.value), Text(row.source))
    out.print(table)
