"""A real ``tradeengine run`` in a process of its own, that a test may stop, kill and start again on the same data."""

import asyncio
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from contracts.values import iso_millis
from shared.clock import SystemClock
from tests.support.deadline import PATIENCE_S, Deadline

TRADEENGINE = Path(sys.executable).with_name("tradeengine")
READER_KEY = "reader-of-the-tests"
TRADER_KEY = "trader-of-the-tests"
KEYS = {"READER_API_KEY": READER_KEY, "TRADER_API_KEY": TRADER_KEY}
READ = {"Authorization": f"Bearer {READER_KEY}"}
TRADE = {"Authorization": f"Bearer {TRADER_KEY}"}
PRICES = {"BTCUSDT": Decimal(50_000), "ETHUSDT": Decimal(2_500), "SOLUSDT": Decimal(150)}
NO_NATS = "off"

NO_ROOM = 0
"""File limit of a disk that takes nothing more."""

_API = re.compile(r"^\s+API\s+(http://\S+)/docs$", re.MULTILINE)
_NATS = re.compile(r"^\s+NATS\s+(nats://\S+)$", re.MULTILINE)
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
_LOG_SHOWN = 6000

LOOK_S = 0.05
"""Pause between two looks of who waits for something: each takes engine and test some milliseconds."""


def clean_env(**settings: str) -> dict[str, str]:
    """Environment of a child that has only these settings, whatever the tests themselves run with."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | settings


def limited_files(size: int) -> tuple[str, ...]:
    """Command that becomes another one whose files may have so many bytes: its disk is full there."""
    return (_program("prlimit"), f"--fsize={size}:unlimited")


def bound_by_permissions() -> tuple[str, ...]:
    """Command that becomes another one to which permissions of files apply, also for root."""
    return (_program("setpriv"), "--bounding-set=-dac_override") if os.geteuid() == 0 else ()


def _program(name: str) -> str:
    found = shutil.which(name)
    assert found, f"no {name}: it belongs to util-linux"
    return found


def tradeengine(
    *arguments: str | Path,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    seconds: float = PATIENCE_S,
    through: Sequence[str] = (),
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end in a fresh process, perhaps through another command that becomes it."""
    command = [*through, TRADEENGINE, *arguments]
    done = subprocess.run(
        command, env=clean_env(**(env or {})), input=stdin, capture_output=True, timeout=seconds, check=False
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def signal_document(action: str = "buy", strategy: str = "A", **fields: Any) -> dict[str, Any]:
    """Make a signal of now, as a strategy writes it."""
    given = {"symbol": "BTCUSDT", "confidence": "0.9", "timestamp": iso_millis(SystemClock().now_ms()), **fields}
    return {"strategy_id": strategy, "action": action, **given}


def freeze(process: "subprocess.Popen[bytes]") -> None:
    """Let a child stand still: when this returns, none of its threads does anything more."""
    process.send_signal(signal.SIGSTOP)
    # The signal is only on its way then: on a busy machine a thread may run on for a while, and take a lock with it.
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)


class EngineProcess:
    """``tradeengine run`` on a data folder; make one with :func:`engine_process`.

    Parameters
    ----------
    data
        Data folder; the log of each run is kept beside it.
    nats_url
        Server to use; ``None`` lets the engine start its own, :data:`NO_NATS` runs without any.
    arguments
        More of the command line.
    settings
        More of the environment.
    through
        Command that becomes the engine, such as :func:`limited_files`.
    """

    def __init__(
        self,
        data: Path,
        client: httpx.AsyncClient,
        *,
        nats_url: str | None = None,
        arguments: Sequence[str | Path] = (),
        settings: Mapping[str, str] | None = None,
        through: Sequence[str] = (),
    ) -> None:
        self.data = data
        self.runs = 0
        nats = {"NATS_EMBEDDED": "off"} if nats_url == NO_NATS else {"NATS_URL": nats_url} if nats_url else {}
        self._env = clean_env(**{**KEYS, **nats, "LOG_FORMAT": "json", **(settings or {})})
        self._command = [*through, TRADEENGINE, "run", "--data-dir", data, "--port", "0", *arguments]
        self._client = client
        self._process: subprocess.Popen[bytes] | None = None
        self._url: str | None = None

    # ------------------------------------------------------------ its life

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def has_started(self) -> bool:
        """Whether there is a process, be it that it has ended by itself."""
        return self._process is not None

    def spawn(self) -> None:
        """Start the process, without waiting for anything."""
        assert self._process is None, "the engine runs"
        self.runs += 1
        self._url = None
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    async def start(self) -> None:
        """Start the process and wait until it is ready."""
        self.spawn()
        await self.until_ready()

    def kill(self) -> None:
        """End the process as a power cut would."""
        self._alive().kill()
        self._alive().wait(timeout=PATIENCE_S)
        self._process = None

    def terminate(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ask the process to end, without waiting for it."""
        self._alive().send_signal(how)

    def freeze(self) -> None:
        """Let the process stand still, whatever it does."""
        freeze(self._alive())

    def thaw(self) -> None:
        """Let it go on after :meth:`freeze`."""
        self.terminate(signal.SIGCONT)

    async def ended(self, seconds: float = PATIENCE_S) -> int:
        """Wait for the end of the process; its exit code."""
        await self._until(lambda: self._alive().poll() is not None, "its end", seconds)
        code = self._alive().wait()
        self._process = None
        return code

    async def stop(self) -> None:
        """End the process as an orchestrator does, and insist on a clean exit."""
        self.terminate()
        code = await self.ended()
        assert code == 0, f"exit code {code}\n{self.log_tail()}"

    def limit_files(self, size: int = resource.RLIM_INFINITY) -> None:
        """Let no file of the running process, its log included, grow beyond a size in bytes: the disk is full there."""
        # Python ignores the kernel's signal, so that writing beyond the limit is an error, as on a full disk.
        resource.prlimit(self._alive().pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def close(self) -> None:
        """Leave no process behind."""
        if self._process is not None:
            self.kill()

    # ------------------------------------------------------------ what it says

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._alive().pid

    @property
    def log_file(self) -> Path:
        return self.data.parent / f"{self.data.name}.run-{self.runs}.log"

    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def log_tail(self) -> str:
        return f"--- {self.log_file.name}\n{self.log()[-_LOG_SHOWN:]}"

    @property
    def url(self) -> str | None:
        """Address of the API of this run, once it is served."""
        if self._url is None and self._process is not None and (found := _API.search(self.log())):
            self._url = found[1]
        return self._url

    @property
    def nats_url(self) -> str | None:
        """Address of the NATS server of this run, once the engine has said so."""
        found = _NATS.search(self.log()) if self._process is not None else None
        return found[1] if found else None

    async def readiness(self) -> tuple[int, list[str]]:
        """Status and reasons of ``GET /ready``; 0 while nobody answers."""
        if self.url is None:
            return 0, []
        try:
            answer = await self._client.get(f"{self.url}/ready")
        except httpx.TransportError:
            return 0, []
        return answer.status_code, answer.json()["reasons"]

    async def until_served(self, seconds: float = PATIENCE_S) -> None:
        """Wait until the API is served, whether or not the engine is ready."""
        await self._until(lambda: not self.running or self.url is not None, "the API", seconds)
        assert self.running, f"waited for the API, but the engine ended\n{self.log_tail()}"

    async def until_logged(self, text: str, seconds: float = PATIENCE_S) -> None:
        """Wait until the log of this run has a text."""
        await self._until(lambda: text in self.log() or not self.running, f"{text!r} in the log", seconds)
        assert text in self.log(), f"waited for {text!r} in the log, but the engine ended\n{self.log_tail()}"

    async def until_ready(self, seconds: float = PATIENCE_S) -> None:
        """Wait until the engine says that it is ready."""
        await self._until_readiness(lambda status, _: status == 200, "to be ready", seconds)

    async def until_not_ready(self, reason: str, seconds: float = PATIENCE_S) -> None:
        """Wait until the engine says that it is not ready, with a reason that contains a text."""

        def fits(status: int, reasons: list[str]) -> bool:
            return status == 503 and any(reason in text for text in reasons)

        await self._until_readiness(fits, f"not to be ready because of {reason!r}", seconds)

    async def _until_readiness(self, fits: Callable[[int, list[str]], bool], what: str, seconds: float) -> None:
        deadline = Deadline(seconds)
        while not fits(*(said := await self.readiness())):
            assert self.running, f"waited for the engine {what}, but it ended\n{self.log_tail()}"
            if deadline.passed():
                raise AssertionError(f"waited {deadline} for the engine {what}; it says {said}\n{self.log_tail()}")
            await asyncio.sleep(LOOK_S)

    async def _until(self, condition: Callable[[], bool], what: str, seconds: float) -> None:
        deadline = Deadline(seconds)
        while not condition():
            assert not deadline.passed(), f"waited {deadline} for {what}\n{self.log_tail()}"
            await asyncio.sleep(LOOK_S)

    # ------------------------------------------------------------ what it is asked and told

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Ask the API of this run.

        Raises
        ------
        httpx.TransportError
            If nobody answers, also while nothing is served yet.
        """
        if self.url is None:
            raise httpx.ConnectError("the API is not served yet")
        return await self._client.request(method, f"{self.url}{path}", **options)

    async def send(self, document: Mapping[str, Any]) -> httpx.Response:
        """Send a signal over HTTP."""
        return await self.request("POST", "/trade/signal", json=document, headers=TRADE)

    async def accept(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Send a signal over HTTP and insist that it is accepted; the decision."""
        answer = await self.send(document)
        assert answer.status_code == 200, answer.text
        decision: dict[str, Any] = answer.json()
        assert decision["outcome"] == "accepted", decision
        return decision

    async def post_prices(self, prices: Mapping[str, Decimal] = PRICES) -> None:
        """Let the paper venue trade at these prices."""
        for symbol, price in prices.items():
            answer = await self.request("PUT", f"/paper/prices/{symbol}", json={"price": str(price)}, headers=TRADE)
            assert answer.status_code == 204, answer.text

    async def rows(self, path: str, **parameters: Any) -> list[dict[str, Any]]:
        """Every row of a table, page by page."""
        rows: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            answer = await self.request("GET", path, params={"limit": 500, **parameters, **cursor}, headers=READ)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            rows += page["data"]
            if page["next_cursor"] is None:
                return rows
            cursor = {"cursor": page["next_cursor"]}

    async def until_rows(
        self, path: str, fits: Callable[[list[dict[str, Any]]], bool], *, seconds: float = PATIENCE_S, **parameters: Any
    ) -> list[dict[str, Any]]:
        """Wait until the rows of a table are as they should be."""
        deadline = Deadline(seconds)
        while not fits(rows := await self.rows(path, **parameters)):
            if deadline.passed():
                raise AssertionError(f"waited {deadline} for {path} to change; it has {rows[-5:]}\n{self.log_tail()}")
            await asyncio.sleep(LOOK_S)
        return rows

    async def protection(self) -> list[dict[str, Any]]:
        """What the engine says of its positions' stops."""
        answer = await self.request("GET", "/positions/protection", headers=READ)
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json()["data"]
        return rows

    async def until_protection(
        self, fits: Callable[[list[dict[str, Any]]], bool], what: str, seconds: float = 15
    ) -> list[dict[str, Any]]:
        """Wait until the positions are protected as they should be."""
        deadline = Deadline(seconds)
        while not fits(rows := await self.protection()):
            assert not deadline.passed(), f"waited {deadline} for {what}; it says {rows}\n{self.log_tail()}"
            await asyncio.sleep(LOOK_S)
        return rows

    async def until_projected(self, seconds: float = PATIENCE_S) -> None:
        """Wait until the read model has everything that is committed by now."""
        deadline = Deadline(seconds)
        age = 1.0
        while age:
            if deadline.passed():
                raise AssertionError(f"waited {deadline} for the read model, it is {age} s behind\n{self.log_tail()}")
            # Ages are told in milliseconds: what was committed just now must be older than one to be seen missing.
            await asyncio.sleep(LOOK_S)
            answer = await self.request("GET", "/decisions", params={"limit": 1}, headers=READ)
            assert answer.status_code == 200, answer.text
            age = answer.json()["age_seconds"]

    async def metric(self, name: str, /, **labels: str) -> float:
        """Value of a metric, 0 while it has none."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        for line in (await self.request("GET", "/metrics")).text.splitlines():
            sample, _, value = line.rpartition(" ")
            if sample.partition("{")[0] == name and all(label in sample for label in wanted):
                return float(value)
        return 0.0

    async def until_metric(self, name: str, value: float, /, *, seconds: float = PATIENCE_S, **labels: str) -> None:
        """Wait until a metric has a value."""
        deadline = Deadline(seconds)
        while (found := await self.metric(name, **labels)) != value:
            if deadline.passed():
                raise AssertionError(
                    f"waited {deadline} for {name} {labels} to be {value}; it is {found}\n{self.log_tail()}"
                )
            await asyncio.sleep(LOOK_S)

    def _alive(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the engine does not run"
        return self._process


@asynccontextmanager
async def engine_process(data: Path, **options: Any) -> AsyncIterator[EngineProcess]:
    """Make an engine process that ends with the block; the parameters are those of :class:`EngineProcess`."""
    async with httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False) as client:
        process = EngineProcess(data, client, **options)
        try:
            yield process
        finally:
            process.close()
