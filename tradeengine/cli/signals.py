"""``tradeengine signal``: send, validate and make signals."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import httpx
import typer
from nats.errors import Error as NatsError
from nats.js import JetStreamContext

from contracts.signal import Signal
from contracts.subjects import signal_subject
from shared.errors import ConfigError, EngineError, RetrySafe
from tradeengine.cli.base import EXIT_FAILURE, Commands, progress, say, warn
from tradeengine.cli.broker import connected, reason_of
from tradeengine.cli.options import check_address, parse_files
from tradeengine.runtime.demo.presets import BAR_STRATEGIES
from tradeengine.runtime.demo.signals import write_example_signals
from tradeengine.runtime.signal_files import SignalLine, read_signal_lines

app = typer.Typer(name="signal", cls=Commands, no_args_is_help=True, help="Send, validate and make signals.")

_STDIN = "-"
_HTTP_BATCH = 500
_IN_FLIGHT = 200
_TIMEOUT_S = 15.0
_TOO_MANY_SHOWN = 20

Source = Annotated[str, typer.Argument(metavar="FILE|-", help="JSON Lines: one signal a line; - reads standard input.")]
Send = Callable[[list[SignalLine]], Awaitable[None]]


@app.command()
def validate(source: Source) -> None:
    """Check every line and say what is wrong where; exit code 1 when a line is no signal."""
    valid = invalid = unknown = 0
    with _opened(source) as stream:
        for line in read_signal_lines(stream):
            if line.signal is None:
                invalid += 1
                _complain(source, line, invalid)
            else:
                valid += 1
                unknown += bool(line.signal.unknown)
    kept = f", {unknown} with fields that the contract does not name (kept as metadata)" if unknown else ""
    say(f"{valid} valid{kept}, {invalid} invalid")
    if invalid:
        raise typer.Exit(EXIT_FAILURE)


@app.command()
def send(
    source: Source,
    nats_url: Annotated[str | None, typer.Option("--nats", envvar="NATS_URL", help="nats://host:port")] = None,
    http_url: Annotated[
        str | None, typer.Option("--http", help="The engine's API, such as http://127.0.0.1:8000")
    ] = None,
    key: Annotated[str | None, typer.Option("--key", envvar="TRADER_API_KEY", help="Trader key, for --http.")] = None,
) -> None:
    """Send signals to NATS or over HTTP, in order; lines that are no signals are named and left out.

    Sending a file again is safe: a signal is decided once.
    """
    if http_url is not None and key is None:
        raise typer.BadParameter("--http needs the trader key", param_hint="--key")
    if http_url is None and nats_url is None:
        raise typer.BadParameter("name where to send to: --nats URL or --http URL", param_hint="--nats")
    if key is not None and not (key.isascii() and key.isprintable()):
        raise typer.BadParameter("a key has ASCII characters only", param_hint="--key")
    if http_url is not None:
        check_address(http_url, "--http", "http", "https")
    for server in (nats_url or "").split(",") if http_url is None else ():
        check_address(server.strip(), "--nats", "nats", "tls", "ws", "wss")
    sent, invalid = asyncio.run(_send(source, nats_url, http_url, key or ""))
    say(f"{sent} sent, {invalid} left out")
    if invalid:
        raise typer.Exit(EXIT_FAILURE)


@app.command()
def example(
    prices: Annotated[list[str], typer.Option(metavar="SYMBOL=FILE", help="CSV of bars; once for each symbol.")],
    target: Annotated[Path, typer.Option("--out", dir_okay=False, help="JSON Lines file to write.")],
    strategy: Annotated[str, typer.Option(help=f"One of {', '.join(BAR_STRATEGIES)}.")] = "moving-average",
) -> None:
    """Run an example strategy over recorded prices and write its signals, as input for simulate."""
    files = parse_files(prices, "--prices")
    with progress(unit="bars") as bar:
        task = bar.add_task("deciding", total=None)
        written = write_example_signals(files, strategy, target, lambda bars: bar.advance(task, bars))
    say(f"{written} signals: {target}")


async def _send(source: str, nats_url: str | None, http_url: str | None, key: str) -> tuple[int, int]:
    sent = invalid = 0
    async with AsyncExitStack() as stack:
        send_batch = await (_by_http(stack, http_url, key) if http_url else _by_nats(stack, nats_url or ""))
        stream = stack.enter_context(_opened(source))
        bar = stack.enter_context(progress(unit="signals"))
        task = bar.add_task("sending", total=None)
        batch: list[SignalLine] = []
        for line in read_signal_lines(stream):
            if line.signal is None:
                invalid += 1
                _complain(source, line, invalid)
                continue
            batch.append(line)
            if len(batch) == _HTTP_BATCH:
                await send_batch(batch)
                sent += len(batch)
                bar.advance(task, len(batch))
                batch = []
        if batch:
            await send_batch(batch)
            sent += len(batch)
            bar.advance(task, len(batch))
    return sent, invalid


async def _by_nats(stack: AsyncExitStack, url: str) -> Send:
    client = await stack.enter_async_context(connected(url))
    jetstream = client.jetstream(timeout=_TIMEOUT_S, publish_async_max_pending=_IN_FLIGHT * 2)

    async def send_batch(lines: list[SignalLine]) -> None:
        for start in range(0, len(lines), _IN_FLIGHT):
            await _publish(jetstream, lines[start : start + _IN_FLIGHT])

    return send_batch


async def _publish(jetstream: JetStreamContext, lines: list[SignalLine]) -> None:
    try:
        acknowledged = [
            await jetstream.publish_async(
                signal_subject(_signal(line).symbol), line.raw, headers={"Nats-Msg-Id": _message_id(_signal(line))}
            )
            for line in lines
        ]
        await asyncio.wait_for(asyncio.gather(*acknowledged), _TIMEOUT_S)
    except (NatsError, TimeoutError) as error:
        raise RetrySafe(
            f"line {lines[0].number} and following: the broker did not store them ({reason_of(error)}); "
            "is the engine running? Send the file again"
        ) from None


def _message_id(signal: Signal) -> str:
    # Strategies may number their signals alike, so the id alone would make the broker drop one of two.
    return f"{signal.strategy_id}:{signal.signal_id}"


async def _by_http(stack: AsyncExitStack, url: str, key: str) -> Send:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    client = await stack.enter_async_context(httpx.AsyncClient(base_url=url, headers=headers, timeout=_TIMEOUT_S))

    async def send_batch(lines: list[SignalLine]) -> None:
        body = b"[" + b",".join(line.raw for line in lines) + b"]"
        try:
            answer = await client.post("/trade", content=body)
        except httpx.TransportError as error:
            raise RetrySafe(f"{url} does not answer ({error}); is the engine running? Send the file again") from None
        if answer.is_error:
            raise EngineError(f"{url} refused line {lines[0].number} and following: {answer.status_code} {answer.text}")

    return send_batch


def _signal(line: SignalLine) -> Signal:
    if line.signal is None:
        raise ValueError(f"line {line.number} is no signal")
    return line.signal


@contextmanager
def _opened(source: str) -> Iterator[BinaryIO]:
    if source == _STDIN:
        yield typer.get_binary_stream("stdin")
        return
    try:
        with Path(source).open("rb") as stream:
            yield stream
    except OSError as error:
        raise ConfigError(f"{source} cannot be read: {error.strerror}") from None


def _complain(source: str, line: SignalLine, count: int) -> None:
    if count <= _TOO_MANY_SHOWN:
        warn(f"{source}:{line.number}: {line.error}")
    elif count == _TOO_MANY_SHOWN + 1:
        warn("more lines are wrong; they are only counted from here on")
