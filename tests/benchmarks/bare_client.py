"""The least that a client of the exchange must do: sign, send, read the answer."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import aiohttp

from shared.clock import SystemClock
from tests.benchmarks.exchange_server import KEY, SECRET

FORM = {"Content-Type": "application/x-www-form-urlencoded", "X-MBX-APIKEY": KEY}


def signed(parameters: Mapping[str, str], *, now_ms: int, recv_window_ms: int = 60_000) -> str:
    """Parameters as a signed form."""
    form = urlencode({**parameters, "recvWindow": recv_window_ms, "timestamp": now_ms})
    return f"{form}&signature={hmac.new(SECRET.encode(), form.encode(), hashlib.sha256).hexdigest()}"


def market_order(client_id: str, side: str, position_side: str, symbol: str = "BTCUSDT") -> dict[str, str]:
    """Parameters of a market order of 0.01."""
    return {
        "symbol": symbol,
        "side": side,
        "positionSide": position_side,
        "type": "MARKET",
        "quantity": "0.01",
        "newClientOrderId": client_id,
    }


class BareClient:
    """Signed requests through one session of aiohttp.

    Parameters
    ----------
    url
        Base address of the exchange.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        self._clock = SystemClock()

    async def send(self, method: str, path: str, body: str) -> Any:
        """Send a signed form and return the answer's document.

        Raises
        ------
        RuntimeError
            If the exchange refused it.
        """
        async with self._session.request(method, f"{self._url}{path}", data=body, headers=FORM) as response:
            document = await response.json()
            if response.status != 200:
                raise RuntimeError(f"{method} {path} was answered with {response.status}: {document}")
            return document

    async def ask(self, method: str, path: str, parameters: Mapping[str, str]) -> Any:
        """Sign parameters and send them."""
        return await self.send(method, path, signed(parameters, now_ms=self._clock.now_ms()))
