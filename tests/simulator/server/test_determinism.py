"""Same seed and same inputs, same bytes."""

import asyncio
from typing import Any

from tests.simulator.server.raw import ORDER, RESTING, SECRET, Raw, form, signature
from tests.support.deadline import PATIENCE_S
from tradeengine.simulator.server import SimulatorServer


class Recorder:
    """Sends requests over one plain connection and keeps every byte that comes back."""

    def __init__(self, server: SimulatorServer) -> None:
        self.server = server
        self.seen: list[bytes] = []

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.server.port)

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    async def send(self, method: str, path: str, body: str = "") -> None:
        head = f"{method} {path} HTTP/1.1\r\nHost: simulator\r\nX-MBX-APIKEY: simulator-key\r\n"
        self._writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        answer = await self._reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in answer.split(b"\r\n") if line.startswith(b"Content-Length"))
        self.seen.append(answer + await self._reader.readexactly(length))

    async def signed(self, method: str, path: str, **values: Any) -> None:
        text = form({**values, "timestamp": self.server.world.clock.now_ms()})
        text += f"&signature={signature(text, SECRET)}"
        await (self.send(method, f"{path}?{text}") if method == "GET" else self.send(method, path, text))


async def history(seed: int) -> tuple[list[bytes], list[bytes]]:
    """Bytes of answers, and of events, of one and the same story."""
    async with SimulatorServer(virtual_time=True, seed=seed) as server, Raw(server) as raw:
        recorder = Recorder(server)
        await recorder.open()
        stream = await raw.user_stream()
        await recorder.send("POST", "/fapi/v1/listenKey")
        await recorder.send("GET", "/fapi/v1/exchangeInfo")
        for number in range(3):
            await recorder.signed("POST", "/fapi/v1/order", **ORDER)
            await recorder.signed("POST", "/fapi/v1/order", **RESTING)
            await recorder.send("POST", "/sim/clock", '{"advance_ms": 61001}')
            await recorder.send("POST", "/sim/mark", f'{{"symbol": "BTCUSDT", "price": {49500 - 300 * number}.5}}')
        await recorder.signed("GET", "/fapi/v1/userTrades", symbol="BTCUSDT")
        await recorder.signed("GET", "/fapi/v3/account")
        await recorder.signed("DELETE", "/fapi/v1/order", symbol="BTCUSDT", orderId=1)
        await recorder.send("GET", "/nonesuch")
        await recorder.send("GET", "/sim/state")
        await recorder.signed("POST", "/fapi/v1/leverage", symbol="ETHUSDT", leverage=3)
        events: list[bytes] = []
        while not events or b"ACCOUNT_CONFIG_UPDATE" not in events[-1]:
            message = await stream.ws.receive(timeout=PATIENCE_S)
            events.append(message.data.encode())
        await recorder.close()
        return recorder.seen, events


async def test_two_servers_with_one_seed_say_the_same() -> None:
    first, second = await history(5), await history(5)
    assert first == second
    answers, events = first
    assert len(answers) == 20
    assert len(events) > 15


async def test_another_seed_makes_other_ids() -> None:
    (first, _), (second, _) = await history(5), await history(6)
    assert first[0] != second[0]
