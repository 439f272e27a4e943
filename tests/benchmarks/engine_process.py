"""The engine in a process of its own: the service as ``tradeengine run`` starts it, without its HTTP routes."""

import asyncio
import logging
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from time import monotonic_ns
from typing import Final, NamedTuple

import structlog

from shared.clock import SystemClock
from shared.collector import calm_collector
from shared.settings import Settings
from tests.benchmarks.apart import Line, say
from tests.benchmarks.flow import STEP, SYMBOLS, TICK
from tests.benchmarks.load import SHARDS
from tradeengine import __version__
from tradeengine.domain.events import OrderFilled, OrderPlanned, SignalDecided
from tradeengine.domain.instrument import Instrument
from tradeengine.journal.base import Journal
from tradeengine.runtime.service import Service

READY: Final = "ready"

_POLL_S = 0.01
_PRICE = Decimal("40500.5")
_PAGE = 1_000


class Committed(NamedTuple):
    """What the journal holds in the end.

    Parameters
    ----------
    booked_ns
        When the last order was seen to be filled, on the machine's monotonic clock, if that was after the last
        acknowledgement; else 0.
    behind_s
        How long after the last acknowledgement each copy had everything, in seconds.
    """

    records: int
    decided: int
    orders: int
    fills: int
    booked_ns: int
    behind_s: Mapping[str, float]


def work(line: Line, url: str, folder: Path, environment: Mapping[str, str]) -> Committed:
    """Run the engine until told to stop, every order that it planned has filled, and the copies have everything."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    return asyncio.run(_work(line, url, folder / "engine", environment))


async def _work(line: Line, url: str, folder: Path, environment: Mapping[str, str]) -> Committed:
    clock = SystemClock()
    own = {"TRADEENGINE_DATA_DIR": str(folder), "NATS_URL": url, "SHARDS": str(SHARDS), "PAPER_EQUITY": "1000000"}
    settings = Settings.load({**own, **environment})
    instruments = [Instrument(symbol, TICK, STEP, min_notional=Decimal(5)) for symbol in SYMBOLS]
    service = Service(settings, clock, __version__, instruments)
    await service.start()
    for symbol in SYMBOLS:
        service.post_price(symbol, _PRICE)
    while _trouble(service) is not None:
        await clock.sleep(_POLL_S)
    calm_collector()
    say(line, READY)
    await asyncio.to_thread(line.recv)
    acked_ns, booked_ns = monotonic_ns(), 0
    while any(state.orders for state in service.engine.states):
        await clock.sleep(_POLL_S)
        booked_ns = monotonic_ns()
    behind_s: dict[str, float] = {}
    while len(behind_s) < len(service.copies.projectors):
        for name, projector in service.copies.projectors.items():
            if name not in behind_s and not projector.lag().records:
                behind_s[name] = (monotonic_ns() - acked_ns) / 1e9
        await clock.sleep(_POLL_S)
    await service.stop()
    counts = await _counted(service.stores.journal)
    return Committed(*counts, booked_ns, behind_s)


def _trouble(service: Service) -> str | None:
    """Why there is nothing to measure yet."""
    if service.intake is None:
        return "no intake"
    waiting = [name for name, projector in service.copies.projectors.items() if not projector.is_open]
    return ", ".join(waiting) or service.intake.status().reason or service.engine.trouble


async def _counted(journal: Journal) -> tuple[int, int, int, int]:
    """Records, decisions, orders and fills."""
    await journal.open()
    records = decided = orders = fills = 0
    for shard in await journal.shards():
        after = 0
        while page := await journal.read(shard, after, _PAGE):
            for event in (event for record in page for event in record.events()):
                decided += isinstance(event, SignalDecided)
                orders += isinstance(event, OrderPlanned)
                fills += isinstance(event, OrderFilled)
            records += len(page)
            after = page[-1].sequence
    await journal.close()
    return records, decided, orders, fills
