"""The commands of ``scripts/services``; each returns its exit code."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Final

from scripts.devservices.folders import locked, throw_away_folder
from scripts.devservices.kinds import KINDS, Kind
from scripts.devservices.mongodb_host import mongodb_host
from scripts.devservices.mysql import install_mariadb
from scripts.devservices.packages import say
from scripts.devservices.processes import end, started_at
from scripts.devservices.state import Started, State
from scripts.devservices.toxiproxy import find_go, toxiproxy_program
from shared.secrets import mask_uris
from tradeengine.runtime.nats_server import find_binary

STATE_FOLDER: Final = Path(__file__).resolve().parents[2] / ".services"


def up(folder: Path = STATE_FOLDER) -> int:
    """Start what neither runs already nor is named by the environment, and print where everything is."""
    file = folder / "state.json"
    with locked(folder / "lock"):
        state = State.load_or_make(file)
        own = {kind.name: state.servers[kind.name].url for kind in KINDS if kind.name in state.servers}
        urls = {kind: kind.given(os.environ, own.get(kind.name)) for kind in KINDS}
        for kind, url in urls.items():
            if url is None:
                _ensure(kind, state, file)
    for kind, url in urls.items():
        print(f"export {kind.variable}={shlex.quote(url or state.servers[kind.name].url)}")
    return 0


def down(folder: Path = STATE_FOLDER) -> int:
    """End what :func:`up` has started, and nothing else, and remove its data."""
    file = folder / "state.json"
    with locked(folder / "lock"):
        state = State.load(file)
        if state is None:
            say("nothing was started")
            return 0
        for name, server in state.servers.items():
            ended = end(server.pid, server.started)
            say(f"{name} {'ended' if ended else 'had ended by itself'}")
        state.discard(file)
    return 0


def status(folder: Path = STATE_FOLDER) -> int:
    """Print each server's state, address, process and log; the code is 0 only if all answer."""
    state = State.load(folder / "state.json")
    code = 0
    for kind in KINDS:
        server = state.servers.get(kind.name) if state else None
        url = os.environ.get(kind.variable)
        if url and (server is None or url != server.url):
            reason = kind.why_not(url)
            print(f"{kind.name:12} {reason or 'answers'} at {mask_uris(url)}, which {kind.variable} names")
        elif server is None:
            reason = "was not started"
            print(f"{kind.name:12} {reason}")
        else:
            reason = kind.why_not(server.url) if server.runs else "ended by itself"
            print(
                f"{kind.name:12} {reason or 'answers'}; {mask_uris(server.url)}, port {server.port}, pid {server.pid}, "
                f"log {server.log}"
            )
        code |= reason is not None
    return code


def install() -> int:
    """Install and build all that servers and tests need, so that nothing has to wait for it later."""
    find_binary()
    install_mariadb()
    mongodb_host()
    if find_go():
        toxiproxy_program()
    else:
        say("no Go, so no toxiproxy: tests of faults in the network will fail")
    return 0


def run(command: Sequence[str]) -> int:
    """Run a command beside servers that live as long as it does; its own exit code is returned.

    Those that the environment names are used as they are. The servers have nothing to do with those of :func:`up`.
    """
    signal.signal(signal.SIGTERM, _leave)
    with ExitStack() as stack:
        folder = stack.enter_context(throw_away_folder())
        environment = dict(os.environ)
        for kind in KINDS:
            if kind.given(os.environ) is None:
                server = kind.server(folder / kind.name)
                stack.callback(server.close)
                environment[kind.variable] = server.start().url
                say(f"{kind.name} answers on port {server.port}")
        return _run(command, environment)


def _run(command: Sequence[str], environment: dict[str, str]) -> int:
    with subprocess.Popen(command, env=environment) as child:  # noqa: S603 - what the caller asked for
        # Ctrl-C reaches the child by itself, since it is in the terminal's foreground too; it says when it is done.
        signal.signal(signal.SIGINT, lambda _number, _frame: None)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, _frame: child.send_signal(number))
        code = child.wait()
    return code if code >= 0 else 128 - code


def _leave(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _ensure(kind: Kind, state: State, file: Path) -> None:
    """Have a server of this kind that answers: the one that there is, or a new one on its port and data."""
    known = state.servers.get(kind.name)
    if known is not None:
        if known.runs and kind.why_not(known.url) is None:
            say(f"{kind.name} answers on port {known.port} already")
            return
        say(f"{kind.name} (pid {known.pid}) {'does not answer' if known.runs else 'has ended'}: starting it again")
        end(known.pid, known.started)
    server = kind.server(Path(state.folder) / kind.name, port=known.port if known else None, outlives=True)
    try:
        server.start()
        pid = server.pid
        started = started_at(pid) if pid is not None else None
        if pid is None or started is None:
            raise RuntimeError(f"{kind.name} ended right after it had answered")
        state.servers[kind.name] = Started(pid, started, server.port, server.url, str(server.log_file))
        state.save(file)
    except BaseException:
        # Also on Ctrl-C: what is not in the file could never be ended.
        server.close()
        raise
    server.let_go()
    say(f"{kind.name} answers on port {state.servers[kind.name].port}")
