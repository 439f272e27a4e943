"""``replay``: today's code over the journals of simulations and of the engine."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from typer.testing import CliRunner, Result

from tests.cli.test_simulate_command import busy
from tradeengine.cli.app import app


def replay(store: Path) -> Result:
    done = CliRunner().invoke(app, ["replay", "--store", str(store)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return done


def simulated(folder: Path) -> Path:
    """Store of a simulation."""
    market = busy(folder)
    market.run("--slippage-bps", "2")
    return market.store


def tamper(store: Path, with_text: bytes, change: Callable[[bytes], bytes]) -> tuple[int, int]:
    """Change the first record that holds a text; its shard and sequence."""
    with closing(sqlite3.connect(store / "journal.sqlite")) as connection, connection:
        found = connection.execute(
            "SELECT shard, sequence, payload FROM records WHERE instr(payload, ?) ORDER BY shard, sequence",
            (with_text,),
        )
        shard, sequence, payload = found.fetchone()
        connection.execute(
            "UPDATE records SET payload = ? WHERE (shard, sequence) = (?, ?)", (change(payload), shard, sequence)
        )
    return shard, sequence


def test_a_simulation_is_decided_again_alike(tmp_path: Path) -> None:
    store = simulated(tmp_path)

    first, again = replay(store), replay(store)

    assert first.exit_code == 0
    assert first.stdout.startswith("no difference: ")
    assert sum(line.startswith("  shard ") for line in first.stdout.splitlines()) == 8
    assert again.stdout == first.stdout


def test_a_changed_record_is_the_first_difference(tmp_path: Path) -> None:
    store = simulated(tmp_path)
    shard, sequence = tamper(
        store, b'"quantity":"0.7"', lambda data: data.replace(b'"quantity":"0.7"', b'"quantity":"0.6"', 1)
    )

    done = replay(store)

    assert done.exit_code == 1
    said = done.stdout.splitlines()
    assert said[0] == f"first difference: shard {shard}, record {sequence}, input 0"
    assert [line.split()[0] for line in said[1:]] == ["input", "recorded", "decided"]
    assert '"quantity":"0.6"' in said[1]
    assert '"quantity":"0.7"' in said[2]
    assert '"quantity":"0.7"' not in said[3]


def test_a_record_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    store = simulated(tmp_path)
    tamper(store, b'"quantity":"0.7"', lambda data: data[:-20])

    done = replay(store)

    assert done.exit_code == 1
    assert "record" in done.stderr
    assert "no difference" not in done.stdout


def test_there_must_be_a_journal(tmp_path: Path) -> None:
    assert replay(tmp_path / "missing").exit_code == 2
    done = replay(tmp_path)
    assert done.exit_code == 78
    assert "journal.sqlite" in done.stderr
    assert list(tmp_path.iterdir()) == []

    (tmp_path / "journal.sqlite").write_bytes(b"no database" * 1000)
    done = replay(tmp_path)
    assert done.exit_code == 78
    assert "journal.sqlite" in done.stderr
