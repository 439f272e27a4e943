"""What the manifests run in pods, run here with the same arguments and variables against real servers.

No container runs: folders of a pod are folders of the test, and the Secret has the addresses of the test's servers.
"""

import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from scripts.kubernetes.manifests import FOLDER
from shared.clock import SystemClock
from tests.kubernetes.objects import environment, named, of_kind, pods, read
from tests.prices.market import market
from tests.support.nats import nats_server
from tests.support.process import (
    KEYS,
    READ,
    TRADEENGINE,
    EngineProcess,
    clean_env,
    engine_process,
    signal_document,
    tradeengine,
)
from tradeengine.simulator.exchange import Exchange

__all__ = ["nats_server"]

pytestmark = pytest.mark.process

ALL = [document for file in sorted(FOLDER.glob("*.yaml")) for document in read(file)]
CONFIG: dict[str, str] = named(ALL, "ConfigMap")["data"]
ENGINE = pods(ALL)["Deployment/tradeengine"]["containers"][0]
JOBS = {name: pod["containers"][0] for name, pod in pods(of_kind(ALL, "Job")).items()}


class Room:
    """Folders and servers that stand for those of a pod."""

    def __init__(self, folder: Path, secrets: dict[str, str], **given: str) -> None:
        self._folder = folder
        self._given = given
        (folder / "secrets").mkdir(parents=True)
        for name, value in secrets.items():
            (folder / "secrets" / name).write_text(value, encoding="utf-8")
        (folder / "archive").mkdir()

    @property
    def data(self) -> Path:
        return self._folder / "data"

    def env(self, container: dict[str, Any], **more: str) -> dict[str, str]:
        """Variables of a container, with the folders of this room and the servers of this test."""
        own = {name: value for name, value in environment(container).items() if isinstance(value, str)}
        found = (CONFIG if "envFrom" in container else {}) | own
        places = {
            "/etc/tradeengine/secrets": self._folder / "secrets",
            "/var/lib/tradeengine-archive": self._folder / "archive",
            "/var/lib/tradeengine": self.data,
        }
        for name, value in found.items():
            for place, here in places.items():
                if value == place or value.startswith(f"{place}/"):
                    found[name] = value.replace(place, str(here), 1)
        assert not [value for value in found.values() if value.startswith(("/etc/", "/var/"))]
        servers = {name: value for name, value in self._given.items() if name in found or name.startswith("BINANCE_")}
        return found | servers | {"TRADEENGINE_HOST": "127.0.0.1", "TRADEENGINE_PORT": "0"} | more


@pytest.fixture
def secrets(mongodb_uri: str, mysql_uri: str) -> dict[str, str]:
    others = {"RISK_OVERRIDE_KEY": "operator-of-the-tests", "ADMIN_API_KEY": "admin-of-the-tests"}
    return {"MONGODB_URI": mongodb_uri, "MYSQL_URI": mysql_uri, **KEYS, **others}


@pytest.fixture
def room(tmp_path: Path, secrets: dict[str, str], mongodb_database: str) -> Room:
    return Room(tmp_path / "room", secrets, MONGODB_DATABASE=mongodb_database)


def apply_schemas(room: Room) -> None:
    for name, job in JOBS.items():
        done = tradeengine(*job["args"], env=room.env(job))
        assert done.returncode == 0, f"{name}: {done.stderr}"


def test_the_schema_jobs_make_what_engines_ask_for_and_may_run_again(room: Room) -> None:
    assert len(JOBS) == 2
    for job in JOBS.values():
        target = job["args"][3]
        status = ("schema", "status", "--target", target)
        assert tradeengine(*status, env=room.env(job)).returncode == 1
        for _ in range(2):
            done = tradeengine(*job["args"], env=room.env(job))
            assert done.returncode == 0, done.stderr
        complete = tradeengine(*status, env=room.env(job))
        assert complete.returncode == 0, complete.stdout


def test_a_schema_job_that_is_not_let_in_fails(room: Room, secrets: dict[str, str], tmp_path: Path) -> None:
    (job,) = (job for job in JOBS.values() if job["args"][3] == "mysql")
    at = secrets["MYSQL_URI"].rpartition("@")[2]
    other = Room(tmp_path / "other", secrets | {"MYSQL_URI": f"mysql://nobody-we-know:open-sesame@{at}"})

    done = tradeengine(*job["args"], env=other.env(job))

    assert done.returncode == 78
    assert "open-sesame" not in done.stdout + done.stderr


@pytest.fixture
def exchange() -> Iterator[dict[str, str]]:
    """Addresses of a market, as settings."""
    made = Exchange(now_ms=SystemClock().now_ms())
    made.set_mark("BTCUSDT", Decimal(50_000))
    with market(made, virtual_time=False) as running:
        yield {"BINANCE_FUTURES_BASE_URL": running.url, "BINANCE_WS_URL": running.ws_url}


@asynccontextmanager
async def replicas(
    folder: Path, secrets: dict[str, str], *names: str, **given: str
) -> AsyncIterator[list[EngineProcess]]:
    """Pods of the Deployment, each in a room of its own."""
    async with AsyncExitStack() as stack:
        made = []
        for name in names:
            room = Room(folder / name, secrets, **given)
            # What the test's processes are given otherwise stands in files here.
            settings = room.env(ENGINE, POD_NAME=name, LEASE_SECONDS="4", **dict.fromkeys(KEYS, ""))
            arguments = ENGINE["args"][1:]
            pod = await stack.enter_async_context(engine_process(room.data, arguments=arguments, settings=settings))
            pod.spawn()
            made.append(pod)
        for pod in made:
            await pod.until_ready()
        yield made


def pre_stop(room: Room, name: str) -> "subprocess.CompletedProcess[str]":
    command = ENGINE["lifecycle"]["preStop"]["exec"]["command"]
    path = f"{TRADEENGINE.parent}{os.pathsep}{os.environ['PATH']}"
    env = clean_env(**room.env(ENGINE, POD_NAME=name, LEASE_SECONDS="4")) | {"PATH": path}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.slow
async def test_pods_are_probed_drained_and_looked_after(
    tmp_path: Path,
    room: Room,
    secrets: dict[str, str],
    mongodb_database: str,
    nats_server: Any,
    exchange: dict[str, str],
) -> None:
    given = {"MONGODB_DATABASE": mongodb_database, "NATS_URL": nats_server.url, **exchange}
    apply_schemas(room)
    async with replicas(tmp_path, secrets, "pod-a", "pod-b", **given) as (first, second):
        for kind in ("startup", "liveness", "readiness"):
            path = ENGINE[f"{kind}Probe"]["httpGet"]["path"]
            assert (await first.request("GET", path)).status_code == 200, kind
        await second.accept(signal_document(quantity="0.01", stop_loss_pct="0.02"))

        drained = pre_stop(room, "pod-a")
        assert drained.returncode == 0, drained.stderr
        readiness, liveness = (ENGINE[f"{kind}Probe"]["httpGet"]["path"] for kind in ("readiness", "liveness"))
        assert (await first.request("GET", readiness)).status_code == 503, "it gets no more work"
        assert (await first.request("GET", liveness)).status_code == 200, "and nobody kills it"
        await first.stop()
        members = (await second.request("GET", "/cluster", headers=READ)).json()["shards"]
        assert len(members) == int(CONFIG["SHARDS"])

        # The last pod keeps its shards, and does not keep the node waiting.
        assert pre_stop(room, "pod-b").returncode == 1
        await second.stop()

    for name in ("audit", "archive"):
        container = pods(ALL)[f"CronJob/tradeengine-{name}"]["containers"][0]
        nightly = Room(tmp_path / name, secrets, **given)
        done = tradeengine(*container["args"], env=nightly.env(container))
        assert done.returncode == 0, f"{name}: {done.stdout[-2000:]} {done.stderr}"
