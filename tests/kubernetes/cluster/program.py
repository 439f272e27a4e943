"""The program of the test's control plane: built with Go once, into the user's cache."""

import hashlib
import os
from pathlib import Path
from typing import Final

from scripts.devservices.folders import cache_folder, locked
from scripts.devservices.packages import run, say
from scripts.devservices.toxiproxy import find_go
from shared.errors import ConfigError

VERSION: Final = "1.33.13"
"""Of Kubernetes; go.mod names it too, for each of its modules."""

MODULE: Final = Path(__file__).with_name("controlplane")
PARTS: Final = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kwok")

_TOLD: Final = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
"""Packages whose variables say which version runs; a release of Kubernetes sets them when it links."""


def program_file() -> Path:
    """Where the program is once it was built: another file for other sources of it."""
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(MODULE.iterdir()))).hexdigest()
    return cache_folder() / f"controlplane-{VERSION}-{digest[:12]}"


def build() -> Path:
    """Build the program if this user has none of these sources.

    Returns
    -------
    Path
        The program. The first word after it names the part that runs, as does a link with the name of a part.

    Raises
    ------
    ConfigError
        If there is no Go, or the build fails.
    """
    file = program_file()
    if not file.is_file():
        with locked(file.with_name(f"{file.name}.lock")):
            if not file.is_file():
                _build(file)
    return file


def _build(target: Path) -> None:
    go = find_go()
    if go is None:
        raise ConfigError(f"no Go to build Kubernetes {VERSION} with: install Go 1.24 or newer")
    say(f"building Kubernetes {VERSION} (about seven minutes of two processors and 5 GB of disk, once)")
    major, minor, _ = VERSION.split(".")
    texts = {"gitVersion": f"v{VERSION}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    variables = [f"-X {package}.{name}={text}" for package in _TOLD for name, text in texts.items()]
    made = target.with_name(f"{target.name}.new")
    # Other flags would compile all of its two thousand packages again.
    flags = ["-buildvcs=false", "-trimpath", "-tags", "grpcnotrace", "-ldflags", " ".join(["-s", "-w", *variables])]
    command: list[str | Path] = ["nice", "-n", "15", go, "build", *flags, "-o", made, "."]
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
    run(command, what=f"building Kubernetes {VERSION}", env=environment, cwd=MODULE)
    made.rename(target)
