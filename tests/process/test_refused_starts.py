"""The engine does not start where it could not keep its promises: it says why, what to do, and by its exit code."""

import socket
import subprocess
from pathlib import Path

import pytest

from tests.support.process import NO_NATS, engine_process, tradeengine
from tradeengine.cli.base import EXIT_CONFIG

pytestmark = pytest.mark.process

EXIT_USAGE = 2
AT_AN_EXCHANGE = {
    "TRADING_MODE": "testnet",
    "BINANCE_API_KEY": "k",
    "BINANCE_API_SECRET": "s",
    "BINANCE_FUTURES_BASE_URL": "http://127.0.0.1:9",
    "BINANCE_WS_URL": "ws://127.0.0.1:9",
    "ALLOWED_SYMBOLS": "BTCUSDT",
    "STOP_LOSS_PCT": "0.02",
}
"""Nothing listens there, and nothing is sent before the journal has been read."""


def run(data: Path, *arguments: str | Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Start an engine that is expected not to run."""
    given = arguments if "--port" in arguments else ("--port", "0", *arguments)
    return tradeengine("run", "--data-dir", data, *given, env={"NATS_EMBEDDED": "off", **settings})


def assert_refused(refused: subprocess.CompletedProcess[str], *texts: str) -> None:
    """Check that it ended because of its configuration, with a last line that says all of this."""
    assert refused.returncode == EXIT_CONFIG, refused.stdout + refused.stderr
    *_, line = refused.stderr.splitlines()
    assert "Traceback" not in refused.stderr
    assert line.startswith("error configuration: ")
    for text in texts:
        assert text in line
    assert "API" not in refused.stdout, "it served before it gave up"


async def test_a_second_engine_on_the_same_data(tmp_path: Path) -> None:
    async with engine_process(tmp_path / "data", nats_url=NO_NATS) as first:
        await first.start()
        assert_refused(run(first.data), "another engine works in the data folder", str(first.data))
        await first.until_ready()
        await first.stop()
        assert_refused(run(first.data, SHARDS="3"), "SHARDS=8", "empty data folder")
        assert_refused(run(first.data, **AT_AN_EXCHANGE), "orders of the venue paper", "another data folder")


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        refused = run(tmp_path / "data", "--port", port)
    assert_refused(refused, f"TRADEENGINE_PORT={port}", "Address already in use", "set another TRADEENGINE_PORT")


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("TRADEENGINE_FOO", "1", "TRADEENGINE_FOO is no setting"),
        ("TRADEENGINE_PROT", "8000", "did you mean TRADEENGINE_PORT?"),
        ("SHARDS", "many", "SHARDS"),
        ("TRADING_MODE", "live", "TRADING_MODE"),
        ("NATS_URL", "http://127.0.0.1", "NATS_URL"),
    ],
)
def test_a_wrong_setting(tmp_path: Path, name: str, value: str, text: str) -> None:
    assert_refused(run(tmp_path / "data", **{name: value}), text)
    assert not (tmp_path / "data").exists(), "it began before it knew its settings"


@pytest.mark.parametrize("arguments", [["--no-such-option"], ["--port", "many"], ["--signals", "no-such-file"]])
def test_a_wrong_option(tmp_path: Path, arguments: list[str]) -> None:
    refused = run(tmp_path / "data", *arguments)
    assert refused.returncode == EXIT_USAGE, refused.stderr
    assert arguments[0] in refused.stderr
    assert not (tmp_path / "data").exists()


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    assert_refused(run(tmp_path / "data"), str(tmp_path / "data"), "set TRADEENGINE_DATA_DIR")


def test_a_journal_that_is_a_folder(tmp_path: Path) -> None:
    journal = tmp_path / "data" / "journal.sqlite"
    journal.mkdir(parents=True)
    assert_refused(run(tmp_path / "data"), str(journal), "SQLITE_CANTOPEN")


def test_a_journal_that_is_something_else(tmp_path: Path) -> None:
    journal = tmp_path / "data" / "journal.sqlite"
    journal.parent.mkdir()
    journal.write_text("the diary of a trader " * 100)
    assert_refused(run(tmp_path / "data"), str(journal), "move it away")
    assert journal.read_text().startswith("the diary")
