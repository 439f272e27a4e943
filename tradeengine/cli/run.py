"""``tradeengine run``: the service."""

import asyncio
import math
import secrets
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from pydantic import SecretStr

from shared.clock import Clock, SystemClock
from shared.collector import calm_collector
from shared.errors import Fenced
from shared.logging import configure_logging
from shared.settings import Settings
from tradeengine import __version__
from tradeengine.api.app import create_app
from tradeengine.api.reception import Reception
from tradeengine.api.server import ApiServer, listen, serve
from tradeengine.api.services import DECISION_TIMEOUT_S, ApiServices
from tradeengine.cli.base import err, fail, out, say, warn
from tradeengine.cli.dashboard import watch
from tradeengine.cli.demo import at_exchange, demo_at_exchange, demo_on_paper
from tradeengine.cli.live import PaperPrices, follow_market, live_instruments, paper_market
from tradeengine.cli.options import ConfigFile, SymbolsFile, load_instruments
from tradeengine.cli.view import Activity, View
from tradeengine.domain.events import SignalDecided
from tradeengine.domain.instrument import Instrument
from tradeengine.runtime.demo.exchange import DemoExchange
from tradeengine.runtime.files import data_folder
from tradeengine.runtime.service import Service
from tradeengine.runtime.signal_files import DEAD_LETTERS, SignalLine, decide_lines, park, read_signal_lines
from tradeengine.venue.binance.addresses import Addresses
from tradeengine.venue.paper.instruments import DEMO_INSTRUMENTS, default_instrument

_LOOK_S = 1.0
_LOG_LINE_S = 10.0
# Requests under way learn their decision, or that it is pending, before the server ends.
_HTTP_GRACE_S = math.ceil(DECISION_TIMEOUT_S) + 1
_EXCHANGE_LINKS = {"Exchange": "rest_url", "Streams": "stream_url"}
_KEYS = {
    "reader": "reader_api_key",
    "trader": "trader_api_key",
    "operator": "risk_override_key",
    "admin": "admin_api_key",
}


def run(
    demo: Annotated[
        bool, typer.Option("--demo", help="Three example strategies on generated prices, or on live ones.")
    ] = False,
    exchange: Annotated[
        bool, typer.Option("--exchange", help="With --demo: orders go to a simulated exchange over the wire.")
    ] = False,
    prices: Annotated[
        PaperPrices,
        typer.Option(
            help="What the paper venue trades at: prices that are posted to the API, or live ones of the market."
        ),
    ] = PaperPrices.POSTED,
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
    """Run the engine: signals from NATS, HTTP and files, orders to the venue of TRADING_MODE, until it is stopped."""
    settings, made_keys = _settings(config, host, port, data_dir)
    if exchange and not demo:
        raise typer.BadParameter(
            "the simulated exchange is part of the demonstration: add --demo", param_hint="--exchange"
        )
    if exchange:
        # Paper's books and an exchange's must not meet.
        settings = settings.model_copy(update={"data_dir": settings.data_dir / "exchange"})
    if prices is PaperPrices.LIVE and symbols is not None:
        raise typer.BadParameter(
            "with --prices live the market states the rules: leave one out", param_hint="--symbols"
        )
    _configure_logging(settings, to_file=demo and out.is_terminal)
    market = paper_market(settings) if prices is PaperPrices.LIVE else None
    given = list(load_instruments(symbols).values()) if symbols else _default_instruments(settings)
    asyncio.run(_run(settings, _Plan(given, demo, exchange, seed, signals, made_keys, market)))


class _Plan(NamedTuple):
    """What the command line asks for beside the settings; a market states the instruments itself."""

    instruments: list[Instrument]
    demo: bool
    exchange: bool
    seed: int
    signals: Path | None
    made_keys: bool
    market: Addresses | None


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
    async with AsyncExitStack() as stack:
        exchange: DemoExchange | None = None
        if plan.exchange:
            exchange = DemoExchange(data_folder(settings.data_dir), clock)
            stack.push_async_callback(exchange.close)
            await exchange.start()
            settings = at_exchange(settings, exchange)
        await _serve(settings, plan, clock, stack, exchange)
    err.print("stopped", highlight=False)


async def _serve(
    settings: Settings, plan: _Plan, clock: Clock, stack: AsyncExitStack, exchange: DemoExchange | None
) -> None:
    stop = _stopping_event()
    reception, server = await _open_reception(settings, stack)
    instruments = await _instruments(settings, plan, clock, stop)
    if instruments is None:
        return
    activity = Activity()
    service = Service(settings, clock, __version__, instruments, listeners=[activity])
    feed = follow_market(service, plan.market, [i.symbol for i in instruments]) if plan.market else None
    stack.push_async_callback(service.stop)
    # Probes, and clients that know this process only, are answered until others have its shards, and no longer.
    stack.push_async_callback(server.close)
    stack.push_async_callback(service.hand_over)
    if not await _until(stop, [service.open()]):
        return
    reception.open(create_app(_api(service, posted=feed is None)))
    links = _links(service, server.port)
    _print_start(settings, links, made_keys=plan.made_keys)

    def up() -> None:
        if service.nats_url:
            links["NATS"] = service.nats_url
            _print_link("NATS", service.nats_url)
        sys.stdout.flush()

    if not await _until(stop, [service.go(up)]):
        return
    calm_collector()
    jobs: list[Any] = [stop.wait()]
    if feed is not None:
        jobs.append(feed.run())
    if exchange is not None:
        jobs += [exchange.run(), demo_at_exchange(service, exchange, plan.seed).run()]
    elif plan.demo:
        jobs.append(demo_on_paper(service, instruments, plan.seed, feed).run())
    if plan.demo or out.is_terminal:
        pause = _LOOK_S if out.is_terminal else _LOG_LINE_S
        jobs.append(watch(lambda: _look(service, activity, links), out, clock, pause))
    if plan.signals is not None:
        jobs.append(_decide_file(service, plan.signals))
    await _until(stop, jobs)


def _stopping_event() -> asyncio.Event:
    """Make an event that is set when the process is told to stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _open_reception(settings: Settings, stack: AsyncExitStack) -> tuple[Reception, ApiServer]:
    """Answer probes from here on, however long disk and exchange take."""
    # Before anything is decided: a port in use is a mistake of the configuration.
    listener = stack.enter_context(closing(listen(settings.host, settings.port)))
    reception = Reception()
    server = await serve(reception, listener, grace_seconds=_HTTP_GRACE_S)
    stack.push_async_callback(server.close)
    return reception, server


async def _instruments(settings: Settings, plan: _Plan, clock: Clock, stop: asyncio.Event) -> list[Instrument] | None:
    """Trading rules for the paper venue; ``None`` if told to stop before the market has stated them."""
    if plan.market is None:
        return plan.instruments
    reading = asyncio.ensure_future(live_instruments(settings, plan.market, clock))
    return reading.result() if await _until(stop, [reading]) else None


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


def _api(service: Service, *, posted: bool) -> ApiServices:
    return ApiServices(
        settings=service.settings,
        health=service.health,
        metrics=service.metrics,
        clock=service.clock,
        desk=service.desk,
        firsts=service.firsts,
        read_model=service.stores.read_model,
        account=service.account,
        cluster=service.cluster.report,
        coverage=service.coverage,
        reconciler=service.engine.reconciler,
        post_price=service.post_price if posted and service.paper is not None else None,
    )


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


def _links(service: Service, port: int) -> dict[str, str]:
    host = service.settings.host if service.settings.host not in ("0.0.0.0", "::") else "127.0.0.1"  # noqa: S104
    base = f"http://{host}:{port}"
    links = {"API": f"{base}/docs", "Health": f"{base}/health", "Metrics": f"{base}/metrics"}
    details = service.venue.state().details
    # Nobody should wonder whose money an order moves.
    return links | {name: str(details[key]) for name, key in _EXCHANGE_LINKS.items() if key in details}


def _print_start(settings: Settings, links: dict[str, str], *, made_keys: bool) -> None:
    out.print(
        f"[bold]tradeengine {__version__}[/]  mode {settings.trading_mode}  data {settings.data_dir}", highlight=False
    )
    for name, address in links.items():
        _print_link(name, address)
    if made_keys:
        out.print("  keys of this run, because none are configured (READER_API_KEY, TRADER_API_KEY, …):")
        for role, name in _KEYS.items():
            say(f"    {role:<8} {getattr(settings, name).get_secret_value()}")
    sys.stdout.flush()


def _print_link(name: str, address: str) -> None:
    say(f"  {name:<8} {address}")


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
