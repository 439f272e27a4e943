"""One of several engines that share a journal and leases on SQLite and an exchange, as a process of its own.

It is put together from the parts that the service is made of, takes signals as lines of JSON on its standard input, and
tells on its standard output what it owns and what it decides. Settings come from the environment.
"""

import asyncio
import json
import sys
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

from contracts.signal import Signal
from contracts.subjects import shard_of
from shared.clock import SystemClock
from shared.errors import EngineError, OutcomeUnknown, RetrySafe
from shared.leases.sqlite import SqliteLeases
from shared.logging import configure_logging
from shared.settings import Settings
from tradeengine.journal.sqlite import SqliteJournal
from tradeengine.runtime.committer import Committer
from tradeengine.runtime.engine import Engine
from tradeengine.runtime.fencing import window_fence
from tradeengine.runtime.ownership import LeasedOwnership
from tradeengine.runtime.retry import until_answered
from tradeengine.runtime.trading_config import trading_config
from tradeengine.venue.binance.build import build_venue

_LOOK_S = 0.02


def say(**told: Any) -> None:
    """Tell who started the process."""
    print(json.dumps(told), flush=True)


async def main(folder: Path, name: str, ttl_s: float) -> None:
    """Work until the standard input ends."""
    settings, clock = Settings.load(), SystemClock()
    configure_logging(settings.log_level, settings.log_format, settings.secrets(), stream=sys.stderr)
    journal, leases = SqliteJournal(folder / "journal.sqlite"), SqliteLeases(folder / "leases.sqlite")
    await journal.open()
    await leases.open()
    committer = Committer(journal, clock)
    engine = Engine(
        shards=settings.shards,
        journal=journal,
        venue=build_venue(settings, clock, fence=window_fence),
        clock=clock,
        config=trading_config(settings),
        initial_equity=Decimal(0),
        committer=committer,
        ownership=LeasedOwnership(leases, clock, name, settings.shards, ttl_s),
    )
    for step in (engine.prepare, engine.start, engine.read):
        await until_answered(clock, lambda reason: None, RetrySafe, OutcomeUnknown)(step)
    telling = asyncio.create_task(_tell(engine, committer, clock))
    await _decide_lines(engine)
    telling.cancel()
    await asyncio.gather(telling, return_exceptions=True)
    await engine.stop()
    await leases.close()
    await journal.close()


async def _tell(engine: Engine, committer: Committer, clock: SystemClock) -> None:
    told: object = None
    while True:
        now = {"owned": sorted(engine.owned), "trouble": engine.trouble, "waiting": committer.waiting}
        if now != told:
            say(**now)
            told = now
        await clock.sleep(_LOOK_S)


async def _decide_lines(engine: Engine) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    deciding: set[asyncio.Task[None]] = set()
    while line := await reader.readline():
        task = asyncio.create_task(_decide(engine, Signal.from_json(line)))
        deciding.add(task)
        task.add_done_callback(deciding.discard)
    for task in deciding:
        task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*deciding)


async def _decide(engine: Engine, signal: Signal) -> None:
    try:
        (decided,) = await engine.decide(shard_of(signal.symbol, engine.shards), [signal])
    except EngineError as error:
        say(signal=signal.signal_id, refused=type(error).__name__, why=str(error))
    else:
        say(signal=signal.signal_id, outcome=decided.outcome.value)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])))
