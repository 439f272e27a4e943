"""A real Prometheus scrapes a real engine that trades at the simulated exchange: nothing asks for what is not there."""

import asyncio
import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.observability.files import (
    Expression,
    blocks,
    empty_when_well,
    panel_expressions,
    rule_expressions,
    runbook_expressions,
)
from tests.observability.prometheus_server import PrometheusServer
from tests.support.deadline import PATIENCE_S, Deadline
from tests.support.process import KEYS, EngineProcess, engine_process, tradeengine

pytestmark = [pytest.mark.process, pytest.mark.slow]

OPERATOR = {"RISK_OVERRIDE_KEY": "operator-of-the-tests"}
READS_ONLY = tuple(f"tradeengine {name}" for name in ("audit", "cluster", "doctor", "journal status", "positions"))
FINDS = {"positions": {0, 1}}
"""Commands whose exit code tells what they found, of an engine that trades on meanwhile."""

TRADES = "sum(tradeengine_positions_closed_total) > 2 and sum(tradeengine_strategy_position_value_usd) > 0"
EMPTY = empty_when_well()
_LOOK_S = 0.25


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    data = tmp_path_factory.mktemp("observed") / "data"
    with asyncio.Runner() as runner:
        made = engine_process(data, arguments=("--demo", "--exchange"), settings=OPERATOR)
        running = runner.run(made.__aenter__())
        try:
            runner.run(running.start())
            runner.run(running.rows("/positions"))
            yield running
        finally:
            runner.run(made.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def server(
    engine: EngineProcess, prometheus: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PrometheusServer]:
    assert engine.url is not None
    made = PrometheusServer(tmp_path_factory.mktemp("prometheus"), prometheus, engine.url)
    try:
        made.start()
        deadline = Deadline(PATIENCE_S, look_s=_LOOK_S)
        while not made.query(TRADES):
            assert not deadline.passed(), f"waited {deadline} for the engine to trade\n{engine.log_tail()}"
            time.sleep(_LOOK_S)
        yield made
    finally:
        made.close()


def bare(selector: str) -> str:
    """A selector without the job that panels name."""
    return selector.replace('{job=~".*"}', "").replace('{job=~".*",', "{")


def excused(selector: str) -> bool:
    """Whether the page says that a metric has no series while all is well, with these matchers or with any."""
    return bare(selector) in EMPTY or selector.partition("{")[0] in EMPTY


def missing(server: PrometheusServer, expressions: list[Expression]) -> list[Expression]:
    """Expressions without a result although all that they read should be there."""
    return [found for found in expressions if not server.query(found.text) and not any(map(excused, found.selectors))]


def test_every_panel_shows_something(server: PrometheusServer) -> None:
    expressions = panel_expressions()
    assert len(expressions) > 50

    # Rates and quantiles need a few scrapes.
    deadline = Deadline(PATIENCE_S, look_s=_LOOK_S)
    while lacking := missing(server, expressions):
        assert not deadline.passed(), f"waited {deadline} for {lacking}"
        time.sleep(_LOOK_S)


def test_every_rule_reads_what_is_there_and_none_fires(server: PrometheusServer) -> None:
    unknown = [
        (rule.where, selector)
        for rule in rule_expressions()
        for selector in rule.selectors
        if not excused(selector) and not server.has_series(selector)
    ]
    rules = server.rules()

    assert unknown == []
    assert rules.keys() == {rule.where for rule in rule_expressions()}
    assert {name: rule["lastError"] for name, rule in rules.items() if rule["health"] != "ok"} == {}
    # A machine that is busy may well give the engine reason to tell something.
    assert {name for name, rule in rules.items() if rule["state"] == "firing"} <= {"TradeengineCriticalAlert"}


def test_the_page_names_nothing_that_nobody_reads() -> None:
    expressions = [*panel_expressions(), *rule_expressions(), *runbook_expressions()]
    read = {bare(selector) for found in expressions for selector in found.selectors}

    assert EMPTY - read - {selector.partition("{")[0] for selector in read} == set()


def test_what_runbooks_ask_prometheus_is_answered(server: PrometheusServer) -> None:
    asked = runbook_expressions()

    assert len(asked) > 30
    assert missing(server, asked) == []


def test_what_runbooks_look_at_is_shown_by_a_running_engine(engine: EngineProcess) -> None:
    lines = {
        line for block in blocks() if block.kind == "sh" for line in block.lines if line.startswith("tradeengine ")
    }
    wanted = {line for line in lines if shlex.split(line)[1] in READS_ONLY} | {"tradeengine journal status"}
    folder = engine.data / "exchange"
    for line in sorted(wanted):
        words = shlex.split(line)[1:]
        url = ["--url", str(engine.url)] if words[0] == "positions" else []
        done = tradeengine(*words, *url, env={"TRADEENGINE_DATA_DIR": str(folder), **KEYS, **OPERATOR})

        assert done.returncode in FINDS.get(words[0], {0}), f"{line}: {done.stdout}{done.stderr}"
        assert re.search(r"\S", done.stdout + done.stderr), line
    reconciled = tradeengine("reconcile", "--url", str(engine.url), env=OPERATOR)
    assert reconciled.returncode == 0, reconciled.stdout + reconciled.stderr
