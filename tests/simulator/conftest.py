"""The simulator that the conformance and arithmetic suites speak to.

``pytest tests/simulator --base-url http://host:port`` runs them against a simulator that is already there (its state
is replaced before each test); without it one is started here, with a virtual clock.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.simulator.conformance.client import Client
from tests.simulator.conformance.sim import Sim


@pytest.fixture(scope="session")
def simulator_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Address of the simulator under test."""
    given = request.config.getoption("--base-url")
    if given:
        yield str(given)
        return
    from tradeengine.simulator.server import SimulatorServer

    started: list[str] = []
    failed: list[BaseException] = []
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def run() -> None:
        server = SimulatorServer(port=0, virtual_time=True)
        try:
            await server.start()
            started.append(server.url)
        finally:
            ready.set()
        await stop.wait()
        await server.stop()

    def work() -> None:
        try:
            loop.run_until_complete(run())
        except BaseException as error:  # noqa: BLE001 - handed to the fixture, which raises it
            failed.append(error)
        finally:
            loop.close()

    thread = threading.Thread(target=work, name="simulator", daemon=True)
    thread.start()
    assert ready.wait(30), "the simulator did not start in 30 s"
    if not started:
        thread.join()
        raise failed[0]
    yield started[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    assert not failed, failed


@pytest.fixture(scope="session")
def simulator(simulator_url: str) -> Iterator[Sim]:
    """The simulator under test, as other tests left it."""
    sim = Sim(simulator_url)
    yield sim
    sim.close()


@pytest.fixture
def sim(simulator: Sim) -> Sim:
    """The simulator under test, with a fresh state: BTCUSDT at 50000 between 49999.9 and 50000, ETHUSDT at 3000."""
    simulator.reset(marks={"BTCUSDT": "50000", "ETHUSDT": "3000"})
    simulator.mark("BTCUSDT", "50000", bid="49999.9", ask="50000")
    return simulator


@pytest.fixture
def virtual(sim: Sim) -> Sim:
    """As ``sim``, for tests that move the clock."""
    if not sim.virtual:
        pytest.skip("needs a simulator with a virtual clock")
    return sim


@pytest.fixture
async def client(sim: Sim) -> AsyncIterator[Client]:
    """An AsyncClient of python-binance that is connected to the simulator."""
    client = Client(sim)
    yield client
    await client.aclose()
