"""``scripts/services``: what it starts is found again, mended and ended, and nothing else is touched."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.devservices.processes import started_at
from scripts.devservices.state import Started, State
from scripts.devservices.waiting import wait_until
from tests.support.deadline import PATIENCE_S
from tests.support.process import clean_env
from tests.support.services import MongoServer

pytestmark = pytest.mark.process

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("nats-server", "mongodb", "mariadb")


class Services:
    """The command, with a state of its own."""

    def __init__(self, state: Path) -> None:
        self.state = state

    def __call__(self, word: str, *more: str, **given: str) -> subprocess.CompletedProcess[str]:
        command: list[str | Path] = [ROOT / "scripts" / "services", "--state", self.state, word, *more]
        return subprocess.run(command, env=clean_env(**given), capture_output=True, text=True, timeout=100, check=False)

    def started(self) -> dict[str, Started]:
        state = State.load(self.state / "state.json")
        return state.servers if state else {}


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = Services(tmp_path / "services")
    try:
        yield services
    finally:
        done = services("down")
        assert done.returncode == 0, done.stderr


def exports(text: str) -> dict[str, str]:
    return dict(re.findall(r"^export (\w+)=(\S+)$", text, re.MULTILINE))


def test_up_twice_then_down(services: Services) -> None:
    first = services("up")
    assert first.returncode == 0, first.stderr
    before = services.started()
    second = services("up")

    assert sorted(exports(first.stdout)) == ["MONGODB_URI", "MYSQL_URI", "NATS_URL"]
    assert second.stdout == first.stdout
    assert services.started() == before
    assert services("status").returncode == 0

    # what `eval` leaves behind is no server of somebody else's
    assert services("up", **exports(first.stdout)).stdout == first.stdout
    assert services("status", **exports(first.stdout)).stdout.count("answers; ") == len(NAMES)

    state = State.load(services.state / "state.json")
    assert state is not None
    assert services("down").returncode == 0
    assert not any(server.runs for server in before.values())
    assert not Path(state.folder).exists()
    after = services("status")
    assert after.returncode == 1
    assert after.stdout.count("was not started") == len(NAMES)
    assert services("down").returncode == 0


def test_a_dead_and_a_frozen_server_are_noticed_and_mended(services: Services) -> None:
    shown = services("up").stdout
    before = services.started()
    os.kill(before["mariadb"].pid, signal.SIGKILL)
    os.kill(before["mongodb"].pid, signal.SIGSTOP)
    wait_until(lambda: not before["mariadb"].runs, what="MariaDB ends", seconds=PATIENCE_S)

    status = services("status")
    lines = dict(line.split(maxsplit=1) for line in status.stdout.splitlines())
    mended = services("up")

    assert status.returncode == 1
    assert lines["nats-server"].startswith("answers; ")
    assert lines["mariadb"].startswith("ended by itself; ")
    assert not lines["mongodb"].startswith("answers")
    assert (mended.returncode, mended.stdout) == (0, shown), mended.stderr
    assert services("status").returncode == 0
    after = services.started()
    assert [after[name].pid == before[name].pid for name in NAMES] == [True, False, False]
    assert [after[name].port for name in NAMES] == [before[name].port for name in NAMES]


def test_a_server_that_is_given_is_used_and_left_alone(services: Services, mongo_server: MongoServer) -> None:
    done = services("up", MONGODB_URI=mongo_server.url)

    assert exports(done.stdout)["MONGODB_URI"] == mongo_server.url
    assert sorted(services.started()) == ["mariadb", "nats-server"]
    assert "which MONGODB_URI names" in services("status", MONGODB_URI=mongo_server.url).stdout

    services("down")
    assert mongo_server.answers()


def test_a_given_server_that_does_not_answer_is_an_error(services: Services, mongo_server: MongoServer) -> None:
    mongo_server.kill()

    done = services("up", MONGODB_URI=mongo_server.url)

    assert done.returncode == os.EX_CONFIG
    assert f"MONGODB_URI={mongo_server.url} does not answer" in done.stderr
    assert done.stdout == ""
    assert services.started() == {}


def test_down_ends_nobody_who_got_the_number_of_a_dead_server(services: Services) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    with bystander:
        long_ago = Started(bystander.pid, "1", 1, "nats://127.0.0.1:1", "gone.log")
        state = State.load_or_make(services.state / "state.json")
        state.servers["nats-server"] = long_ago
        state.save(services.state / "state.json")

        assert services("down").returncode == 0
        assert bystander.poll() is None


SHOW = "import os, sys; print(*(os.environ[v] for v in ('NATS_URL', 'MONGODB_URI', 'MYSQL_URI')), flush=True)"


def test_run_keeps_the_exit_code_and_leaves_nothing(services: Services) -> None:
    done = services("run", sys.executable, "-c", f"{SHOW}; sys.exit(7)")

    assert done.returncode == 7
    assert [url.partition(":")[0] for url in done.stdout.split()] == ["nats", "mongodb", "mysql"]
    assert services("run", sys.executable, "-c", "import os; os.kill(os.getpid(), 9)").returncode == 128 + 9
    assert services.started() == {}


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_run_takes_its_servers_along_however_it_ends(how: signal.Signals, code: int) -> None:
    waiting = (
        f"{SHOW}\n"
        "import signal\n"
        "for how in (signal.SIGINT, signal.SIGTERM):\n"
        "    signal.signal(how, lambda number, _: sys.exit(128 + number))\n"
        "print('waits', flush=True); sys.stdin.read()\n"
    )
    command: list[str | Path] = [ROOT / "scripts" / "services", "run", sys.executable, "-c", waiting]
    with subprocess.Popen(
        command,
        env=clean_env(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as running:
        assert running.stdout is not None
        running.stdout.readline()
        assert running.stdout.readline() == "waits\n"
        servers = children(running.pid)
        assert len(servers) == len(NAMES) + 1
        home = home_of(servers)

        # Ctrl-C goes to all who are in the terminal's foreground, the others to one process.
        (os.killpg if how is signal.SIGINT else os.kill)(running.pid, how)

        assert running.wait(timeout=PATIENCE_S) == code

    wait_until(lambda: not any(started_at(pid) for pid in servers), what="all children end", seconds=PATIENCE_S)
    assert home.exists() is (how is signal.SIGKILL)
    shutil.rmtree(home, ignore_errors=True)


def home_of(servers: list[int]) -> Path:
    """The throw-away folder that they all work in."""
    folders = [folder for pid in servers for folder in Path(f"/proc/{pid}/cwd").resolve().parents]
    homes = {folder for folder in folders if folder.name.startswith("tradeengine-services-")}
    assert len(homes) == 1
    return homes.pop()


def children(pid: int) -> list[int]:
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(file.parent.name))
    return found
