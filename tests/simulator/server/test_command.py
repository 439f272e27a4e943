"""``tradeengine simulator``: what it prints, what it keeps over a restart, and how it ends."""

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.simulator.server.processes import SimulatorProcess
from tests.simulator.server.raw import KEY, RESTING, SECRET, form, signature
from tests.support.deadline import PATIENCE_S, Deadline
from tests.support.process import tradeengine

pytestmark = pytest.mark.process

PRICES = "time,open,high,low,close,volume\n" + "".join(
    f"2024-01-01T00:0{minute}:00Z,{100 + minute},{101 + minute},{99 + minute},{100.5 + minute},1\n"
    for minute in range(5)
)


async def ask(url: str, method: str, path: str, body: Any = None, **values: Any) -> Any:
    """A request; signed if it has values."""
    async with aiohttp.ClientSession() as session:
        if not values:
            async with session.request(method, url + path, json=body) as response:
                return await response.json()
        now_ms = (await ask(url, "GET", "/fapi/v1/time"))["serverTime"]
        text = form(values | {"timestamp": now_ms})
        text += f"&signature={signature(text, SECRET)}"
        async with session.request(method, f"{url}{path}?{text}", headers={"X-MBX-APIKEY": KEY}) as response:
            return await response.json()


async def open_ids(url: str) -> list[str]:
    orders = await ask(url, "GET", "/fapi/v1/openOrders", symbol="BTCUSDT")
    return [order["clientOrderId"] for order in orders]


def wait_for_text(file: Path, text: str) -> None:
    deadline = Deadline()
    while not file.exists() or text not in file.read_text():
        assert not deadline.passed(), f"no {text} in {file}"
        time.sleep(0.05)


async def test_it_says_where_it_is_and_ends_cleanly(tmp_path: Path) -> None:
    async with SimulatorProcess(tmp_path, "--seed", "3") as simulator:
        assert await ask(simulator.url, "GET", "/fapi/v1/ping") == {}
        for word in (
            f"{simulator.url}/fapi",
            "/ws-fapi/v1",
            "/private/ws",
            f"{simulator.url}/sim/state",
            KEY,
            SECRET,
            "seed 3",
            "FSTREAM_URL",
        ):
            assert word in simulator.output
        assert await simulator.end() == 0
    assert "stopped after 1 requests" in simulator.output
    assert "Traceback" not in simulator.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
async def test_the_state_outlives_the_process(tmp_path: Path, number: signal.Signals) -> None:
    state = tmp_path / "state.json"
    async with SimulatorProcess(tmp_path, "--state", state) as simulator:
        for name in ("one", "two"):
            await ask(simulator.url, "POST", "/fapi/v1/order", **RESTING, newClientOrderId=name)
        before = await ask(simulator.url, "GET", "/sim/state")
        if number is signal.SIGKILL:
            await asyncio.to_thread(wait_for_text, state, '"two"')
        await simulator.end(number)
    async with SimulatorProcess(tmp_path, "--state", state) as simulator:
        assert await open_ids(simulator.url) == ["one", "two"]
        after = await ask(simulator.url, "GET", "/sim/state")
        assert {name for name in before if before[name] != after[name]} <= {"now_ms", "server"}
        await simulator.end()


async def test_virtual_time_outlives_the_process(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    async with SimulatorProcess(tmp_path, "--state", state, "--virtual-time") as simulator:
        await ask(simulator.url, "POST", "/sim/clock", {"advance_ms": 12_345})
        before = await ask(simulator.url, "GET", "/sim/state")
        await simulator.end()
    async with SimulatorProcess(tmp_path, "--state", state, "--virtual-time") as simulator:
        assert await ask(simulator.url, "GET", "/sim/state") == before
        await simulator.end()


async def test_recorded_prices_are_played(tmp_path: Path) -> None:
    file = tmp_path / "eth.csv"
    file.write_text(PRICES)
    async with SimulatorProcess(tmp_path, "--prices", f"ETHUSDT={file}", "--virtual-time") as simulator:
        start_ms = (await ask(simulator.url, "GET", "/fapi/v1/time"))["serverTime"]
        assert start_ms == 1_704_067_200_000
        for minute in range(1, 5):
            await ask(simulator.url, "POST", "/sim/clock", {"advance_ms": 60_000})
            index = await ask(simulator.url, "GET", "/fapi/v1/premiumIndex?symbol=ETHUSDT")
            assert float(index["markPrice"]) == 100 + minute
        rows = await ask(simulator.url, "GET", "/fapi/v1/klines?symbol=ETHUSDT&interval=1m")
        assert [(row[0] - start_ms, float(row[4])) for row in rows[-5:-1]] == [
            (60_000 * minute, 100.5 + minute) for minute in range(4)
        ]
        await simulator.end()


async def test_prices_are_played_faster(tmp_path: Path) -> None:
    file = tmp_path / "eth.csv"
    file.write_text(PRICES)
    async with SimulatorProcess(tmp_path, "--prices", f"ETHUSDT={file}", "--speed", "600") as simulator:
        async with asyncio.timeout(PATIENCE_S):
            price = 0.0
            while price != 104.5:
                await asyncio.sleep(0.02)
                price = float((await ask(simulator.url, "GET", "/fapi/v1/premiumIndex?symbol=ETHUSDT"))["markPrice"])
        await simulator.end()


async def test_a_taken_port_is_named(tmp_path: Path) -> None:
    async with SimulatorProcess(tmp_path) as simulator:
        port = simulator.url.rpartition(":")[2]
        done = await asyncio.to_thread(tradeengine, "simulator", "--port", port)
        await simulator.end()
    assert done.returncode == 78
    assert port in done.stderr
    assert "--port" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "content", "said"),
    [
        (["--prices", "ETHUSDT={}"], "time,price\n", "{}:1"),
        (["--prices", "NONEUSDT={}"], PRICES, "BTCUSDT, ETHUSDT"),
        (["--state", "{}"], "no json", "remove"),
        (["--state", "{}"], "{}", "remove"),
        (["--state", "{}/none"], "", "is no folder"),
    ],
)
def test_wrong_files_are_named(tmp_path: Path, arguments: list[str], content: str, said: str) -> None:
    file = tmp_path / "given"
    file.write_text(content)
    done = tradeengine("simulator", "--port", "0", *(argument.format(file) for argument in arguments))
    assert done.returncode == 78, done.stderr
    assert said.format(file) in done.stderr
    assert "Traceback" not in done.stderr
