"""The plain manifests of k8s/: what the chart renders, one file for each of its templates."""

import hashlib
import re
from pathlib import Path
from typing import Final

from scripts.kubernetes.helm import CHART, rendered
from scripts.kubernetes.setting_names import names

FOLDER: Final = CHART.parents[1] / "k8s"
PLAIN_VALUES: Final = Path(__file__).with_name("plain.yaml")
DIGEST: Final = "chart.sha256"
FILL_IN: Final = "secret.template"
"""Not .yaml: nobody applies a folder and overwrites a Secret with it."""

_SOURCE: Final = re.compile(r"^# Source: tradeengine/templates/(?P<name>[\w/-]+\.yaml)$", re.MULTILINE)
_HEAD: Final = "# Made from helm/tradeengine by `make k8s`: change the chart, not this file.\n"


def manifests() -> dict[str, str]:
    """Text of each file of the folder, by its name.

    Raises
    ------
    ConfigError
        If helm cannot be had, or the chart cannot be rendered.
    """
    found: dict[str, str] = {}
    for document in re.split(r"^---\n", rendered(PLAIN_VALUES), flags=re.MULTILINE):
        if source := _SOURCE.search(document):
            body = document.replace(f"{source[0]}\n", "", 1).strip("\n") + "\n"
            name = source["name"]
            found[name] = f"{found[name]}---\n{body}" if name in found else _HEAD + body
    return found | {FILL_IN: secret_text(), DIGEST: f"{chart_digest()}\n"}


def chart_digest() -> str:
    """SHA-256 of all that the manifests are made from: shows without helm whether they are those of the chart."""
    files = [file for file in (CHART / "templates", CHART / "files") for file in file.rglob("*") if file.is_file()]
    files += [CHART / "Chart.yaml", CHART / "values.yaml", PLAIN_VALUES]
    digest = hashlib.sha256()
    for file in sorted(files):
        content = file.read_bytes()
        digest.update(f"{file.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def secret_text() -> str:
    """A Secret to fill in: every setting that one may hold."""
    lines = [
        "# A Secret to copy, fill in, and apply under a name ending in .yaml; keep the copy out of version control.",
        "# Take out what is not wanted. The names of what stays are the chart's secrets.keys.",
        "apiVersion: v1",
        "kind: Secret",
        "metadata:",
        "  name: tradeengine",
        "type: Opaque",
        "stringData:",
        *(f'  {name}: ""' for name in names().secret),
    ]
    return "\n".join(lines) + "\n"
