"""One measurement from signals to acknowledgements: server, load and consumer, each in a process of its own."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from shared.clock import SystemClock
from tests.benchmarks import load
from tests.benchmarks.apart import Child
from tests.benchmarks.engine_process import Committed
from tests.benchmarks.figures import MS, percentile
from tests.benchmarks.load import Seen
from tests.benchmarks.signals import Workload
from tradeengine.runtime.nats_server import EmbeddedServer

_S: Final = 1e9
_START_S: Final = 120.0
_WORK_S: Final = 3_600.0


def _nothing() -> None:
    """Leave everything as it is."""


@dataclass(frozen=True, slots=True)
class Flight:
    """What is measured, and what happens around it.

    Parameters
    ----------
    worker
        Work of the consumer's process; gets a line, the broker's URL, a folder of its own and the settings.
    before, after
        Called when a consumer of a stream is at work and before the first signal, and after the last acknowledgement.
    """

    worker: Callable[..., Any]
    settings: Mapping[str, str] = field(default_factory=dict)
    before: Callable[[], None] = _nothing
    after: Callable[[], None] = _nothing

    def backlog(self, workload: Workload, count: int) -> tuple[Seen, Any]:
        """Let the consumer work off signals that are stored already; what was seen, and what the consumer says."""
        return asyncio.run(self._backlog(workload, count))

    def stream(self, workload: Workload, count: int, per_second: float) -> tuple[Seen, Any]:
        """Publish signals evenly to a consumer that is at work; what was seen, and what the consumer says."""
        return asyncio.run(self._stream(workload, count, per_second))

    async def _backlog(self, workload: Workload, count: int) -> tuple[Seen, Any]:
        async with server() as (url, folder):
            with Child("the load", load.backlog, url, workload, count) as publisher:
                await asyncio.to_thread(publisher.hear, _WORK_S)
                with Child("the consumer", self.worker, url, folder, dict(self.settings)) as consumer:
                    await asyncio.to_thread(consumer.hear, _START_S)
                    seen = await asyncio.to_thread(publisher.hear, _WORK_S)
                    consumer.tell("stop")
                    return seen, await asyncio.to_thread(consumer.hear, _WORK_S)

    async def _stream(self, workload: Workload, count: int, per_second: float) -> tuple[Seen, Any]:
        async with server() as (url, folder):
            with Child("the consumer", self.worker, url, folder, dict(self.settings)) as consumer:
                await asyncio.to_thread(consumer.hear, _START_S)
                self.before()
                with Child("the load", load.stream, url, workload, count, per_second) as publisher:
                    seen = await asyncio.to_thread(publisher.hear, _WORK_S)
                self.after()
                consumer.tell("stop")
                return seen, await asyncio.to_thread(consumer.hear, _WORK_S)


def seconds(seen: Seen, booked_ns: int = 0) -> float:
    """From the consumer's first request to the last acknowledgement, or to the last booked fill if that was later."""
    return (max(*seen.acked, booked_ns) - seen.asked) / _S


def latencies(seen: Seen) -> tuple[float, float]:
    """Median and 99th percentile from publication to acknowledgement, in milliseconds, without the first tenth."""
    warm = len(seen.acked) // 10
    times = [acked - sent for sent, acked in zip(seen.published[warm:], seen.acked[warm:], strict=True)]
    return percentile(times, 0.5) / MS, percentile(times, 0.99) / MS


def check(found: int, expected: int, what: str) -> None:
    """Refuse to show figures of something else than what was asked for."""
    if found != expected:
        raise RuntimeError(f"{what}: {found}, not {expected}; the figures would say nothing")


def check_committed(committed: Committed, workload: Workload, count: int) -> None:
    """See that the journal holds one decision of each signal, and one fill of each order."""
    check(committed.decided, count, "decided")
    if workload is Workload.DENSE:
        check(committed.orders, count, "given an order")
    check(committed.fills, committed.orders, "orders filled")


@asynccontextmanager
async def server() -> AsyncIterator[tuple[str, Path]]:
    """Run a broker of its own in a folder that is thrown away; its URL, and the folder."""
    with tempfile.TemporaryDirectory(prefix="tradeengine-bench-") as name:
        folder = Path(name)
        broker = EmbeddedServer(folder / "nats", SystemClock())
        url = await broker.start()
        try:
            yield url, folder
        finally:
            await broker.close()
