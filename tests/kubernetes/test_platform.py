"""scripts/platform.sh: one engine on a laptop, with real processes."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.nats import wait_for_sync
from tests.support.process import clean_env

pytestmark = [pytest.mark.process, pytest.mark.slow]

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "platform.sh"
FAILED, WRONG = 1, 2


class Platform:
    """The script with a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Nothing of the machine's is met: a port of its own, and no NATS.
        self._env = clean_env(PLATFORM_DIR=str(folder), TRADEENGINE_DATA_DIR=str(folder / "data"))
        self._env |= {"TRADEENGINE_PORT": "0", "NATS_EMBEDDED": "off"}

    def __call__(self, *words: str) -> "subprocess.CompletedProcess[str]":
        # Into files: a pipe would stay open for as long as the engine in the background runs.
        out, err = (self.folder.with_name(f"{self.folder.name}.{kind}") for kind in ("out", "err"))
        with out.open("w") as stdout, err.open("w") as stderr:
            done = subprocess.run(
                [SCRIPT, *words],
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                timeout=150,
                check=False,
            )
        return subprocess.CompletedProcess(done.args, done.returncode, out.read_text(), err.read_text())

    @property
    def pid(self) -> int:
        return int((self.folder / "engine.pid").read_text().split()[0])


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    running = Platform(tmp_path / "platform")
    try:
        yield running
    finally:
        running("stop")


def test_an_engine_is_started_looked_at_started_again_and_ended(platform: Platform) -> None:
    assert platform("status").returncode == FAILED
    assert platform("stop").returncode == 0, "what does not run needs no end"

    done = platform("start")
    assert done.returncode == 0, done.stderr
    first = platform.pid
    status = platform("status")
    assert (status.returncode, f"process {first}" in status.stdout) == (0, True), status.stdout
    address = re.search(r"^API (http://\S+)$", status.stdout, re.MULTILINE)
    assert address is not None
    assert httpx.get(f"{address[1]}/ready", trust_env=False).status_code == 200
    assert address[1] in platform("logs").stdout

    again = platform("start")
    assert again.returncode == 0
    assert platform.pid == first, "one engine, not two"

    assert platform("restart").returncode == 0
    second = platform.pid
    assert second != first
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)

    assert platform("stop").returncode == 0
    with pytest.raises(ProcessLookupError):
        os.kill(second, 0)
    assert platform("status").returncode == FAILED


def test_an_engine_that_died_is_not_taken_for_one_that_runs(platform: Platform) -> None:
    assert platform("start").returncode == 0
    killed = platform.pid
    os.kill(killed, signal.SIGKILL)
    wait_for_sync(lambda: not is_there(killed), what="it is gone")
    assert platform("status").returncode == FAILED

    # Its number may be another process's by now: this test's own must live on.
    (platform.folder / "engine.pid").write_text(f"{os.getpid()}\nThu Jan 1 00:00:00 1970\n")
    assert platform("stop").returncode == 0
    assert platform("start").returncode == 0
    assert platform.pid != killed


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_an_engine_that_cannot_start_is_told(platform: Platform) -> None:
    done = platform("start", "--no-such-option")

    assert done.returncode == FAILED
    assert "No such option" in done.stderr
    assert platform("status").returncode == FAILED


def test_a_backtest_leaves_its_result(platform: Platform) -> None:
    done = platform("backtest")

    assert done.returncode == 0, done.stderr
    assert (platform.folder / "backtest.json").stat().st_size > 0
    assert platform("backtest", "--prices", "BTCUSDT=nowhere.csv").returncode == WRONG


@pytest.mark.parametrize("words", [(), ("begin",), ("--env",)])
def test_unknown_words_are_wrong_usage(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = Platform(tmp_path / "unused")(*words)

    assert done.returncode == WRONG
    assert "usage:" in done.stderr
