"""How many market orders a second the simulated exchange takes: its core alone, and over HTTP."""

import asyncio
from collections.abc import Sequence
from itertools import islice
from time import perf_counter_ns
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from shared.clock import SystemClock
from shared.collector import calm_collector
from tests.benchmarks.bare_client import FORM, market_order, signed
from tests.benchmarks.exchange_server import make_setup
from tradeengine.simulator.endpoints import ENDPOINTS
from tradeengine.simulator.exchange import Exchange
from tradeengine.simulator.params import Params

IN_FLIGHT: Final = 16

_PATH = "/fapi/v1/order"
_S = 1e9
_TURNS = (("BUY", "LONG"), ("SELL", "SHORT"))
"""Each opens or adds: with many in flight, a closing order could overtake what it is to close."""


def core_alone(count: int) -> float:
    """Orders a second of the core: parameters are read, the order is matched and its events are made."""
    exchange = Exchange(now_ms=SystemClock().now_ms(), setup=make_setup())
    endpoint = ENDPOINTS["POST", _PATH]
    orders = [{name.lower(): value for name, value in order.items()} for order in _orders(count)]
    calm_collector()
    begun = perf_counter_ns()
    for order in orders:
        endpoint.handler(exchange, Params(order))
        exchange.take_events()
    return count / (perf_counter_ns() - begun) * _S


def over_http(url: str, count: int, in_flight: int) -> float:
    """Orders a second that a server answers, over so many connections with one request each at a time.

    Requests are signed and written out before; the client knows no more of HTTP than it needs, so that the server is
    what limits.
    """
    return asyncio.run(_over_http(url, count, in_flight))


async def _over_http(url: str, count: int, in_flight: int) -> float:
    now_ms = SystemClock().now_ms()
    requests = [_request(url, signed(order, now_ms=now_ms)) for order in _orders(count)]
    shares = [list(islice(requests, number, None, in_flight)) for number in range(in_flight)]
    address = urlsplit(url)
    connections = [await asyncio.open_connection(address.hostname, address.port) for _ in shares]
    begun = perf_counter_ns()
    async with asyncio.TaskGroup() as tasks:
        for (reader, writer), share in zip(connections, shares, strict=True):
            tasks.create_task(_exchange(reader, writer, share))
    took = perf_counter_ns() - begun
    for _, writer in connections:
        writer.close()
        await writer.wait_closed()
    return count / took * _S


def _orders(count: int) -> list[dict[str, str]]:
    return [market_order(f"order-{number}", *_TURNS[number % 2]) for number in range(count)]


def _request(url: str, body: str) -> bytes:
    headers = "".join(f"{name}: {value}\r\n" for name, value in FORM.items())
    host = urlsplit(url).netloc
    return f"POST {_PATH} HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Length: {len(body)}\r\n\r\n{body}".encode()


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, requests: Sequence[bytes]) -> None:
    for request in requests:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(_length(head))
        if not head.startswith(b"HTTP/1.1 200"):
            asked = dict(parse_qsl(request.rpartition(b"\r\n")[2].decode()))
            raise RuntimeError(f"the order {asked} was answered with {body.decode()}")


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise RuntimeError(f"an answer does not say how long it is: {head!r}")
