"""Definitions of the kinds that other people's operators bring, from the operators' own published modules."""

import json
from pathlib import Path
from typing import Final, NamedTuple

from scripts.devservices.folders import cache_folder, locked
from scripts.devservices.packages import run
from scripts.devservices.toxiproxy import find_go
from shared.errors import ConfigError


class Definition(NamedTuple):
    """A CustomResourceDefinition that stands in a Go module.

    Parameters
    ----------
    kind
        What it defines.
    module, version
        Where it is published.
    path
        Its file in the module.
    """

    kind: str
    module: str
    version: str
    path: str

    @property
    def file(self) -> Path:
        """Where it is, once it was fetched."""
        return cache_folder() / f"{self.kind}-{self.version}.yaml"

    def fetch(self) -> None:
        """Fetch it unless this user has it.

        Raises
        ------
        ConfigError
            If there is no Go, or the module cannot be had.
        """
        if self.file.is_file():
            return
        go = find_go()
        if go is None:
            raise ConfigError(f"no Go to fetch {self.module} with: install Go 1.24 or newer")
        told = run([go, "mod", "download", "-json", f"{self.module}@{self.version}"], what=f"fetching {self.module}")
        with locked(self.file.with_suffix(".lock")):
            made = self.file.with_suffix(".new")
            made.write_bytes((Path(json.loads(told)["Dir"]) / self.path).read_bytes())
            made.rename(self.file)


_PROMETHEUS: Final = ("github.com/prometheus-operator/prometheus-operator", "v0.82.2")
_PROMETHEUS_FILES: Final = "example/prometheus-operator-crd/monitoring.coreos.com"
DEFINITIONS: Final = (
    Definition("ServiceMonitor", *_PROMETHEUS, f"{_PROMETHEUS_FILES}_servicemonitors.yaml"),
    Definition("PrometheusRule", *_PROMETHEUS, f"{_PROMETHEUS_FILES}_prometheusrules.yaml"),
    Definition("ScaledObject", "github.com/kedacore/keda/v2", "v2.17.1", "config/crd/bases/keda.sh_scaledobjects.yaml"),
    Definition(
        "ExternalSecret",
        "github.com/external-secrets/external-secrets",
        "v0.17.0",
        "config/crds/bases/external-secrets.io_externalsecrets.yaml",
    ),
)
