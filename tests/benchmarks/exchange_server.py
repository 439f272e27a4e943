"""The simulated exchange in a process of its own."""

import asyncio
from typing import Any, Final

from shared.collector import calm_collector
from tests.benchmarks.apart import Line, say
from tradeengine.simulator.server import SimulatorServer
from tradeengine.simulator.setup import Setup

KEY, SECRET = "simulator-key", "simulator-secret"

ROOMY: Final[dict[str, Any]] = {"weight_1m": 10**9, "orders_10s": 10**9, "orders_1m": 10**9}
"""Limits that no benchmark reaches; they are counted all the same."""

LENIENT: Final[dict[str, Any]] = {"margin": "off", "brackets": "off", "liquidation": "off"}
"""An account that takes any number of orders."""


def setup_of(wallet: int = 100_000_000) -> dict[str, Any]:
    """The document that an exchange of the benchmarks is made from, without the options of the server."""
    return {"wallet": str(wallet), "options": dict(LENIENT)}


def make_setup() -> Setup:
    """The same, for the core without its server."""
    return Setup.model_validate(setup_of())


def serve(line: Line) -> int:
    """Serve until told to stop; says the address first, and returns the number of requests."""
    return asyncio.run(_serve(line))


async def _serve(line: Line) -> int:
    async with SimulatorServer() as server:
        calm_collector()
        say(line, server.url)
        await asyncio.to_thread(line.recv)
        return server.world.requests
