"""A client that sends exactly what a test says, over aiohttp."""

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple, Self
from urllib.parse import quote_plus

import aiohttp
from yarl import URL

from tests.support.deadline import PATIENCE_S
from tradeengine.simulator.server import SimulatorServer

KEY, SECRET = "simulator-key", "simulator-secret"
DEADLINE_S = PATIENCE_S
ORDER = {"symbol": "BTCUSDT", "side": "BUY", "positionSide": "LONG", "type": "MARKET", "quantity": "0.010"}
RESTING = ORDER | {"type": "LIMIT", "timeInForce": "GTC", "price": "49000"}


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: Any
    headers: Mapping[str, str]
    text: str

    @property
    def code(self) -> Any:
        return self.body["code"]


def signature(text: str, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def form(values: Mapping[str, Any]) -> str:
    return "&".join(f"{name}={quote_plus(str(value))}" for name, value in values.items())


class Raw:
    """One API key's connection to a simulator.

    Parameters
    ----------
    server
        Running in this loop.
    """

    def __init__(self, server: SimulatorServer, key: str = KEY, secret: str = SECRET) -> None:
        self.server = server
        self.key = key
        self.secret = secret
        self.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=DEADLINE_S))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    @property
    def now_ms(self) -> int:
        return self.server.world.clock.now_ms()

    async def send(
        self, method: str, path: str, query: str = "", body: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send these texts; without headers of its own the request carries the key and says that it is a form."""
        target = URL(f"{self.server.url}{path}" + (f"?{query}" if query else ""), encoded=True)
        if headers is None:
            headers = {"X-MBX-APIKEY": self.key, "Content-Type": "application/x-www-form-urlencoded"}
        async with self.session.request(method, target, data=body, headers=headers) as response:
            text = await response.text()
            document = json.loads(text, parse_float=Decimal) if "json" in response.content_type and text else None
            return Answer(response.status, document, response.headers, text)

    async def public(self, path: str, query: str = "") -> Answer:
        return await self.send("GET", path, query, headers={})

    async def signed(self, method: str, path: str, **values: Any) -> Answer:
        """Sign and send: in the query for GET, else as a form."""
        values.setdefault("timestamp", self.now_ms)
        text = form(values)
        text += f"&signature={signature(text, self.secret)}"
        return await self.send(method, path, text) if method == "GET" else await self.send(method, path, body=text)

    async def order(self, **values: Any) -> Answer:
        return await self.signed("POST", "/fapi/v1/order", **(ORDER | values))

    async def control(self, method: str, path: str, document: Any = None) -> Answer:
        """Ask the control side."""
        path, _, query = path.partition("?")
        body = None if document is None else json.dumps(document)
        return await self.send(method, f"/sim/{path}", query, body, headers={})

    async def reset(self, **document: Any) -> None:
        answer = await self.control("POST", "reset", document)
        assert answer.status == 200, answer.text

    async def fault(self, effect: Any, **more: Any) -> None:
        """Arm a fault for orders, if nothing else is said."""
        match = more.pop("match", {"method": "POST", "path": "/fapi/v1/order"})
        answer = await self.control("POST", "faults", [{"match": match, "effect": effect, **more}])
        assert answer.status == 200, answer.text

    async def requests(self, since: int = 0) -> list[Any]:
        answer = await self.control("GET", f"requests?since={since}")
        assert answer.status == 200, answer.text
        return list(answer.body["requests"])

    async def open_key(self) -> str:
        answer = await self.send("POST", "/fapi/v1/listenKey")
        assert answer.status == 200, answer.text
        return str(answer.body["listenKey"])

    async def stream(self, path: str) -> "Stream":
        """Open a WebSocket below the server's address."""
        return Stream(await self.session.ws_connect(self.server.ws_url + path, autoclose=True, max_msg_size=1 << 24))

    async def user_stream(self) -> "Stream":
        return await self.stream(f"/private/ws?listenKey={await self.open_key()}")


class Stream:
    """A WebSocket that is read with a deadline."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws

    async def next(self) -> Any:
        """The next message."""
        message = await self.ws.receive(timeout=DEADLINE_S)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        return json.loads(message.data)

    async def until(self, name: str, **fields: Any) -> list[Any]:
        """Read up to and including an event with these fields; what was read."""
        read: list[Any] = []
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            read.append(await self.next())
            body = read[-1] | read[-1].get("o", {})
            if read[-1].get("e") == name and all(body.get(field) == value for field, value in fields.items()):
                return read
        raise AssertionError(f"{name} not among {read}")

    async def say(self, document: Any) -> Any:
        """Send a message and read the next one."""
        await self.ws.send_str(json.dumps(document))
        return await self.next()

    async def ended(self) -> int | None:
        """Wait for the end; the code that the server closed with, 1006 for a cut."""
        while True:
            message = await self.ws.receive(timeout=DEADLINE_S)
            if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR):
                return self.ws.close_code
            assert message.type is aiohttp.WSMsgType.TEXT, message

    async def close(self) -> None:
        await self.ws.close()
