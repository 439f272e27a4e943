"""``tradeengine audit``: whether every copy, and the exchange, says what the journal says."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple, NoReturn

import msgspec
import typer

from shared.clock import Clock, SystemClock
from shared.errors import ConfigError, EngineError
from shared.settings import Settings
from tradeengine.audit.audit import Audit, Tell
from tradeengine.audit.copy import Copy
from tradeengine.audit.document import Document, audit_document, unread_document
from tradeengine.audit.exchange import ExchangeAudit
from tradeengine.audit.history_report import HistoryReport
from tradeengine.audit.mongodb_copy import MongoCopy
from tradeengine.audit.report import CopyReport, ExchangeReport, Verdict, overall
from tradeengine.audit.sqlite_copy import SqliteCopy
from tradeengine.cli.audit_history import audit_history, show_history
from tradeengine.cli.audit_view import show_audit
from tradeengine.cli.base import EXIT_FAILURE, EXIT_UNKNOWN, fail, out, progress
from tradeengine.cli.copies import opened_whole_journal, venue_of
from tradeengine.cli.options import ConfigFile
from tradeengine.cli.schema import mongo_store, mysql_address
from tradeengine.domain.state import ShardState
from tradeengine.journal.base import Journal
from tradeengine.projection.catch_up import heads_of
from tradeengine.projection.mysql import MySqlReadModel
from tradeengine.projection.tables import TABLES
from tradeengine.runtime.files import read_model_file
from tradeengine.runtime.recovery import load_state
from tradeengine.venue.binance.build import build_venue, trading_terms
from tradeengine.venue.binance.onlooker import Onlooker

_EXIT = {Verdict.EQUAL: 0, Verdict.DIFFERENT: EXIT_FAILURE, Verdict.UNKNOWN: EXIT_UNKNOWN}
_EXCHANGE = "exchange"


class Form(StrEnum):
    """How the report is printed."""

    TABLE = "table"
    JSON = "json"


class _Found(NamedTuple):
    journal: dict[int, int]
    copies: Sequence[CopyReport]
    exchange: ExchangeReport | None

    @property
    def verdict(self) -> Verdict:
        return overall([copy.verdict for copy in self.copies] + ([self.exchange.verdict] if self.exchange else []))


TableOption = Annotated[
    list[str] | None,
    typer.Option("--table", metavar="NAME", help="Table to compare, may be given several times; all by default."),
]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help="Most differences of a table that are shown.")]
FormOption = Annotated[Form, typer.Option("--format", help="For people, or one JSON document.")]
NoExchange = Annotated[bool, typer.Option("--no-exchange", help="Do not ask the exchange what it holds.")]
History = Annotated[
    bool, typer.Option("--history", help="Look for what was lost or doubled, in every place that knows of it, instead.")
]
NatsOption = Annotated[
    str | None, typer.Option("--nats", help="With --history: nats://host:port; NATS_URL by default.")
]
SettleOption = Annotated[
    float, typer.Option("--settle", min=0, help="With --history: what is younger is not judged, seconds.")
]


def audit(
    table: TableOption = None,
    limit: LimitOption = 10,
    form: FormOption = Form.TABLE,
    no_exchange: NoExchange = False,
    history: History = False,
    nats: NatsOption = None,
    settle: SettleOption = 60,
    config: ConfigFile = None,
) -> None:
    """Compare read model, MySQL copy and exchange account with the journal; nothing is changed anywhere.

    With --history, prove instead that every signal has one outcome, and every order and fill happened once, from the
    broker's streams, the journal, the copies and the exchange's own history.

    Exit code 0 when all is equal, 1 when anything differs, 3 when something could not be compared. Engines may run
    meanwhile. Throw-away files about as large as the tables are made in TMPDIR.
    """
    tables = table or list(TABLES)
    if unknown := [name for name in tables if name not in TABLES]:
        raise typer.BadParameter(f"no table {', '.join(unknown)}; there are {', '.join(TABLES)}", param_hint="--table")
    settings = Settings.load(config_file=config)
    if history:
        _audit_history(settings, form, nats, settle, limit, exchange=not no_exchange)
    with _progress() as tell:
        try:
            found = asyncio.run(_audit(settings, tables, limit, SystemClock(), tell, exchange=not no_exchange))
        except (EngineError, msgspec.MsgspecError) as error:
            fail(f"the journal cannot be read, so nothing could be compared: {error}")
            if form is Form.JSON:
                _print_json(unread_document(str(error)))
            raise typer.Exit(EXIT_UNKNOWN) from None
    if form is Form.JSON:
        _print_json(audit_document(*found))
    else:
        show_audit(out, *found)
    raise typer.Exit(_EXIT[found.verdict])


def _audit_history(
    settings: Settings, form: Form, nats_url: str | None, settle_s: float, limit: int, *, exchange: bool
) -> NoReturn:
    clock = SystemClock()

    async def run() -> HistoryReport:
        async with opened_whole_journal(settings) as journal:
            copies = _copies(settings, await venue_of(journal), clock)
        options: dict[str, Any] = {"nats_url": nats_url, "settle_s": settle_s, "limit": limit, "exchange": exchange}
        return await audit_history(settings, copies, clock, tell, **options)

    with _progress() as tell:
        try:
            report = asyncio.run(run())
        except (EngineError, msgspec.MsgspecError) as error:
            fail(f"the journal cannot be read, so nothing could be compared: {error}")
            report = HistoryReport(unchecked=(str(error),), open_questions=True)
    if form is Form.JSON:
        _print_json(report.document())
    else:
        show_history(out, report)
    raise typer.Exit(_EXIT[report.verdict])


async def _audit(
    settings: Settings, tables: Sequence[str], limit: int, clock: Clock, tell: Tell, *, exchange: bool
) -> _Found:
    async with opened_whole_journal(settings) as journal:
        venue, heads = await venue_of(journal), await heads_of(journal)
        folder = Path(tempfile.gettempdir())
        comparing = Audit(journal, venue=venue, clock=clock, folder=folder, limit=limit, tell=tell)
        copies = [
            await _compared(comparing, name, opened, tables) for name, opened in _copies(settings, venue, clock).items()
        ]
        account = None
        if exchange and settings.trading_mode.real:
            tell(_EXCHANGE, 0)
            account = await _exchange(settings, journal, venue, clock)
        return _Found(heads, copies, account)


Opened = Callable[[], AbstractAsyncContextManager[Copy]]


def _copies(settings: Settings, venue: str, clock: Clock) -> dict[str, Opened]:
    """Copies that the settings name, in the order in which they are compared."""
    copies: dict[str, Opened] = {}
    if settings.mongodb_uri is not None:
        copies["mongodb"] = partial(_mongodb, settings, clock)
    else:
        copies["sqlite"] = partial(_sqlite, settings)
    if settings.mysql_address is not None:
        copies["mysql"] = partial(_mysql, settings, venue, clock)
    return copies


async def _compared(comparing: Audit, name: str, opened: Opened, tables: Sequence[str]) -> CopyReport:
    try:
        async with opened() as copy:
            return await comparing.compare(name, copy, tables)
    except EngineError as error:
        return CopyReport(name, trouble=str(error))


@asynccontextmanager
async def _sqlite(settings: Settings) -> AsyncIterator[Copy]:
    copy = SqliteCopy(read_model_file(settings.data_dir))
    await copy.open()
    try:
        yield copy
    finally:
        await copy.close()


@asynccontextmanager
async def _mongodb(settings: Settings, clock: Clock) -> AsyncIterator[Copy]:
    copy = MongoCopy(mongo_store(settings), clock)
    await copy.open()
    try:
        yield copy
    finally:
        await copy.close()


@asynccontextmanager
async def _mysql(settings: Settings, venue: str, clock: Clock) -> AsyncIterator[Copy]:
    copy = MySqlReadModel(mysql_address(settings), venue=venue, clock=clock)
    await copy.open()
    try:
        yield copy
    finally:
        await copy.close()


async def _exchange(settings: Settings, journal: Journal, venue: str, clock: Clock) -> ExchangeReport:
    async def states() -> list[ShardState]:
        return [(await load_state(journal, shard)).state for shard in await journal.shards()]

    try:
        terms, named = trading_terms(settings), build_venue(settings, clock).name
        if venue != named:
            raise ConfigError(f"the journal's orders go to {venue}, the settings name {named}: audit with its settings")
        account = Onlooker(terms, clock)
        await account.open()
        try:
            return await ExchangeAudit(account, states, clock).compare(named)
        finally:
            await account.close()
    except (EngineError, msgspec.MsgspecError) as error:
        return ExchangeReport(_EXCHANGE, trouble=str(error))


def _print_json(document: Document) -> None:
    typer.echo(msgspec.json.format(msgspec.json.encode(document, enc_hook=repr)))


@contextmanager
def _progress() -> Iterator[Tell]:
    """Show the step under way, and how many records or rows it went on."""
    with progress(unit="") as bar:
        task = bar.add_task("opening the journal", total=None)
        current = ""

        def tell(step: str, number: int) -> None:
            nonlocal current
            if step != current:
                current = step
                bar.reset(task, description=step, total=None)
            bar.advance(task, number)

        yield tell
