"""I75: a process that stands still for longer than its lease, and goes on: its late order and append are refused."""

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.enums import Outcome
from contracts.subjects import shard_of
from tests.support.deadline import PATIENCE_S, Deadline
from tests.support.process import clean_env, freeze
from tests.support.rig import ROOMY, Exchange, settings_for
from tradeengine.domain.events import SignalDecided
from tradeengine.journal.record import Record
from tradeengine.journal.sqlite import SqliteJournal

pytestmark = pytest.mark.process

TTL_S = 10.0
SHARDS = 2
ALL = list(range(SHARDS))
SHARD = shard_of("BTCUSDT", SHARDS)
_PAUSE_S = 0.05
UNAVAILABLE = {"status": 503, "msg": "Service Unavailable"}


class PodProcess:
    """An engine in a process of its own."""

    def __init__(self, name: str, folder: Path, env: dict[str, str]) -> None:
        self.name = name
        self._out, self._err = folder / f"{name}.out", folder / f"{name}.err"
        command = [sys.executable, "-m", "tests.support.pod_process", str(folder), name, str(TTL_S)]
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=out, stderr=err)

    def lines(self) -> list[dict[str, Any]]:
        """All that it has said."""
        whole = self._out.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def now(self) -> dict[str, Any]:
        """What it said last of itself."""
        return next((line for line in reversed(self.lines()) if "owned" in line), {"owned": [], "trouble": "starts"})

    def said_of(self, signal_id: str) -> dict[str, Any] | None:
        """What became of a signal that was sent to it."""
        return next(iter(self._answers(signal_id)), None)

    def send(self, signal_id: str, **fields: Any) -> None:
        """Send it a signal of now."""
        document = {"strategy_id": "A", "symbol": "BTCUSDT", "action": "buy", "quantity": "0.01", "confidence": "0.9"}
        stdin = self._process.stdin
        assert stdin is not None
        line = json.dumps({**document, "signal_id": signal_id, "timestamp": int(time.time() * 1000), **fields})
        stdin.write(line.encode() + b"\n")
        stdin.flush()

    async def answer(self, signal_id: str, **fields: Any) -> dict[str, Any]:
        """Send it a signal of now, be it again; what it says to that."""
        heard = len(self._answers(signal_id))
        self.send(signal_id, **fields)
        await self.until(lambda: len(self._answers(signal_id)) > heard, f"an answer to {signal_id}")
        return self._answers(signal_id)[-1]

    def freeze(self) -> None:
        freeze(self._process)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _answers(self, signal_id: str) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line.get("signal") == signal_id]

    async def until(self, fits: Callable[[], object], what: str, seconds: float = PATIENCE_S) -> None:
        """Wait for a condition."""
        deadline = Deadline(seconds, 0.02)
        while not fits():
            tail = self._err.read_text()[-3000:]
            assert not deadline.passed(), f"{self.name}: waited {deadline} for {what}: {self.now()}\n{tail}"
            await asyncio.sleep(0.02)

    async def until_owner(self) -> None:
        """Wait until it works on everything."""
        await self.until(lambda: (self.now()["owned"], self.now()["trouble"]) == (ALL, None), "all shards")


class Stage:
    """Two processes, their stores and their exchange."""

    def __init__(self, folder: Path, exchange: Exchange, stack: AsyncExitStack) -> None:
        self.folder = folder
        self.exchange = exchange
        self._stack = stack
        settings = settings_for(exchange, SHARDS=str(SHARDS), LOG_FORMAT="console")
        self._env = {**clean_env(), **settings, "PYTHONPATH": str(Path(__file__).parents[2])}

    def pod(self, name: str) -> PodProcess:
        made = PodProcess(name, self.folder, self._env)
        self._stack.callback(made.end)
        return made

    async def orders(self) -> list[dict[str, Any]]:
        """Orders of the symbol that the exchange took, ever."""
        rows: list[dict[str, Any]] = await self.exchange.signed("GET", "/fapi/v1/allOrders", symbol="BTCUSDT")
        return rows

    async def decide(self, signal_id: str, *pods: PodProcess, seconds: float = PATIENCE_S, **fields: Any) -> None:
        """Bring a signal to one pod after the other, as the broker does, until one says that it is decided."""
        deadline = Deadline(seconds)
        for pod in cycle(pods):
            answer = await pod.answer(signal_id, **fields)
            if "outcome" in answer:
                return
            assert not deadline.passed(), f"waited {deadline} for {signal_id} to be decided: {answer}"
            await asyncio.sleep(_PAUSE_S)

    async def records(self) -> list[Record]:
        """Everything that was committed of the symbol's shard."""
        journal = SqliteJournal(self.folder / "journal.sqlite", create=False)
        await journal.open()
        try:
            return await journal.read(SHARD, 0, 1_000_000)
        finally:
            await journal.close()


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False))
        exchange = Exchange(folder, client)
        await exchange.start()
        stack.callback(exchange.close)
        await exchange.reset(options=ROOMY, marks={"BTCUSDT": "50000", "ETHUSDT": "3000"})
        yield Stage(folder, exchange, stack)


async def test_an_order_that_its_frozen_owner_would_send_late_is_sent_once_by_the_next(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        former = s.pod("former")
        await former.until_owner()
        await s.exchange.fault(UNAVAILABLE, None, method="POST", path="/fapi/v1/order")
        former.send("s1")
        await former.until(lambda: former.said_of("s1"), "the decision")
        deadline = Deadline()
        while not await s.exchange.requests("POST", "/fapi/v1/order"):
            assert not deadline.passed(), "the order was never sent"
        former.freeze()
        await s.exchange.heal()

        successor = s.pod("successor")
        await successor.until_owner()
        await _until_stop(s)
        (order,) = await s.orders()
        moment = await s.exchange.moment()
        former.thaw()
        # Awake, it sees that its time is over, before or after it would have sent the order.
        await former.until(lambda: former.now()["owned"] != ALL, "the former owner to drop the shard")
        # It lives again, so it gets a fair share again: from here on the shard may be either's, and on its way.
        await s.decide("s2", successor, former, action="hold")
        assert await s.orders() == [order]
        assert await s.exchange.requests("POST", "/fapi/v1/order", since=moment) == []
        assert str(await s.exchange.held()) == "0.010"
        records = await s.records()
        assert outcomes(records, "s2") == [Outcome.HELD]
        epochs = [record.epoch for record in records]
        assert epochs == sorted(epochs)
        assert set(epochs) >= {1, 2}


async def test_a_record_that_its_frozen_owner_appends_late_is_refused(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        former = s.pod("former")
        await former.until_owner()
        before = len(await s.records())
        with closing(sqlite3.connect(tmp_path / "journal.sqlite", isolation_level=None)) as lock:
            lock.execute("BEGIN IMMEDIATE")
            former.send("s1")
            # From here on it waits for the lock, inside the append.
            await former.until(lambda: former.now()["waiting"], "the record to be on its way")
            assert former.said_of("s1") is None
            former.freeze()
            lock.execute("ROLLBACK")
        assert len(await s.records()) == before

        successor = s.pod("successor")
        await successor.until_owner()
        successor.send("s1")
        await successor.until(lambda: (successor.said_of("s1") or {}).get("outcome") == "accepted", "its decision")
        await _until_stop(s)
        former.thaw()
        await former.until(lambda: former.said_of("s1"), "what becomes of its append")
        assert (former.said_of("s1") or {}).get("refused") in ("Fenced", "OutcomeUnknown")
        assert len(await s.orders()) == 1
        records = await s.records()
        late = [record.epoch for record in records if record.sequence > before]
        assert 1 not in late, "nothing of the former owner's landed behind its successor's takeover"


def outcomes(records: Sequence[Record], signal_id: str) -> list[Outcome]:
    """What was decided of a signal; that it came again is left out."""
    decided = [event for record in records for event in record.events() if isinstance(event, SignalDecided)]
    found = [event.outcome for event in decided if event.signal_id == signal_id]
    return [outcome for outcome in found if outcome is not Outcome.DUPLICATE]


async def _until_stop(s: Stage, seconds: float = PATIENCE_S) -> None:
    """Wait until the position has its stop."""
    deadline = Deadline(seconds)
    while not await s.exchange.stops():
        assert not deadline.passed(), "the position got no stop"
        await asyncio.sleep(0.05)
