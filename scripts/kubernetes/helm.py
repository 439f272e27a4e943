"""helm, and what it renders the chart to."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from scripts.devservices.packages import run
from scripts.kubernetes.go_programs import HELM

CHART: Final = Path(__file__).resolve().parents[2] / "helm" / "tradeengine"


def helm(*words: str | Path) -> str:
    """Run a command of helm, apart from the user's own configuration and clusters, and return what it printed.

    Raises
    ------
    ConfigError
        If helm cannot be had, or the command fails; with what it said.
    """
    with tempfile.TemporaryDirectory(prefix="tradeengine-helm-") as home:
        folders = {f"HELM_{name}_HOME": home for name in ("CACHE", "CONFIG", "DATA")}
        environment = {**os.environ, **folders, "KUBECONFIG": os.devnull}
        return run([HELM.built(), *words], what=f"helm {words[0]}", env=environment)


def render(*values: Path, given: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Render the chart as an install without a cluster would.

    Parameters
    ----------
    values
        Files of values; later ones win.
    given
        More values, as ``--set`` takes them.

    Returns
    -------
    list of dict
        The objects, hooks among them.

    Raises
    ------
    ConfigError
        If the chart refuses the values, with what it said.
    """
    return [document for document in yaml.safe_load_all(rendered(*values, given=given)) if document]


def rendered(*values: Path, given: Sequence[str] = ()) -> str:
    """Render the chart, and return the text; parameters and errors as of :func:`render`."""
    files = [word for file in values for word in ("--values", str(file))]
    single = [word for value in given for word in ("--set", value)]
    return helm("template", "tradeengine", CHART, "--namespace", "tradeengine", *files, *single)
