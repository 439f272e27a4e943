"""Everything that a run needs: servers, the exchange, three engines, and a proxy on each way between them."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from scripts.devservices.server import Server
from tests.chaos.market import MARKS, SHARDS, setup
from tests.chaos.plan import PODS, Link
from tests.outages.stores import Stores, ready_stores
from tests.support.process import EngineProcess
from tests.support.rig import Exchange, settings_for
from tests.support.services import MongoServer, MySqlServer, NatsServer
from tests.support.toxiproxy import Proxy, Toxiproxy

LEASE_S = 4
_CLIENT_TIMEOUT_S = 5.0
_START_S = 180.0
"""Much longer than any start takes on a machine that has much else to do."""


@dataclass
class Stage:
    """The whole system.

    Attributes
    ----------
    servers
        Those that are killed and come back.
    links
        By pod and what it is joined to.
    restarting
        Servers that are away now.
    """

    folder: Path
    client: httpx.AsyncClient
    nats: NatsServer
    servers: dict[Link, Server]
    exchange: Exchange
    stores: Stores
    pods: dict[str, EngineProcess] = field(default_factory=dict)
    links: dict[tuple[str, Link], Proxy] = field(default_factory=dict)
    restarting: set[Link] = field(default_factory=set)

    @property
    def settings(self) -> dict[str, str]:
        """What an operator's commands need to know, without any fault between."""
        common = settings_for(self.exchange, ALLOWED_SYMBOLS=",".join(MARKS), SHARDS=str(SHARDS))
        return common | self.stores.settings() | {"NATS_URL": self.nats.url, "NATS_EMBEDDED": "off"}

    async def until_ready(self, seconds: float) -> None:
        """Wait until every pod is ready."""
        deadline = time.monotonic() + seconds
        for pod in self.pods.values():
            await pod.until_ready(max(1.0, deadline - time.monotonic()))


@asynccontextmanager
async def staged(folder: Path, servers: Path) -> AsyncIterator[Stage]:
    """Start everything; it ends with the block.

    Parameters
    ----------
    folder
        Where logs and the engines' folders go.
    servers
        Where the servers keep their data; one that runs as another user must get there.
    """
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=_CLIENT_TIMEOUT_S, trust_env=False))
        toxiproxy = stack.enter_context(Toxiproxy())
        nats = NatsServer(servers / "nats", sync_always=True)
        made: dict[Link, Server] = {
            Link.NATS: nats,
            Link.MONGODB: MongoServer(servers / "mongodb"),
            Link.MYSQL: MySqlServer(servers / "mysql"),
        }
        for server in made.values():
            stack.callback(server.close)
            server.start()
        exchange = Exchange(folder, client)
        await exchange.start()
        stack.callback(exchange.close)
        await exchange.reset(**setup(requests_kept=1_000))
        stores = await ready_stores(made[Link.MONGODB].url, made[Link.MYSQL].url)
        stage = Stage(folder, client, nats, made, exchange, stores)
        for name in PODS:
            _join(stage, name, toxiproxy)
            stack.callback(stage.pods[name].close)
        for pod in stage.pods.values():
            pod.spawn()
        await stage.until_ready(_START_S)
        yield stage


def _join(stage: Stage, name: str, toxiproxy: Toxiproxy) -> None:
    """Make a pod, not started yet, and its ways to everything."""
    stores = stage.stores
    assert stores.mysql is not None
    addresses = {
        Link.NATS: stage.nats.url,
        Link.MONGODB: stores.mongodb,
        Link.MYSQL: stores.mysql,
        Link.EXCHANGE: stage.exchange.url,
    }
    ways = {link: toxiproxy.proxy(url) for link, url in addresses.items()}
    stage.links |= {(name, link): way for link, way in ways.items()}
    settings = stage.settings | stores.settings(mongodb=ways[Link.MONGODB].url, mysql=ways[Link.MYSQL].url)
    settings |= {
        "BINANCE_FUTURES_BASE_URL": ways[Link.EXCHANGE].url,
        "BINANCE_WS_URL": ways[Link.EXCHANGE].url.replace("http://", "ws://"),
        "POD_NAME": name,
        "LEASE_SECONDS": str(LEASE_S),
        "BINANCE_RECV_WINDOW_MS": "1000",
        "RECONCILE_INTERVAL_SECONDS": "5",
    }
    del settings["NATS_URL"], settings["NATS_EMBEDDED"]
    stage.pods[name] = EngineProcess(stage.folder / name, stage.client, nats_url=ways[Link.NATS].url, settings=settings)


async def started(server: Server) -> None:
    """Start a server on its data, and return when it answers; the start itself is on this thread."""
    server.spawn()
    deadline = time.monotonic() + _START_S
    while not await asyncio.to_thread(server.answers):
        assert server.pid is not None, f"{server.name} ended at its start; its log is {server.log_file}"
        assert time.monotonic() < deadline, f"{server.name} does not answer; its log is {server.log_file}"
        await asyncio.sleep(0.1)
