"""A shard's first look at the exchange: at its own symbols, whatever goes on in others; the exchange is real."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from contracts.enums import Outcome
from contracts.subjects import shard_of
from shared.errors import RetrySafe
from tests.support.pods import SHARDS, Site, played

BUSY, QUIET = "ETHUSDT", "BTCUSDT"
_READING_S = 0.3


@asynccontextmanager
async def traded_without_end(site: Site) -> AsyncIterator[None]:
    """Somebody trades a symbol in the account faster than positions can be read."""

    async def trade() -> None:
        order = {"symbol": BUSY, "positionSide": "SHORT", "type": "MARKET", "quantity": "0.010"}
        while True:
            for side in ("SELL", "BUY"):
                await site.exchange.ask("POST", "/fapi/v1/order", side=side, **order)
                await site.clock.sleep(_READING_S / 4)

    slow = {"match": {"path": "*/positionRisk"}, "effect": {"delay_ms": 1000 * _READING_S}, "when": "after"}
    await site.exchange.control("faults", [slow | {"times": None}])
    trading = asyncio.create_task(trade())
    try:
        yield
    finally:
        trading.cancel()
        with suppress(asyncio.CancelledError):
            await trading
        await site.exchange.heal()


async def looked_at(site: Site) -> list[str | None]:
    """Symbols that positions were asked for, ``None`` for all at once."""
    async with site.exchange._http.get(f"{site.exchange.server.url}/sim/requests?since=0") as response:
        log: list[dict[str, Any]] = (await response.json())["requests"]
    return [row["parameters"].get("symbol") for row in log if row["path"].endswith("/positionRisk")]


def test_a_symbol_that_does_not_stand_still_keeps_no_other_waiting() -> None:
    async def job(site: Site) -> None:
        former = await site.pod("a")
        await site.spread(former)
        for symbol in (QUIET, BUSY):
            assert (await site.decide(site.signal("buy", symbol=symbol, quantity="0.01"))).outcome is Outcome.ACCEPTED
        await site.equal(former)
        await former.engine.stop()
        async with traded_without_end(site):
            pod = await site.pod("b")
            await site.until(lambda: len(pod.owned) == SHARDS, "the takeover")
            began = site.loop.time()
            assert (await site.decide(site.signal("close"), pod)).outcome is Outcome.ACCEPTED
            assert site.loop.time() - began < 10 * _READING_S
            with pytest.raises(RetrySafe, match=rf"of {BUSY} is unknown: it is traded while it is read"):
                await pod.decide(site.signal("buy", symbol=BUSY, quantity="0.01"))
            await site.until(lambda: pod.engine.reconciler.lasting_trouble, "the alert", 60)
            assert pod.engine.reconciler.overdue is None, "the exchange answers"
        await site.until(
            lambda: pod.engine.trouble is None and pod.engine.reconciler.trouble is None, "all to be known"
        )
        assert (await site.decide(site.signal("close", symbol=BUSY), pod)).outcome is Outcome.ACCEPTED
        await site.equal(pod)

    played(job)


def test_the_first_look_of_a_shard_is_at_its_own_symbols() -> None:
    """Who takes over looks at what it took, and not at all that it has: that would take ever longer."""

    async def job(site: Site) -> None:
        pod = await site.pod("a")
        await site.spread(pod)
        await site.equal(pod)
        shard, before = shard_of(QUIET, SHARDS), len(await looked_at(site))
        pod.engine.tenancy.surplus(shard)
        await site.until(lambda: shard not in pod.owned, "it to be given back")
        await site.until(lambda: shard in pod.owned and pod.engine.trouble is None, "it to be taken again")
        assert QUIET in (await looked_at(site))[before:]
        await site.equal(pod)

    played(job)
