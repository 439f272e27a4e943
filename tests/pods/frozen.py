"""I75: the owner of two shards stands still in the middle of an order of each; another pod takes over, and it goes on.

One order is on its way for longer than its window, so the exchange refuses it for its age and the successor sends it.
The other is executed and its answer is on its way, so the successor must find it by asking. When the former owner goes
on, nothing of what it still wants to append or send may have any effect.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from contracts.subjects import shard_of
from tests.outages.pods import records_of, takers, until
from tests.outages.stores import Stores
from tests.pods.sending import by_http, by_symbol, key_of
from tests.pods.site import NAMES, SHARDS, SYMBOLS, Site
from tests.process.load import connected
from tests.support.process import EngineProcess, signal_document
from tests.support.protecting import ORDER

DELAY: Final = {"delay_ms": 2_500}
"""Longer than the window of an order, which the exchange refuses after that."""
REFUSED_FOR_ITS_AGE: Final = -1021
QUANTITY: Final = "0.2"


async def frozen_for(made: Site, scratch: Path, seconds: float) -> None:
    """Freeze the owner of two shards while an order of each is under way, for so long, and look what became of them."""
    await made.started(*NAMES)
    frozen = made.pods[NAMES[0]]
    late, unanswered = symbols = [SYMBOLS[shard] for shard in sorted((await made.shares())[NAMES[0]])]
    buys = [signal_document("buy", "A", symbol=symbol, signal_id=symbol, quantity=QUANTITY) for symbol in symbols]
    await made.exchange.fault(DELAY, when="before", method="POST", path=ORDER, params={"symbol": late})
    await made.exchange.fault(DELAY, when="after", method="POST", path=ORDER, params={"symbol": unanswered})
    async with connected(made.nats_url) as client:
        await by_symbol(client, buys)
    await until(lambda: held(made, unanswered), "the order whose answer is late to be executed")
    frozen.freeze()
    thaw_at = time.monotonic() + seconds
    assert not await held(made, late), "the other one is still on its way"

    others = [made.pods[name] for name in NAMES[1:]]
    await until(lambda: own_everything(others), "the others to take over")
    for pod, buy in zip(others, buys, strict=True):
        assert (await by_http(pod, buy))["outcome"] == "duplicate"
    await until(lambda: protected(made, symbols), f"{symbols} to be protected")
    orders = await made.exchange.requests("POST", ORDER)
    await asyncio.sleep(thaw_at - time.monotonic())

    frozen.thaw()
    await until(lambda: dropped(frozen), "the former owner to drop its shards")
    await made.until_spread()
    after = [signal_document("hold", "A", symbol=symbol, signal_id=f"{symbol} after") for symbol in SYMBOLS]
    for pod in made.running:
        told = {(await by_http(pod, hold))["outcome"] for hold in after}
        assert told == {"held" if pod is made.running[0] else "duplicate"}
    assert await made.exchange.requests("POST", ORDER) == orders
    assert Counter(map(fate, orders)) == {(late, REFUSED_FOR_ITS_AGE): 1, (late, 0): 1, (unanswered, 0): 1}
    history = await made.everything_holds(scratch)
    assert history.decisions.keys() == set(map(key_of, [*buys, *after]))
    for symbol in symbols:
        assert await made.exchange.held(symbol) == Decimal(QUANTITY)
        await only_the_newest_owner_wrote(made.stores, symbol)


def fate(request: Mapping[str, Any]) -> tuple[str, int]:
    """Symbol of an order that the exchange was sent, and the code that refused it, 0 without."""
    return request["parameters"]["symbol"], request["answer"].get("code", 0)


async def held(made: Site, symbol: str) -> bool:
    return bool(await made.exchange.held(symbol))


async def protected(made: Site, symbols: Sequence[str]) -> bool:
    """Whether stop and target of each symbol rest."""
    return all([len(await made.exchange.stops(symbol)) == 2 for symbol in symbols])


async def own_everything(pods: list[EngineProcess]) -> bool:
    """Whether these pods decide all that there is to decide."""
    ready = [(await pod.readiness())[0] == 200 for pod in pods]
    found = [await pod.metric("tradeengine_leases_held") for pod in pods]
    return all(ready) and sum(found) == SHARDS


async def dropped(pod: EngineProcess) -> bool:
    return "shard_lost" in pod.log() or "shard_fenced" in pod.log()


async def only_the_newest_owner_wrote(stores: Stores, symbol: str) -> None:
    """Insist that epochs never fall: behind a take-over nothing of a former owner's has landed."""
    records = await records_of(stores, shard_of(symbol, SHARDS))
    epochs = [record.epoch for record in records]
    assert epochs == sorted(epochs)
    assert len(takers(records)) >= 2
