"""``tradeengine cluster`` and ``tradeengine drain`` beside engines at work, on the real stores."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import tradeengine as package
from tests.support.deadline import Deadline
from tests.support.process import LOOK_S, NO_NATS, READ, EngineProcess, engine_process, tradeengine

pytestmark = pytest.mark.process

SHARDS = 4
SETTINGS = {"SHARDS": str(SHARDS), "LEASE_SECONDS": "10", "COLUMNS": "250"}
SILENT = 3
"""Port of nobody."""


def seen(env: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """Exit code and document of ``tradeengine cluster --json``."""
    done = tradeengine("cluster", "--json", env=env)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@asynccontextmanager
async def pods(folder: Path, env: dict[str, str], *names: str) -> AsyncIterator[list[EngineProcess]]:
    """Engines on paper that share the stores."""
    assert tradeengine("schema", "apply", "--target", "mongodb", env=env).returncode == 0
    async with AsyncExitStack() as stack:
        made = []
        for name in names:
            settings = SETTINGS | env | {"POD_NAME": name}
            pod = await stack.enter_async_context(engine_process(folder / name, nats_url=NO_NATS, settings=settings))
            await pod.start()
            made.append(pod)
        yield made


async def test_pods_are_seen_drained_and_let_back(tmp_path: Path, mongodb_uri: str, mongodb_database: str) -> None:
    stores = {"MONGODB_URI": mongodb_uri, "MONGODB_DATABASE": mongodb_database}
    env = SETTINGS | stores | {"TRADEENGINE_DATA_DIR": str(tmp_path / "none")}
    async with pods(tmp_path, stores, "a", "b") as (first, second):
        await until_held(first, 2)
        code, cluster = seen(env)
        assert code == 0
        assert [(row["lives"], row["drained"], row["version"], row["shards"]) for row in cluster["members"]] == [
            (True, False, package.__version__, 2)
        ] * 2
        shards = cluster["shards"]
        assert {row["last_takeover"]["cause"] for row in shards} == {"first", "released"}
        assert {row["last_takeover"]["owner"] == row["owner"] for row in shards} == {True}
        assert all(row["position"] >= 1 and row["behind"] == {"the read model in MongoDB": 0} for row in shards)

        # It could hand its shards over sooner than the command looks.
        first.freeze()
        hasty = tradeengine("drain", "a", "--wait", "0.1", env=env)
        first.thaw()
        assert hasty.returncode == 1
        assert "are still its own after 0.1 s; the mark stays" in hasty.stderr
        drained = tradeengine("drain", "a", env=env)
        assert (drained.returncode, drained.stderr) == (0, ""), drained.stderr
        assert drained.stdout.endswith("it owns nothing\n")
        await first.until_not_ready("draining: an operator")
        assert (await first.request("GET", "/live")).status_code == 200
        assert (await first.request("GET", "/health")).status_code == 200, "it is well"
        await until_held(second, SHARDS)
        answer = await second.request("GET", "/cluster", headers=READ)
        assert [(row["drained"], row["shards"]) for row in answer.json()["members"]] == [(True, 0), (False, SHARDS)]

        shown = tradeengine("cluster", env=env)
        assert shown.returncode == 0
        assert "drained" in shown.stdout
        assert "every shard has an owner" in shown.stdout

        undone = tradeengine("drain", "a", "--undo", env=env)
        assert undone.returncode == 0
        await first.until_ready()
        await until_held(first, SHARDS // 2)

        unknown = tradeengine("drain", "c", env=env)
        assert unknown.returncode == 2
        assert "no pod 'c'; there are: a-" in " ".join(unknown.stderr.split())
        first.kill()
        second.kill()
        code, cluster = seen(env)
        assert code == 1
        assert [row["lives"] for row in cluster["members"]] == [False, False]
        assert not any(row["owner_lives"] for row in cluster["shards"])


async def until_held(pod: EngineProcess, count: int) -> None:
    """Wait until a pod holds so many shards, by its own word, and knows of all take-overs."""
    deadline = Deadline()
    while True:
        document = (await pod.request("GET", "/cluster", headers=READ)).json()
        rows = document["shards"]
        held = sum(row["owner"] == document["pod"] for row in rows)
        known = [row["last_takeover"]["epoch"] if row["last_takeover"] else None for row in rows]
        if held == count and known == [row["epoch"] for row in rows]:
            return
        assert not deadline.passed(), f"{held} shards held, not {count}, epochs {known}\n{pod.log_tail()}"
        await asyncio.sleep(LOOK_S)


async def until_noted(env: dict[str, str]) -> None:
    """Wait until nothing is behind, by the stores."""
    deadline = Deadline()
    none_behind = {"the read model": 0, "execution_events": 0}
    while (behind := [row["behind"] for row in seen(env)[1]["shards"]]) != [none_behind] * SHARDS:
        assert not deadline.passed(), behind
        await asyncio.sleep(LOOK_S)


async def test_one_engine_in_a_folder_is_seen_and_keeps_its_shards(tmp_path: Path) -> None:
    data = tmp_path / "data"
    env = SETTINGS | {"TRADEENGINE_DATA_DIR": str(data)}
    missing = tradeengine("cluster", env=env)
    assert missing.returncode == 78
    async with engine_process(data, settings=SETTINGS | {"POD_NAME": "laptop"}) as engine:
        await engine.start()
        told = (await engine.request("GET", "/cluster", headers=READ)).json()
        assert [row["name"] for row in told["copies"]] == ["read_model", "execution_events"]
        assert [sorted(row["behind"]) for row in told["shards"]] == [["execution_events", "read_model"]] * SHARDS
        await until_noted(env)
        code, cluster = seen(env)
        assert (code, [row["shards"] for row in cluster["members"]]) == (0, [SHARDS])
        assert {row["last_takeover"]["cause"] for row in cluster["shards"]} == {"first"}

        kept = tradeengine("drain", "laptop", env=env)
        assert kept.returncode == 1
        assert "no other pod lives that is not drained" in kept.stderr
        assert (await engine.readiness())[0] == 200, "it works on"
        later = tradeengine("drain", "--wait", "0", env=env | {"POD_NAME": "laptop"})
        assert (later.returncode, later.stdout.startswith("laptop-")) == (0, True), later.stderr
        nameless = tradeengine("drain", env=env)
        assert nameless.returncode == 2
        assert "name the pod, or set POD_NAME" in nameless.stderr
        await engine.stop()

    code, cluster = seen(env)
    assert (code, cluster["members"]) == (1, [])


def test_a_store_that_does_not_answer_is_told_apart(tmp_path: Path) -> None:
    env = {"MONGODB_URI": f"mongodb://127.0.0.1:{SILENT}", "MONGODB_TIMEOUT_MS": "500", "SHARDS": "4"}
    for command in (["cluster"], ["cluster", "--json"], ["drain", "a"]):
        done = tradeengine(*command, env=env | {"TRADEENGINE_DATA_DIR": str(tmp_path)})
        assert done.returncode == 3, done.stderr
        assert done.stderr.startswith("error "), done.stderr
        assert not done.stdout
