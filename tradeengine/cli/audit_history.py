"""``tradeengine audit --history``: what became of every signal, order and fill."""

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

from nats.js import JetStreamContext
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shared.clock import Clock
from shared.errors import ConfigError, RetrySafe
from shared.settings import Settings
from tradeengine.audit.audit import Tell
from tradeengine.audit.history import HistoryAudit, Opened, Places
from tradeengine.audit.history_report import Finding, HistoryReport
from tradeengine.audit.report import Verdict
from tradeengine.cli.broker import connected
from tradeengine.cli.copies import checkpoints_of, opened_whole_journal, venue_of
from tradeengine.venue.binance.build import build_venue, trading_terms
from tradeengine.venue.binance.session import Terms

_TIMEOUT_S: Final = 15.0
_SUMMARY: Final[Mapping[Verdict, tuple[str, str]]] = {
    Verdict.EQUAL: ("every signal, order and fill that was looked at has its one place in each record of it", "green"),
    Verdict.DIFFERENT: ("something is lost or doubled: see above, and docs/operations.md for what to do", "bold red"),
    Verdict.UNKNOWN: ("not known: not everything could be looked at, see above", "yellow"),
}


async def audit_history(
    settings: Settings,
    copies: Mapping[str, Opened],
    clock: Clock,
    tell: Tell,
    *,
    nats_url: str | None,
    settle_s: float,
    limit: int,
    exchange: bool,
) -> HistoryReport:
    """Audit the history that the settings name; parameters as of the command's options.

    Raises
    ------
    EngineError
        If the journal cannot be read.
    """
    async with opened_whole_journal(settings) as journal:
        url = nats_url or settings.nats_url
        account: Terms | None = None
        missing, troubles = [], []
        if not settings.trading_mode.real:
            missing.append(f"TRADING_MODE={settings.trading_mode}: there is no account to look at")
        elif not exchange:
            missing.append("the exchange was not asked, as was wished")
        else:
            try:
                account = _account(settings, clock, await venue_of(journal))
            except ConfigError as error:
                troubles.append(f"the exchange cannot be asked: {error}")
        if url is None:
            missing.append("no broker is named, so its streams were not looked at: set NATS_URL, or give --nats")
        published = {
            shard: at.sequence for shard, at in (await checkpoints_of(settings, await journal.shards())).items()
        }
        broker = partial(_jetstream, url) if url is not None else None
        folder = Path(tempfile.gettempdir())
        audit = HistoryAudit(journal, clock, folder=folder, settle_s=settle_s, limit=limit, tell=tell)
        return await audit.run(Places(copies, broker, published, account, tuple(missing), tuple(troubles)))


def _account(settings: Settings, clock: Clock, venue: str) -> Terms:
    named = build_venue(settings, clock).name
    if venue != named:
        raise ConfigError(f"the journal's orders go to {venue}, the settings name {named}: audit with its settings")
    return trading_terms(settings)


@asynccontextmanager
async def _jetstream(url: str) -> AsyncIterator[JetStreamContext]:
    async with connected(url) as client:
        try:
            yield client.jetstream(timeout=_TIMEOUT_S)
        except TimeoutError as error:
            raise RetrySafe(f"NATS at {url} did not answer within {_TIMEOUT_S:g} s: audit again") from error


def show_history(console: Console, report: HistoryReport) -> None:
    """Print the figures, and below them whatever must not be."""
    table = Table(title="History", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("what", no_wrap=True)
    table.add_column("number", justify="right")
    for name, number in report.counts.items():
        table.add_row(name, str(number))
    console.print(table)
    for finding in report.findings:
        _show_finding(console, finding)
    for line in report.unchecked:
        console.print(Text(line, "yellow"), soft_wrap=True)
    console.print(Text(*_SUMMARY[report.verdict]), soft_wrap=True)


def _show_finding(console: Console, finding: Finding) -> None:
    console.print(Text(f"{finding.text}: {finding.number}", "bold red"), soft_wrap=True)
    for text in finding.first:
        console.print(Text(f"  {text}"), soft_wrap=True)
    console.print(Text(f"  what to do: {finding.remedy}"), soft_wrap=True)
