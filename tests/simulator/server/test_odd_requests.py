"""Requests that no client library sends are answered too, and leave the server as it was."""

import random

import pytest

from tests.simulator.server.raw import Raw

SEED = 20_260_101


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "status"),
    [
        ("GET", "/", "", None, 404),
        ("GET", "/fapi/v1/ping", "", "a body", 200),
        ("POST", "/fapi/v1/ping", "", "", 404),
        ("PATCH", "/fapi/v1/order", "", "", 404),
        ("GET", "/fapi/v1/ping", "a=%zz&=&&b", None, 200),
        ("GET", "/fapi/v1/ping", "a=1&A=2", None, 400),
        ("POST", "/fapi/v1/order", "", "\x00\xff%00%ff&&&=&signature=", 400),
        ("POST", "/fapi/v1/order", "timestamp=99999999999999999999999&signature=00", "", 400),
        ("GET", "/fapi/v1/klines", "symbol=BTCUSDT&interval=1m&limit=-1", None, 400),
        ("GET", "/ws/btcusdt@aggTrade", "", None, 404),
        ("GET", "/ws-fapi/v1", "", None, 404),
        ("GET", "/simulation", "", None, 404),
    ],
)
async def test_the_answer_is_a_refusal_and_no_failure(
    raw: Raw, method: str, path: str, query: str, body: str | None, status: int
) -> None:
    answer = await raw.send(method, path, query, body)
    assert answer.status == status, answer.text
    assert (await raw.order()).status == 200


async def test_no_text_makes_the_server_fail(raw: Raw) -> None:
    """Prints its seed on failure."""
    chance = random.Random(SEED)
    await raw.reset(options={"rate_limits": "off"})
    letters = "&=%+ \x00abcé€0123456789.-[]{}\"'"
    paths = [path for path, _ in zip(sorted(raw.server.world.paths), range(200), strict=False)]
    for _ in range(400):
        method, path = chance.choice(paths)
        text = "".join(chance.choice(letters) for _ in range(chance.randrange(60)))
        known = f"symbol=BTCUSDT&timestamp={raw.now_ms}&{text}"
        answer = await raw.send(method, path, body=known) if method != "GET" else await raw.signed("GET", path, x=text)
        assert answer.status in (200, 400, 404), (SEED, method, path, text, answer.text)
