"""``tradeengine simulator``: an exchange of one's own on this machine."""

import asyncio
import os
import signal
import sys
from decimal import Decimal
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import typer
from rich.status import Status

from shared.errors import ConfigError
from shared.logging import configure_logging
from shared.settings import LogLevel
from tradeengine import __version__
from tradeengine.cli.base import err, out, say
from tradeengine.cli.options import parse_files
from tradeengine.simulator.errors import ApiError
from tradeengine.simulator.prices import PricePath
from tradeengine.simulator.server import SimulatorServer

_LOOK_S = 1.0


class _Plan(NamedTuple):
    host: str
    port: int
    seed: int
    prices: dict[str, Path]
    state: Path | None
    virtual_time: bool
    speed: Decimal
    tied: bool


def simulator(
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port, 0 for a free one.")] = 9100,
    seed: Annotated[int, typer.Option(help="Same seed and same requests, same answers.")] = 0,
    prices: Annotated[
        list[str] | None,
        typer.Option(metavar="SYMBOL=FILE", help="CSV with time,open,high,low,close to play; once for each symbol."),
    ] = None,
    speed: Annotated[float, typer.Option(min=0.001, help="How many times as fast prices are played.")] = 1.0,
    state: Annotated[
        Path | None, typer.Option(dir_okay=False, metavar="FILE", help="Keep the state here over restarts.")
    ] = None,
    virtual_time: Annotated[
        bool, typer.Option("--virtual-time", help="Time stands still but for POST /sim/clock.")
    ] = False,
    tied: Annotated[bool, typer.Option("--tied", help="End when standard input does.")] = False,
) -> None:
    """Serve a Binance USD-M futures exchange on this machine: HTTP, WebSockets and a control side on one port.

    Recorded prices start when the simulator does; with --virtual-time the clock starts at their first line instead.
    """
    if state is not None and not state.parent.is_dir():
        raise ConfigError(f"--state {state}: {state.parent} is no folder; make it first")
    configure_logging(LogLevel.WARNING)
    files = parse_files(prices or [], "--prices")
    asyncio.run(_run(_Plan(host, port, seed, files, state, virtual_time, Decimal(str(speed)), tied)))


async def _run(plan: _Plan) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if plan.tied:
        loop.add_reader(sys.stdin.fileno(), _end_with_input, stop)
    server = _server(plan)
    try:
        await server.start()
    except OSError as error:
        raise ConfigError(f"{plan.host}:{plan.port}: {error.strerror or error}; choose another --port") from None
    try:
        _print_start(server, plan)
        await _count(server, stop)
    finally:
        await server.stop()
    say(f"stopped after {server.world.requests} requests")


def _end_with_input(stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 1):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        stop.set()


def _server(plan: _Plan) -> SimulatorServer:
    paths = [_read(symbol, file) for symbol, file in plan.prices.items()]
    start_ms = min((path.rows[0].time_ms for path in paths), default=None)
    is_new = plan.state is None or not plan.state.exists()
    try:
        server = SimulatorServer(
            host=plan.host,
            port=plan.port,
            virtual_time=plan.virtual_time,
            start_ms=start_ms,
            seed=plan.seed,
            state_file=plan.state,
        )
    except ValueError as error:
        raise ConfigError(f"--state: {error}") from None
    if is_new:
        for path in paths:
            try:
                server.world.exchange.play(_moved(path, server.world.clock.now_ms(), start_ms or 0, plan.speed))
            except ApiError:
                known = ", ".join(server.world.exchange.state.contracts)
                raise ConfigError(f"--prices {path.symbol}: the simulator lists {known} only") from None
    elif paths:
        say(f"prices go on as {plan.state} says; remove it to play them from the start")
    return server


def _read(symbol: str, file: Path) -> PricePath:
    try:
        return PricePath.parse(symbol, file.read_text(encoding="utf-8"), str(file))
    except (OSError, ValueError) as error:
        raise ConfigError(f"--prices {symbol}: {error}") from None


def _moved(path: PricePath, now_ms: int, start_ms: int, speed: Decimal) -> PricePath:
    """The prices from now on, at their distances or closer together."""
    rows = tuple(
        msgspec.structs.replace(row, time_ms=now_ms + int((row.time_ms - start_ms) / speed)) for row in path.rows
    )
    return PricePath(path.symbol, rows)


def _print_start(server: SimulatorServer, plan: _Plan) -> None:
    time = "virtual time, moved by POST /sim/clock" if plan.virtual_time else "real time"
    say(f"tradeengine {__version__} simulator  seed {plan.seed}  {time}")
    for name, address in (
        ("REST", f"{server.url}/fapi"),
        ("Streams", f"{server.ws_url}/private/ws, /market/stream, /public/stream, /ws, /stream"),
        ("WS API", f"{server.ws_url}/ws-fapi/v1"),
        ("Control", f"{server.url}/sim/state"),
    ):
        say(f"  {name:<8} {address}")
    for key, secret in server.world.exchange.api_keys.items():
        say(f"  {'Key':<8} {key}")
        say(f"  {'Secret':<8} {secret}")
    say("  python-binance:")
    for line in _hint(server):
        say(f"    {line}")
    out.file.flush()


def _hint(server: SimulatorServer) -> list[str]:
    key, secret = next(iter(server.world.exchange.api_keys.items()), ("…", "…"))
    return [
        f'client = AsyncClient("{key}", "{secret}")',
        f'client.FUTURES_URL, client.API_URL = "{server.url}/fapi", "{server.url}/api"',
        f'client.ws_future = WebsocketAPI(url="{server.ws_url}/ws-fapi/v1")  # binance.ws.websocket_api',
        f'sockets = BinanceSocketManager(client); sockets.FSTREAM_URL = "{server.ws_url}/"',
    ]


async def _count(server: SimulatorServer, stop: asyncio.Event) -> None:
    """Count requests on a terminal, quietly, until told to stop."""
    if not err.is_terminal:
        await stop.wait()
        return
    with Status("", console=err) as status:
        while not stop.is_set():
            world = server.world
            status.update(f"{world.requests} requests  {len(list(world.hub))} streams  Ctrl-C ends")
            try:
                await asyncio.wait_for(stop.wait(), _LOOK_S)
            except TimeoutError:
                continue
