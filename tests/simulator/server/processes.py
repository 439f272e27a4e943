"""``tradeengine simulator`` in a process of its own."""

import asyncio
import re
import signal
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.deadline import PATIENCE_S
from tests.support.process import TRADEENGINE, clean_env

_REST = re.compile(r"^\s+REST\s+(http://\S+)/fapi$", re.MULTILINE)


class SimulatorProcess:
    """A simulator that is started on entering, and stopped on leaving if it still runs.

    Parameters
    ----------
    folder
        Where its output is kept.
    arguments
        Of the command line; the port is a free one unless given.
    """

    def __init__(self, folder: Path, *arguments: str | Path) -> None:
        self._output = folder / "simulator.out"
        self._command = [TRADEENGINE, "simulator", "--port", "0", *arguments]
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    @property
    def output(self) -> str:
        return self._output.read_text()

    async def __aenter__(self) -> Self:
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                self._command, env=clean_env(), stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
            )
        async with asyncio.timeout(PATIENCE_S):
            while not (found := _REST.search(self.output)):
                assert self._process.poll() is None, self.output
                await asyncio.sleep(0.02)
        self.url = found[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            await self.end(signal.SIGKILL)

    async def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send a signal and wait for the end; the exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return await asyncio.to_thread(self._process.wait, PATIENCE_S)
