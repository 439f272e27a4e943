"""Pods as they are deployed: several ``tradeengine run`` that share a broker, MongoDB and an account."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import httpx

from contracts.subjects import shard_of
from tests.outages.pods import held_by, until
from tests.outages.stores import Stores
from tests.outages.truth import everything_holds
from tests.process.store import History
from tests.simulator.conformance.symbols import symbol as listed
from tests.support.process import EngineProcess
from tests.support.rig import ROOMY, Exchange, settings_for

SYMBOLS: Final = ("BTCUSDT", "SOLUSDT", "ETHUSDT", "TRXUSDT", "LTCUSDT", "ADAUSDT")
"""One of each shard, in their order."""
SHARDS: Final = len(SYMBOLS)
PRICE: Final = Decimal(100)
"""Of all of them."""
NAMES: Final = ("a", "b", "c")

_PRICES = {"PRICE_FILTER": {"minPrice": "0.1", "maxPrice": "100000", "tickSize": "0.1"}}
_PATIENCE_S = 90.0
_ANSWER_S = 60.0
_REQUESTS_KEPT = 200_000

assert [shard_of(symbol, SHARDS) for symbol in SYMBOLS] == list(range(SHARDS))


class Site:
    """Makes pods; they end with the block."""

    def __init__(
        self,
        folder: Path,
        stores: Stores,
        nats_url: str,
        exchange: Exchange,
        client: httpx.AsyncClient,
        settings: Mapping[str, Any],
    ) -> None:
        self.exchange = exchange
        self.stores = stores
        self.nats_url = nats_url
        self.pods: dict[str, EngineProcess] = {}
        self._folder = folder
        self._client = client
        self._settings = settings

    def pod(self, name: str, **settings: Any) -> EngineProcess:
        """Make one, not started yet."""
        shared = {"SHARDS": str(SHARDS), "ALLOWED_SYMBOLS": ",".join(SYMBOLS), "RECONCILE_INTERVAL_SECONDS": "1"}
        named = {**self.stores.settings(), **shared, "POD_NAME": name, **self._settings, **settings}
        given = settings_for(self.exchange, **named)
        made = EngineProcess(self._folder / name, self._client, nats_url=self.nats_url, settings=given)
        self.pods[name] = made
        return made

    async def started(self, *names: str) -> list[EngineProcess]:
        """Start pods side by side, and wait until they share the shards."""
        made = [self.pods.get(name) or self.pod(name) for name in names]
        await asyncio.gather(*(pod.start() for pod in made))
        await self.until_spread()
        return made

    @property
    def running(self) -> list[EngineProcess]:
        """Pods that have a process."""
        return [pod for pod in self.pods.values() if pod.running]

    async def shares(self) -> dict[str, set[int]]:
        """Shards that each running pod believes to hold."""
        found = await asyncio.gather(*(held_by(pod) for pod in self.running))
        return dict(zip([pod.data.name for pod in self.running], found, strict=True))

    async def until_spread(self, seconds: float = _PATIENCE_S) -> None:
        """Wait until every shard is held by one of the running pods, each has its fair share, and all are ready."""
        told: dict[str, set[int]] = {}

        async def is_fair() -> bool:
            nonlocal told
            told = await self.shares()
            counts = sorted(map(len, told.values()))
            all_held = sorted(shard for shards in told.values() for shard in shards) == list(range(SHARDS))
            if not all_held or counts[-1] - counts[0] > 1:
                return False
            return all([(await pod.readiness())[0] == 200 for pod in self.running])

        try:
            await until(is_fair, "a fair spread", seconds)
        except AssertionError as error:
            said = [f"{pod.data.name}: {await pod.readiness()}" for pod in self.running]
            raise AssertionError(f"{error}: {told}, {said}") from error

    async def owner_of(self, symbol: str) -> EngineProcess:
        """The pod that works on a symbol."""
        (found,) = [name for name, held in (await self.shares()).items() if shard_of(symbol, SHARDS) in held]
        return self.pods[found]

    async def everything_holds(self, scratch: Path) -> History:
        """Wait for rest, end the pods, and compare journal, books, copies and exchange with each other."""
        return await everything_holds(
            self.stores, self.exchange, scratch, *self.running, symbols=SYMBOLS, patience_s=_PATIENCE_S
        )

    def close(self) -> None:
        """Leave no pod behind."""
        for pod in self.pods.values():
            pod.close()


@asynccontextmanager
async def site(folder: Path, stores: Stores, nats_url: str, **settings: Any) -> AsyncIterator[Site]:
    """Start an exchange that lists :data:`SYMBOLS`, for pods with these settings.

    Parameters
    ----------
    settings
        More of every pod's environment.
    """
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=_ANSWER_S, trust_env=False))
        exchange = Exchange(folder, client)
        await exchange.start()
        stack.callback(exchange.close)
        await exchange.reset(
            symbols=[listed(name, filters=_PRICES) for name in SYMBOLS],
            marks=marks(),
            options=ROOMY | {"requests_kept": _REQUESTS_KEPT},
        )
        made = Site(folder, stores, nats_url, exchange, client, settings)
        stack.callback(made.close)
        yield made


def marks(price: Decimal = PRICE, symbols: Sequence[str] = SYMBOLS) -> dict[str, str]:
    """Prices for the exchange's control side."""
    return {symbol: str(price) for symbol in symbols}
