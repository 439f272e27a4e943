"""Rules, dashboards and runbooks as tests read them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

ROOT: Final = Path(__file__).parents[2]
FILES: Final = ROOT / "helm" / "tradeengine" / "files"
RULES: Final = sorted((FILES / "rules").glob("*.yaml"))
DASHBOARDS: Final = sorted((FILES / "dashboards").glob("*.json"))
RUNBOOKS: Final = ROOT / "docs" / "runbooks"
PAGE: Final = ROOT / "docs" / "observability.md"

_SELECTOR = re.compile(r"\b((?:tradeengine|kube|process)_\w+)(\{[^}]*\})?")
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Expression(NamedTuple):
    """A PromQL expression, and where it stands."""

    where: str
    text: str

    @property
    def selectors(self) -> list[str]:
        """Each metric that it reads, with its matchers."""
        return [f"{name}{matchers or ''}" for name, matchers in _SELECTOR.findall(self.text)]


class Block(NamedTuple):
    """A block of commands of a runbook."""

    runbook: str
    kind: str
    text: str

    @property
    def lines(self) -> list[str]:
        """Its commands."""
        return self.text.strip().splitlines()


def alerts() -> dict[str, dict[str, Any]]:
    """Every alerting rule by its name."""
    groups = [group for file in RULES for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def panels(file: Path) -> Iterator[dict[str, Any]]:
    """Every panel of a dashboard that asks for something."""
    for panel in json.loads(file.read_text(encoding="utf-8"))["panels"]:
        for inner in (panel, *panel.get("panels", ())):
            if inner["type"] != "row":
                yield inner


def panel_expressions() -> list[Expression]:
    """Every expression of every panel, with its variables filled in as a short look would."""
    found = []
    for file in DASHBOARDS:
        for panel in panels(file):
            for target in panel["targets"]:
                text = target["expr"].replace('job=~"$job"', 'job=~".*"').replace("$__rate_interval", "30s")
                found.append(Expression(f"{file.stem}: {panel['title']}", text.replace("$__range", "1m")))
    return found


def rule_expressions() -> list[Expression]:
    """The expression of every rule."""
    return [Expression(name, rule["expr"]) for name, rule in alerts().items()]


def blocks() -> list[Block]:
    """Every block of commands of every runbook."""
    return [
        Block(file.stem, kind, text)
        for file in sorted(RUNBOOKS.glob("*.md"))
        for kind, text in _BLOCK.findall(file.read_text(encoding="utf-8"))
    ]


def runbook_expressions() -> list[Expression]:
    """Every question of a runbook to Prometheus."""
    return [Expression(block.runbook, line) for block in blocks() if block.kind == "promql" for line in block.lines]


def empty_when_well() -> set[str]:
    """Metrics that the page says have no series while all is well."""
    table = PAGE.read_text(encoding="utf-8").partition("## Empty when all is well")[2].partition("\n## ")[0]
    return {name.replace("\\|", "|") for name in re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)}
