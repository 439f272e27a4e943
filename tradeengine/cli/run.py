"""``tradeengine run``: the service."""

import asyncio
import json
import math
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, closing
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from pydantic import SecretStr

from contracts.signal import Signal
from contracts.subjects import shard_of, signal_subject
from shared.clock import Clock, SystemClock
from shared.collector import calm_collector
from shared.errors import Fenced, RetrySafe
from shared.logging import configure_logging
from shared.settings import Settings
from tradeengine import __version__
from tradeengine.api.app import create_app
from tradeengine.api.server import listen, serve
from tradeengine.api.services import DECISION_TIMEOUT_S, ApiServices
from tradeengine.cli.base import err, fail, out, say, warn
from tradeengine.cli.dashboard import watch
from tradeengine.cli.options import ConfigFile, SymbolsFile, load_instruments
from tradeengine.cli.view import Activity, View
from tradeengine.domain.events import SignalDecided
from tradeengine.domain.instrument import Instrument
from tradeengine.runtime.demo.presets import tick_strategies
from tradeengine.runtime.demo.runner import Demo
from tradeengine.runtime.demo.writer import Document
from tradeengine.runtime.files import data_folder
from tradeengine.runtime.service import Service
from tradeengine.runtime.signal_files import DEAD_LETTERS, SignalLine, decide_lines, park, read_signal_lines
from tradeengine.venue.paper.instruments import DEMO_INSTRUMENTS, default_instrument
from tradeengine.venue.paper.prices import PriceGenerator

_DEMO_START = {"BTCUSDT": Decimal(95_000), "ETHUSDT": Decimal(3_300), "SOLUSDT": Decimal(180)}
_DEMO_VOLATILITY = Decimal("0.0008")
_DEMO_PAUSE_S = 0.5
_LOOK_S = 1.0
_LOG_LINE_S = 10.0
# Requests under way learn their decision, or that it is pending, before the server ends.
_HTTP_GRACE_S = math.ceil(DECISION_TIMEOUT_S) + 1
_KEYS = {
    "reader": "reader_api_key",
    "trader": "trader_api_key",
    "operator": "risk_override_key",
    "admin": "admin_api_key",
}


def run(
    demo: Annotated[bool, typer.Option("--demo", help="Three example strategies on generated prices.")] = False,
    host: Annotated[str | None, typer.Option(help="Address of the API [TRADEENGINE_HOST].")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the API, 0 for a free one [TRADEENGINE_PORT].")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Data folder [TRADEENGINE_DATA_DIR].")] = None,
    signals: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Also decide the signals of a JSON Lines file.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the demonstration's prices.")] = 1,
    symbols: SymbolsFile = None,
    config: ConfigFile = None,
) -> None:
    """Run the engine: signals from NATS, HTTP and files, orders to the paper venue, until it is stopped."""
    settings, made_keys = _settings(config, host, port, data_dir)
    given = load_instruments(symbols).values() if symbols else _default_instruments(settings)
    _configure_logging(settings, to_file=demo and out.is_terminal)
    plan = _Plan(list(given), demo, seed, signals, made_keys)
    asyncio.run(_run(settings, plan))


class _Plan(NamedTuple):
    """What the command line asks for beside the settings."""

    instruments: list[Instrument]
    demo: bool
    seed: int
    signals: Path | None
    made_keys: bool


def _settings(config: Path | None, host: str | None, port: int | None, data_dir: Path | None) -> tuple[Settings, bool]:
    """Settings with what the command line says on top; whether keys were made because none are configured."""
    settings = Settings.load(config_file=config)
    said = {"host": host, "port": port, "data_dir": data_dir}
    changes: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    made_keys = all(getattr(settings, name) is None for name in _KEYS.values())
    if made_keys:
        # Routes without a key answer 503, so a laptop without configuration gets keys for this run.
        changes |= {name: SecretStr(secrets.token_urlsafe(18)) for name in _KEYS.values()}
    return settings.model_copy(update=changes), made_keys


def _default_instruments(settings: Settings) -> list[Instrument]:
    known = {instrument.symbol: instrument for instrument in DEMO_INSTRUMENTS}
    return [known.get(symbol) or default_instrument(symbol) for symbol in settings.allowed_symbols or known]


def _configure_logging(settings: Settings, *, to_file: bool) -> None:
    """A live view and log lines would overwrite each other: with a view, lines go to a file."""
    stream = None
    if to_file:
        stream = (data_folder(settings.data_dir) / "engine.log").open("a", encoding="utf-8")
    configure_logging(settings.log_level, settings.log_format, settings.secrets(), stream=stream)


async def _run(settings: Settings, plan: _Plan) -> None:
    clock = SystemClock()
    activity = Activity()
    service = Service(settings, clock, __version__, plan.instruments, listeners=[activity])
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        # Before anything is decided: a port in use is a mistake of the configuration.
        listener = stack.enter_context(closing(listen(settings.host, settings.port)))
        if not await _until(stop, [service.start()]):
            return
        stack.push_async_callback(service.stop)
        calm_collector()
        server = await serve(create_app(_api(service)), listener, grace_seconds=_HTTP_GRACE_S)
        stack.push_async_callback(server.close)
        links = _links(service, server.port)
        _print_start(settings, links, made_keys=plan.made_keys)
        jobs = [_value(service, clock)]
        if plan.demo:
            jobs.append(_demo(service, plan, clock).run())
        if plan.demo or out.is_terminal:
            pause = _LOOK_S if out.is_terminal else _LOG_LINE_S
            jobs.append(watch(lambda: _look(service, activity, links), out, clock, pause))
        if plan.signals is not None:
            jobs.append(_decide_file(service, plan.signals))
        await _until(stop, jobs)
    err.print("stopped", highlight=False)


async def _until(stop: asyncio.Event, jobs: list[Any]) -> bool:
    """Work until told to stop or all is done, and say which; a job that fails stops everything and is raised."""
    tasks = [asyncio.ensure_future(job) for job in jobs]
    stopped = asyncio.create_task(stop.wait())
    try:
        pending: set[asyncio.Future[Any]] = {*tasks, stopped}
        while not stopped.done() and pending != {stopped}:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
    finally:
        for task in [*tasks, stopped]:
            task.cancel()
        await asyncio.gather(*tasks, stopped, return_exceptions=True)
    return not any(task.cancelled() for task in tasks)


def _api(service: Service) -> ApiServices:
    return ApiServices(
        settings=service.settings,
        health=service.health,
        metrics=service.metrics,
        clock=service.clock,
        desk=service.engine,
        read_model=service.read_model,
        account=service.account,
        post_price=service.post_price,
    )


async def _value(service: Service, clock: Clock) -> None:
    while True:
        service.value_positions()
        await clock.sleep(_LOOK_S)


async def _decide_file(service: Service, path: Path) -> None:
    """Decide a file's signals as those of NATS and HTTP are."""
    decided = parked = 0

    def park_line(line: SignalLine) -> None:
        nonlocal parked
        parked += 1
        service.metrics.signal_invalid()
        warn(f"{path}:{line.number}: {line.error}")
        try:
            park(service.settings.data_dir, str(path), line)
        except OSError as error:
            warn(f"{path}:{line.number} stays in its file only: {error}")

    def count(decisions: Sequence[SignalDecided]) -> None:
        nonlocal decided
        decided += len(decisions)

    try:
        with path.open("rb") as stream:
            await decide_lines(service.engine, service.clock, read_signal_lines(stream), park_line, count)
    except (Fenced, OSError) as error:
        # The engine serves the other ways on.
        fail(f"{path}: {error}; {decided} signals are decided, and sending the file again is safe")
    else:
        say(f"{path}: {decided} signals decided, {parked} lines parked in {service.settings.data_dir / DEAD_LETTERS}")


def _demo(service: Service, plan: _Plan, clock: Clock) -> Demo:
    # After a restart prices go on about where the positions were opened.
    held = {leg.symbol: leg.books.entry_price for leg in service.engine.account.legs() if leg.quantity}
    start = {i.symbol: held.get(i.symbol) or _DEMO_START.get(i.symbol, Decimal(100)) for i in plan.instruments}
    return Demo(
        strategies=tick_strategies(service.engine.account.legs()),
        prices=PriceGenerator(plan.seed, plan.instruments, start, _DEMO_VOLATILITY),
        post_price=service.venue.post_price,
        publish=_publisher(service),
        clock=clock,
        pause_s=_DEMO_PAUSE_S,
    )


def _publisher(service: Service) -> Callable[[Document], Awaitable[None]]:
    """The demonstration's strategies send as any strategy would: to NATS, or to the desk where there is none."""

    async def to_nats(document: Document) -> None:
        link = service.intake.connection.current if service.intake else None
        if link is None:
            raise RetrySafe("NATS is away")
        message_id = f"{document['strategy_id']}:{document['signal_id']}"
        payload = json.dumps(document).encode()
        await link.jetstream.publish(
            signal_subject(str(document["symbol"])), payload, headers={"Nats-Msg-Id": message_id}
        )

    async def to_desk(document: Document) -> None:
        parsed = Signal.from_document(document)
        await service.engine.decide(shard_of(parsed.symbol, service.engine.shards), [parsed])

    return to_nats if service.intake else to_desk


def _links(service: Service, port: int) -> dict[str, str]:
    host = service.settings.host if service.settings.host not in ("0.0.0.0", "::") else "127.0.0.1"  # noqa: S104
    base = f"http://{host}:{port}"
    links = {"API": f"{base}/docs", "Health": f"{base}/health", "Metrics": f"{base}/metrics"}
    if service.nats_url:
        links["NATS"] = service.nats_url
    return links


def _print_start(settings: Settings, links: dict[str, str], *, made_keys: bool) -> None:
    out.print(
        f"[bold]tradeengine {__version__}[/]  mode {settings.trading_mode}  data {settings.data_dir}", highlight=False
    )
    for name, address in links.items():
        say(f"  {name:<8} {address}")
    if made_keys:
        out.print("  keys of this run, because none are configured (READER_API_KEY, TRADER_API_KEY, …):")
        for role, name in _KEYS.items():
            say(f"    {role:<8} {getattr(settings, name).get_secret_value()}")
    sys.stdout.flush()


def _look(service: Service, activity: Activity, links: dict[str, str]) -> View:
    legs = [leg for leg in service.engine.account.legs() if leg.quantity]
    marks = {leg.symbol: service.venue.mark_price(leg.symbol) for leg in legs}
    now = service.clock.now_ms()
    return View(
        time_ms=now,
        legs=legs,
        marks={symbol: mark for symbol, mark in marks.items() if mark is not None},
        account=service.engine.account.summary(now),
        outcomes=activity.outcomes,
        decisions=activity.decisions,
        links=links,
        trouble=service.engine.trouble,
    )
