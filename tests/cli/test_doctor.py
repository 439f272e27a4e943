"""``doctor``: what it checks, and the exit code that it ends with."""

import subprocess
from pathlib import Path

import pytest

from tests.cli.test_simulate_command import busy
from tests.support.nats import NatsServer
from tests.support.process import tradeengine

pytestmark = pytest.mark.process


def doctor(folder: Path, *arguments: str | Path, **settings: str) -> subprocess.CompletedProcess[str]:
    env = {"TRADEENGINE_DATA_DIR": str(folder / "data"), "COLUMNS": "500", **settings}
    done = tradeengine("doctor", *arguments, env=env)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def verdicts(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """The worst that was found for each check."""
    cells = [[cell.strip() for cell in line.split("│")[1:3]] for line in done.stdout.splitlines() if "│" in line]
    rank = ("ok", "note", "failed")
    return {check: max((v for c, v in cells if c == check), key=rank.index) for check, _ in cells if check}


def test_all_is_well_with_nothing_configured(tmp_path: Path) -> None:
    done = doctor(tmp_path)

    assert done.returncode == 0
    assert verdicts(done) == {
        "versions": "ok",
        "configuration": "ok",
        "limits": "note",
        "clock": "ok",
        "store": "ok",
        "nats": "ok",
        "exchange": "ok",
    }


def test_a_server_and_a_store_that_answer_are_counted(tmp_path: Path, nats_server: NatsServer) -> None:
    market = busy(tmp_path)
    market.run()

    done = doctor(tmp_path, NATS_URL=nats_server.url, TRADEENGINE_DATA_DIR=str(market.store))

    assert done.returncode == 0
    assert "JetStream answers: 0 streams" in done.stdout
    assert "journal.sqlite: " in done.stdout


def test_a_server_that_does_not_answer_fails(tmp_path: Path) -> None:
    done = doctor(tmp_path, NATS_URL="nats://127.0.0.1:1")

    assert done.returncode == 1
    assert verdicts(done)["nats"] == "failed"
    assert "NATS at nats://127.0.0.1:1 does not answer" in done.stdout


def test_a_store_that_is_no_folder_or_no_journal_fails(tmp_path: Path) -> None:
    (tmp_path / "data").touch()

    done = doctor(tmp_path)

    assert done.returncode == 1
    assert verdicts(done)["store"] == "failed"
    assert "set TRADEENGINE_DATA_DIR" in done.stdout

    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "journal.sqlite").write_bytes(b"no database" * 1000)
    done = doctor(tmp_path, TRADEENGINE_DATA_DIR=str(tmp_path / "other"))
    assert (done.returncode, verdicts(done)["store"]) == (1, "failed")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"TRADEENGINE_FOO": "1"}, "TRADEENGINE_FOO"),
        ({"POSITION_MODE": "both"}, "POSITION_MODE"),
        ({"STOP_LOSS_PCT": "much"}, "STOP_LOSS_PCT"),
        ({"TRADEENGINE_PORT": "99999"}, "TRADEENGINE_PORT"),
    ],
)
def test_a_wrong_configuration_ends_with_78(tmp_path: Path, settings: dict[str, str], text: str) -> None:
    done = doctor(tmp_path, **settings)

    assert done.returncode == 78
    assert text in done.stdout
    assert verdicts(done) == {"configuration": "failed"}


def test_settings_come_from_a_file_and_secrets_are_masked(tmp_path: Path) -> None:
    config = tmp_path / "settings.toml"
    config.write_text('MAX_DAILY_LOSS_USD = "123.5"\nTRADER_API_KEY = "do-not-show-me-anywhere"\n')

    done = doctor(tmp_path, "--config", config, "--settings")

    assert done.returncode == 0
    assert "123.5" in done.stdout
    assert "TRADER_API_KEY" in done.stdout
    assert "do-not-show-me-anywhere" not in done.stdout + done.stderr


def test_a_configuration_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    assert doctor(tmp_path, "--config", tmp_path / "missing.toml").returncode == 2


def test_databases_are_examined_and_what_they_lack_is_said(
    tmp_path: Path, mongodb_uri: str, mongodb_database: str, mysql_uri: str
) -> None:
    stores = {"MONGODB_URI": mongodb_uri, "MONGODB_DATABASE": mongodb_database, "MYSQL_URI": mysql_uri}
    before = doctor(tmp_path, **stores)
    assert before.returncode == 1
    assert [verdicts(before)[name] for name in ("store", "mongodb", "mysql")] == ["ok", "failed", "failed"]
    assert "the index decided_1 of journal" in before.stdout
    assert "schema apply --target mysql" in before.stdout

    for target in ("mongodb", "mysql"):
        assert tradeengine("schema", "apply", "--target", target, env=stores).returncode == 0

    after = doctor(tmp_path, **stores)
    assert after.returncode == 0
    assert [verdicts(after)[name] for name in ("store", "mongodb", "mysql")] == ["ok", "ok", "ok"]
    assert "0 records, 0 shards held by nobody" in after.stdout


def test_databases_that_do_not_answer_or_refuse_us_fail(tmp_path: Path, mysql_uri: str) -> None:
    account = mysql_uri.partition("://")[2].partition("@")[0]
    stores = {
        "MONGODB_URI": "mongodb://127.0.0.1:1",
        "MONGODB_TIMEOUT_MS": "1000",
        "MYSQL_URI": mysql_uri.replace(account, "nobody:planted-password"),
    }
    done = doctor(tmp_path, **stores)

    assert done.returncode == 1
    assert (verdicts(done)["mongodb"], verdicts(done)["mysql"]) == ("failed", "failed")
    assert "planted-password" not in done.stdout + done.stderr
