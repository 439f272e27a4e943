"""The alerting rules: promtool takes them, each fires when it should and not otherwise, and says what to do."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from scripts.kubernetes.helm import CHART
from tests.observability.files import PAGE, ROOT, RULES, RUNBOOKS, alerts

UNIT_TESTS = sorted((Path(__file__).parent / "rules").glob("*.yaml"))
ALERTS = alerts()


def run(promtool: Path, *arguments: str | Path) -> str:
    done = subprocess.run([promtool, *arguments], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_takes_the_rules(promtool: Path) -> None:
    assert run(promtool, "check", "rules", *RULES).count("SUCCESS") == len(RULES)


@pytest.mark.parametrize("file", UNIT_TESTS, ids=lambda file: file.stem)
def test_rules_fire_when_they_should_and_not_otherwise(promtool: Path, file: Path) -> None:
    assert "SUCCESS" in run(promtool, "test", "rules", file)


def test_a_rule_that_is_wrong_is_noticed(promtool: Path, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(
        (CHART / "files/rules/trading.yaml")
        .read_text(encoding="utf-8")
        .replace("naked_position_seconds > 10", "naked_position_seconds > 100"),
        encoding="utf-8",
    )
    tests = yaml.safe_load(UNIT_TESTS[-1].read_text(encoding="utf-8")) | {"rule_files": ["rules.yaml"]}
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(tests), encoding="utf-8")

    with pytest.raises(AssertionError, match="TradeengineNakedPosition"):
        run(promtool, "test", "rules", tmp_path / "tests.yaml")


def test_every_rule_is_seen_to_fire_and_not_to_fire() -> None:
    tried = [test for file in UNIT_TESTS for test in yaml.safe_load(file.read_text(encoding="utf-8"))["tests"]]
    expected = [(case["alertname"], bool(case["exp_alerts"])) for test in tried for case in test["alert_rule_test"]]

    assert {name for name, fires in expected if fires} == ALERTS.keys()
    assert {name for name, fires in expected if not fires} == ALERTS.keys()


def test_every_rule_says_how_bad_it_is_and_what_to_do() -> None:
    for name, rule in ALERTS.items():
        assert rule["labels"]["severity"] in {"warning", "critical"}, name
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}, name
        runbook = ROOT / rule["annotations"]["runbook_url"]
        assert runbook == RUNBOOKS / f"{name}.md"
        text = runbook.read_text(encoding="utf-8")
        assert f"Severity: {rule['labels']['severity']}." in text, name


def test_there_is_no_runbook_of_nothing() -> None:
    listed = dict(
        re.findall(r"^\| \[(\w+)\]\(\1\.md\) \| (\w+) \|$", (RUNBOOKS / "README.md").read_text(), re.MULTILINE)
    )

    assert {file.stem for file in RUNBOOKS.glob("*.md")} - {"README"} == ALERTS.keys()
    assert listed == {name: rule["labels"]["severity"] for name, rule in ALERTS.items()}


def test_compose_uses_the_same_files() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    scraped = yaml.safe_load((ROOT / "docker/prometheus.yml").read_text(encoding="utf-8"))
    provided = yaml.safe_load(
        (ROOT / "docker/grafana/provisioning/dashboards/tradeengine.yaml").read_text(encoding="utf-8")
    )["providers"][0]["options"]["path"]

    assert "./helm/tradeengine/files/rules:/etc/prometheus/rules:ro" in services["prometheus"]["volumes"]
    assert scraped["rule_files"] == ["/etc/prometheus/rules/*.yaml"]
    assert f"./helm/tradeengine/files/dashboards:{provided}:ro" in services["grafana"]["volumes"]
    assert PAGE.is_file()
