"""Programs that are built with Go once, from their published modules, into the user's cache."""

import json
import os
import shutil
from pathlib import Path
from typing import Final, NamedTuple

from scripts.devservices.folders import cache_folder, locked
from scripts.devservices.packages import run, say
from scripts.devservices.toxiproxy import find_go
from shared.errors import ConfigError

KUBERNETES_MINOR: Final = 33
"""Of Kubernetes 1: what charts are told where no cluster answers."""


class GoProgram(NamedTuple):
    """A program of a module.

    Parameters
    ----------
    module, version
        Where it is published.
    package
        Path of its main package in the module; its last part names the program.
    variables
        Texts that the linker puts in, as ``package.name=text``.
    """

    module: str
    version: str
    package: str
    variables: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What it is called."""
        return self.package.rpartition("/")[2]

    @property
    def file(self) -> Path:
        """Where it is, once it was built."""
        return cache_folder() / f"{self.name}-{self.version}"

    @property
    def is_built(self) -> bool:
        """Whether this user has it."""
        return self.file.is_file()

    def built(self) -> Path:
        """Build it if this user has none of this version, and say where it is.

        Raises
        ------
        ConfigError
            If there is no Go, or the build fails.
        """
        if not self.is_built:
            with locked(self.file.with_name(f"{self.file.name}.lock")):
                if not self.is_built:
                    self._build()
        return self.file

    def _build(self) -> None:
        go = find_go()
        if go is None:
            raise ConfigError(f"no Go to build {self.name} {self.version} with: install it, or put it at {self.file}")
        say(f"building {self.name} {self.version} (some minutes, once)")
        environment = {**os.environ, "GOFLAGS": ""}
        told = run([go, "mod", "download", "-json", f"{self.module}@v{self.version}"], what=f"fetching {self.module}")
        made = self.file.with_name(f"{self.file.name}.new")
        # In the module's own folder, for `go install` refuses modules that replace others.
        flags = ["-mod=mod", "-trimpath", "-ldflags", " ".join(["-s", "-w", *(f"-X {v}" for v in self.variables)])]
        command: list[str | Path] = [go, "build", *flags, "-o", made, f"./{self.package}"]
        run(command, what=f"building {self.name}", env=environment, cwd=Path(json.loads(told)["Dir"]))
        shutil.move(made, self.file)


_CHARTUTIL: Final = "helm.sh/helm/v3/pkg/chartutil"
HELM: Final = GoProgram(
    "helm.sh/helm/v3",
    "3.22.0",
    "cmd/helm",
    (
        "helm.sh/helm/v3/internal/version.version=v3.22.0",
        f"{_CHARTUTIL}.k8sVersionMajor=1",
        f"{_CHARTUTIL}.k8sVersionMinor={KUBERNETES_MINOR}",
    ),
)
HELM_UNITTEST: Final = GoProgram("github.com/helm-unittest/helm-unittest", "1.1.2", "cmd/helm-unittest")
KUBE_SCORE: Final = GoProgram("github.com/zegl/kube-score", "1.20.0", "cmd/kube-score")
