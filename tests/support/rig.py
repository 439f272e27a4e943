"""Engine and simulated exchange as two processes, joined by HTTP and WebSocket as in production."""

import asyncio
import hashlib
import hmac
import re
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

from scripts.devservices.ports import Port, reserve
from tests.support.deadline import PATIENCE_S, Deadline
from tests.support.process import LOOK_S, NO_NATS, TRADEENGINE, EngineProcess, clean_env
from tests.venue.binance.liar import Lie, liar

KEY, SECRET = "simulator-key", "simulator-secret"
OPERATOR_KEY = "operator-of-the-tests"
OPERATE = {"Authorization": f"Bearer {OPERATOR_KEY}"}

ROOMY = {"weight_1m": 10**9, "orders_10s": 10**9, "orders_1m": 10**9}
"""Limits of an exchange that no test reaches, however often it looks."""

LONG_WINDOW_MS = 60_000
"""The longest that the exchange allows; no engine is set to it, so it also tells the tests' own requests."""

_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")


class Exchange:
    """``tradeengine simulator`` in a process of its own, and its control side.

    Parameters
    ----------
    folder
        Where its output goes.
    arguments
        More of its command line.
    """

    def __init__(self, folder: Path, client: httpx.AsyncClient, *arguments: str | Path) -> None:
        self._folder = folder
        self._client = client
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self._reserved: Port | None = None
        self.runs = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it and wait until it answers; its port stays its own while it is away."""
        assert self._process is None, "the exchange runs"
        if self._reserved is None:
            self._reserved = reserve()
            self.port = self._reserved.number
        self.runs += 1
        log_file = self._folder / f"exchange.run-{self.runs}.log"
        command = [TRADEENGINE, "simulator", "--port", str(self.port), *self._arguments]
        with log_file.open("wb") as log:
            self._process = subprocess.Popen(
                command, env=clean_env(), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        deadline = Deadline()
        while not _ADDRESS.search(log_file.read_text(errors="replace")):
            assert self._process.poll() is None, f"the exchange ended\n{log_file.read_text(errors='replace')}"
            assert not deadline.passed(), f"waited for the exchange\n{log_file.read_text(errors='replace')}"
            await asyncio.sleep(LOOK_S)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=PATIENCE_S)
            self._process = None

    def close(self) -> None:
        """Leave no process behind, and give the port back."""
        self.kill()
        if self._reserved is not None:
            self._reserved.release()
            self._reserved = None

    async def post(self, path: str, document: Any) -> Any:
        """Use its control side."""
        answer = await self._client.post(f"{self.url}/sim/{path}", json=document)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def reset(self, **document: Any) -> None:
        """Replace the whole state of the exchange."""
        await self.post("reset", document)

    async def mark(self, symbol: str, price: Decimal | str | int) -> None:
        """Move a price."""
        await self.post("mark", {"symbol": symbol, "price": str(price)})

    async def fault(
        self, effect: Mapping[str, Any] | str, times: int | None = 1, when: str | None = None, **match: Any
    ) -> None:
        """Let requests or events that match go wrong; the effect is one of the control side's, before or after."""
        named = effect if isinstance(effect, str) else dict(effect)
        fault: dict[str, Any] = {"match": match, "times": times, "effect": named}
        await self.post("faults", [fault | ({"when": when} if when else {})])

    async def heal(self) -> None:
        """Let nothing go wrong any more."""
        answer = await self._client.delete(f"{self.url}/sim/faults")
        assert answer.is_success, answer.text

    async def requests(self, method: str = "", path: str = "", since: int = 0) -> list[dict[str, Any]]:
        """All that it received after a :meth:`moment`, as far as it matches."""
        document = await self._look(f"requests?since={since}")
        return [row for row in document["requests"] if method in ("", row["method"]) and path in row["path"]]

    async def moment(self) -> int:
        """Number of the newest request, to ask for later ones."""
        return int((await self._look(f"requests?since={10**10}"))["next"])

    async def state(self) -> dict[str, Any]:
        """Everything that it knows."""
        document: dict[str, Any] = await self._look("state")
        return document

    async def _look(self, path: str) -> Any:
        answer = await self._client.get(f"{self.url}/sim/{path}")
        assert answer.is_success, answer.text
        return answer.json()

    async def signed(self, method: str, path: str, **parameters: Any) -> Any:
        """Make a signed request of the exchange's own API, as somebody beside the engine does."""
        now = (await self._client.get(f"{self.url}/fapi/v1/time")).json()["serverTime"]
        query = urlencode(
            {**{k: str(v) for k, v in parameters.items()}, "timestamp": now, "recvWindow": LONG_WINDOW_MS}
        )
        signature = hmac.new(SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()
        answer = await self._client.request(
            method, f"{self.url}{path}?{query}&signature={signature}", headers={"X-MBX-APIKEY": KEY}
        )
        return answer.json()

    async def held(self, symbol: str = "BTCUSDT", side: str = "LONG") -> Decimal:
        """Quantity of a leg, as the exchange states it: negative for a short one."""
        rows = await self.signed("GET", "/fapi/v2/positionRisk", symbol=symbol)
        return sum((Decimal(row["positionAmt"]) for row in rows if row["positionSide"] == side), Decimal(0))

    async def stops(self, symbol: str = "BTCUSDT") -> list[dict[str, Any]]:
        """Conditional orders that rest."""
        rows: list[dict[str, Any]] = await self.signed("GET", "/fapi/v1/openAlgoOrders", symbol=symbol)
        return rows


class Rig:
    """The two of them."""

    def __init__(self, exchange: Exchange, engine: EngineProcess) -> None:
        self.exchange = exchange
        self.engine = engine

    async def until(self, condition: Callable[[], Any], what: str, seconds: float = PATIENCE_S) -> Any:
        """Wait until a condition, which may be asynchronous, holds; what it returned then."""
        deadline = Deadline(seconds)
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            assert not deadline.passed(), f"waited {deadline} for {what}\n{self.engine.log_tail()}"
            await asyncio.sleep(LOOK_S)


def settings_for(exchange: Exchange, **more: str) -> dict[str, str]:
    """Environment of an engine that trades at the simulated exchange."""
    return {
        "TRADING_MODE": "testnet",
        "BINANCE_API_KEY": KEY,
        "BINANCE_API_SECRET": SECRET,
        "BINANCE_FUTURES_BASE_URL": exchange.url,
        "BINANCE_WS_URL": exchange.ws_url,
        "ALLOWED_SYMBOLS": "BTCUSDT,ETHUSDT",
        "STOP_LOSS_PCT": "0.02",
        "TAKE_PROFIT_PCT": "0.04",
        "RISK_OVERRIDE_KEY": OPERATOR_KEY,
        **more,
    }


@asynccontextmanager
async def rig(
    folder: Path,
    *,
    setup: Mapping[str, Any] | None = None,
    lies: Mapping[str, Lie] | None = None,
    started: bool = True,
    nats_url: str | None = NO_NATS,
    **settings: str,
) -> AsyncIterator[Rig]:
    """Start an exchange, and an engine that trades there.

    Parameters
    ----------
    setup
        Document of the exchange's ``/sim/reset``; limits are roomy unless it says otherwise.
    lies
        End of a path to what the engine is told instead of the exchange's answer; see :func:`liar`.
    started
        Whether the engine is started, and ready.
    nats_url
        Broker of the engine, as :class:`EngineProcess` takes it.
    settings
        More of the engine's environment.
    """
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False))
        exchange = Exchange(folder, client)
        await exchange.start()
        stack.callback(exchange.close)
        given_setup = dict(setup or {})
        await exchange.reset(**given_setup | {"options": ROOMY | given_setup.get("options", {})})
        if lies:
            told = await stack.enter_async_context(liar(exchange.url, dict(lies)))
            settings = {"BINANCE_FUTURES_BASE_URL": told, **settings}
        given = settings_for(exchange, **settings)
        engine = EngineProcess(folder / "data", client, nats_url=nats_url, settings=given)
        stack.callback(engine.close)
        if started:
            await engine.start()
        yield Rig(exchange, engine)
