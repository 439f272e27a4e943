"""What traces cost a signal: ``python -m tests.tracing.cost``, less than a minute.

An engine over a journal in memory, so that nothing hides the cost; the collector is a process of its own. Each figure
is the least of several rounds, which take turns: processor time of the whole engine, the thread that exports included.
"""

import asyncio
import multiprocessing
import os
import sys
import time
from decimal import Decimal
from multiprocessing.connection import Connection
from typing import Final

from contracts.subjects import shard_of
from tests.support.engines import CLOCK, make_signal, paper_venue
from tests.tracing.kept import NoRows
from tests.tracing.receiver import receiving
from tradeengine.domain.config import TradingConfig
from tradeengine.journal.memory import MemoryJournal
from tradeengine.runtime.committer import Committer
from tradeengine.runtime.desk import SignalDesk
from tradeengine.runtime.engine import Engine
from tradeengine.runtime.tracing import Tracing, configured_tracing
from tradeengine.runtime.workplace import as_it_is
from tradeengine.venue.paper.venue import PaperVenue

MODES: Final = {
    "no collector": None,
    "none sampled": "0",
    "1 % sampled": "0.01",
    "10 % sampled": "0.1",
    "all sampled": "1",
}
_ROUNDS: Final = 5
_BATCH: Final = 50
_SIGNALS: Final = {"hold": 3_000, "buy": 600}


def _collect(address: Connection) -> None:
    with receiving() as (_, url):
        address.send(url)
        address.recv()


def _make(ratio: str | None, venue: PaperVenue) -> tuple[Engine, Tracing | None]:
    os.environ |= {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": ratio or "0"}
    tracing = None if ratio is None else configured_tracing("0", "cost", "paper", CLOCK, NoRows())
    journal = MemoryJournal()
    engine = Engine(
        shards=1,
        journal=journal,
        venue=venue,
        clock=CLOCK,
        config=TradingConfig(),
        initial_equity=Decimal(10**9),
        committer=Committer(journal, CLOCK),
        listeners=[tracing.observe] if tracing else [],
        before_door=tracing.door if tracing else as_it_is,
    )
    return engine, tracing


async def _round(action: str, ratio: str | None) -> float:
    """Microseconds of the processor for a signal, until its order is filled, all is committed, and exported."""
    venue = paper_venue()
    engine, tracing = _make(ratio, venue)
    if tracing is not None:
        tracing.start()
    await engine.load()
    await engine.start()
    venue.post_price("BTCUSDT", Decimal(50_000))
    while engine.trouble is not None:
        await CLOCK.sleep(0.01)
    desk: SignalDesk = tracing.desk(engine) if tracing else engine
    count, shard = _SIGNALS[action], shard_of("BTCUSDT", 1)
    signals = [make_signal(action, signal_id=f"s-{n}", quantity="0.001") for n in range(count)]
    began = time.process_time()
    for first in range(0, count, _BATCH):
        await desk.decide(shard, signals[first : first + _BATCH])
    # Orders under way are seen through, and what waits is exported.
    await engine.stop()
    if tracing is not None:
        await tracing.stop()
    return (time.process_time() - began) / count * 1e6


def main() -> None:
    """Measure, and print a table."""
    ours, theirs = multiprocessing.Pipe()
    collector = multiprocessing.get_context("spawn").Process(target=_collect, args=(theirs,), daemon=True)
    collector.start()
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = ours.recv()
    for action in _SIGNALS:
        taken: dict[str, list[float]] = {mode: [] for mode in MODES}
        for _ in range(_ROUNDS):
            for mode, ratio in MODES.items():
                taken[mode].append(asyncio.run(_round(action, ratio)))
        base = min(taken["no collector"])
        for mode, each in taken.items():
            found = min(each)
            sys.stdout.write(f"{action:<5} {mode:<13} {found:8.1f} us/signal  {found / base:5.2f} x\n")
    ours.send(None)
    collector.join()


if __name__ == "__main__":
    main()
