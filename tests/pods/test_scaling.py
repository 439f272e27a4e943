"""I65, I66: pods come, are restarted one after another, and go, under load: nothing is lost or doubled."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from statistics import fmean

import pytest

from tests.outages.pods import until
from tests.outages.stores import Stores
from tests.pods.sending import key_of
from tests.pods.site import NAMES, SHARDS, SYMBOLS, Site, site
from tests.pods.steady import Steady, steady
from tests.pods.stopping import Stops, false_alarms
from tests.pods.thousand import CLOSINGS, OPENINGS, SIGNALS, opened, sent, signal, whose
from tests.support.deadline import slowness
from tests.support.nats import NatsServer
from tests.support.protecting import ORDER

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(400)]

PAUSE_S = 2.0
CALM_S = 4.0
MEASURE_S = 2.0
LEAST_ORDERS = 20
SPREAD_S = 30.0
"""How long a fair spread may take once all are ready: a look of each, and four shards that change hands."""


async def test_i66_pods_come_and_are_restarted_and_go_under_load(
    tmp_path: Path, stores: Stores, nats_server: NatsServer, chance: Random
) -> None:
    async with site(tmp_path, stores, nats_server.url) as made:
        await made.started(NAMES[0])
        assert await made.shares() == {NAMES[0]: set(range(SHARDS))}
        async with steady(nats_server.url, SYMBOLS, chance) as load:
            more = [made.pod(name) for name in NAMES[1:]]
            await asyncio.gather(*(pod.start() for pod in more))
            await made.until_spread(SPREAD_S)
            assert [len(held) for held in (await made.shares()).values()] == [SHARDS // 3] * 3

            stops = Stops(SYMBOLS)
            await restarted_one_after_another(made, load, stops)

            # Both at once: who goes hands over to whoever stays.
            await asyncio.gather(*(pod.stop() for pod in more))
            await made.until_spread(SPREAD_S)
            assert await made.shares() == {NAMES[0]: set(range(SHARDS))}
            await load.end()
            assert not (alarms := false_alarms(made.pods[NAMES[0]])), alarms
        history = await made.everything_holds(tmp_path)
    sent = load.stored | stops.decided
    print(f"{len(sent)} signals, {len(stops.decided)} by way of a pod that was stopping, {history.orders} orders")
    assert sent <= history.decisions.keys() <= sent | stops.doubtful
    assert history.orders > LEAST_ORDERS, "the load was no load"


async def restarted_one_after_another(made: Site, load: Steady, stops: Stops) -> None:
    """Restart every pod, and insist that no shard pauses for more than 2 s, on a machine of the usual speed.

    What the machine does to a shard without any restart comes on top; on a slower machine all of it takes longer.
    """
    began = time.monotonic()
    await asyncio.sleep(CALM_S)
    calm = load.longest_pause(began)
    restarting = time.monotonic()
    async with measured_slowness() as slow:
        for pod in made.running:
            await stops.stop(pod)
            assert not (alarms := false_alarms(pod)), alarms
            await pod.start()
            await made.until_spread()
    pause = load.longest_pause(restarting)
    slower = fmean(slow)
    told = f"longest pause {pause}, without restarts {calm}, on a machine that is {slower:.1f} times slower than usual"
    print(told)
    assert pause.seconds <= PAUSE_S * slower + calm.seconds, told


@asynccontextmanager
async def measured_slowness() -> AsyncIterator[list[float]]:
    """Measure again and again how slow the machine is while the block runs."""
    found = [await asyncio.to_thread(slowness)]

    async def measure() -> None:
        while True:
            await asyncio.sleep(MEASURE_S)
            found.append(await asyncio.to_thread(slowness))

    measuring = asyncio.create_task(measure())
    try:
        yield found
    finally:
        measuring.cancel()
        await asyncio.gather(measuring, return_exceptions=True)


async def test_i65_a_thousand_signals_are_a_thousand_decisions_and_their_orders(
    tmp_path: Path, stores: Stores, nats_server: NatsServer, chance: Random
) -> None:
    openings = [signal(n, "buy" if n % 2 else "sell", quantity="0.2") for n in range(OPENINGS)]
    holds = [signal(n, "hold") for n in range(OPENINGS, SIGNALS - CLOSINGS)]
    closed = chance.sample(openings, CLOSINGS)
    closings = [{**signal(n, "close"), **whose(opening)} for n, opening in enumerate(closed, SIGNALS - CLOSINGS)]
    async with site(tmp_path, stores, nats_server.url) as made:
        await made.started(*NAMES)
        first = [*openings, *holds]
        chance.shuffle(first)
        await sent(made, first)
        await until(lambda: opened(made, OPENINGS), "every opening to be filled")
        await sent(made, closings)
        history = await made.everything_holds(tmp_path)
        requests = await made.exchange.requests("POST", ORDER)
    everything = [*first, *closings]
    assert history.decisions.keys() == set(map(key_of, everything))
    assert len(history.decisions) == SIGNALS
    assert history.copies == 0
    called_for = [order for decision in history.decisions.values() for order in decision.orders]
    assert len(called_for) == len(set(called_for)) == OPENINGS + CLOSINGS
    assert sorted(request["parameters"]["newclientorderid"] for request in requests) == sorted(called_for)
    assert {request["status"] for request in requests} == {200}
