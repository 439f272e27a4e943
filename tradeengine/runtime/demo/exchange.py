"""The demonstration's exchange: the simulator in a process of its own, which orders reach over the wire."""

import asyncio
import re
import sys
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Final

import httpx
import structlog

from shared.clock import Clock
from shared.errors import ConfigError

KEY: Final = "simulator-key"
SECRET: Final = "simulator-secret"  # noqa: S105 - of an exchange without money

_ADDRESS = re.compile(rb"http://127\.0\.0\.1:\d+")
_START_S: Final = 30.0
_STOP_S: Final = 5.0

log = structlog.get_logger(__name__)


class DemoExchange:
    """Starts ``tradeengine simulator``, and moves its prices.

    Parameters
    ----------
    folder
        Where its state is kept over restarts.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._process: asyncio.subprocess.Process | None = None
        self._client = httpx.AsyncClient(timeout=5, trust_env=False)
        self._prices: dict[str, Decimal] = {}
        self._moved = asyncio.Event()
        self.url = ""

    async def start(self) -> None:
        """Start it on a free port.

        Raises
        ------
        ConfigError
            If it does not come up.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        state = self._folder / "exchange.json"
        command = ["-m", "tradeengine", "simulator", "--port", "0", "--state", str(state), "--tied"]
        with (self._folder / "exchange.log").open("wb") as errors:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *command,
                # Held open and never written to: it ends with this process, however that ends.
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                # Ctrl-C goes to the whole session; the engine still needs its exchange while it finishes.
                start_new_session=True,
            )
        assert self._process.stdout is not None  # noqa: S101 - it is piped
        said = b""
        with suppress(TimeoutError):
            async with asyncio.timeout(_START_S):
                while not (found := _ADDRESS.search(said)) and (line := await self._process.stdout.readline()):
                    said += line
        found = _ADDRESS.search(said)
        if found is None:
            await self.close()
            raise ConfigError(f"the simulated exchange did not start: {said.decode(errors='replace')[-500:]}")
        self.url = found[0].decode()

    @property
    def ws_url(self) -> str:
        """Address of its streams."""
        return self.url.replace("http://", "ws://")

    def post_price(self, symbol: str, price: Decimal) -> None:
        """Move a price, soon; only the newest of each symbol counts."""
        self._prices[symbol] = price
        self._moved.set()

    async def run(self) -> None:
        """Tell it the prices, until cancelled."""
        while True:
            await self._moved.wait()
            self._moved.clear()
            prices, self._prices = self._prices, {}
            for symbol, price in prices.items():
                try:
                    document = {"symbol": symbol, "price": format(price, "f")}
                    answer = await self._client.post(f"{self.url}/sim/mark", json=document)
                    answer.raise_for_status()
                except httpx.HTTPError as error:
                    log.warning("demo_price_lost", symbol=symbol, reason=str(error))

    async def close(self) -> None:
        """End it."""
        await self._client.aclose()
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(_STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
