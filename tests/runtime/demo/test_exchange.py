"""The demonstration's exchange lives as long as the engine that started it."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.deadline import PATIENCE_S, eventually
from tests.support.process import clean_env

_KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from shared.clock import SystemClock
from tradeengine.runtime.demo.exchange import DemoExchange

async def main():
    exchange = DemoExchange(Path(sys.argv[1]), SystemClock())
    await exchange.start()
    print(exchange.url, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.mark.process
async def test_it_does_not_outlive_an_engine_that_is_killed(tmp_path: Path) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, tmp_path], env=clean_env(), capture_output=True, timeout=PATIENCE_S, check=False
    )
    url = killed.stdout.decode().strip()
    assert url, killed.stderr.decode()

    def is_gone() -> bool:
        try:
            httpx.get(f"{url}/fapi/v1/ping", trust_env=False)
        except httpx.TransportError:
            return True
        return False

    await eventually(is_gone, "the exchange to end", look_s=0.05)
