"""Programs of the system, and the packages that bring them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.devservices.folders import cache_folder, locked
from shared.errors import ConfigError

_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Where servers are, also for users whose PATH leaves it out."""

_LOCK_SECONDS = 300
"""How long somebody else's installation is waited for."""


def find_program(name: str, *more: Path) -> Path | None:
    """Find a program on the PATH, among the servers of the system, or in further folders."""
    folders = [os.environ.get("PATH", os.defpath), *_SBIN, *map(str, more)]
    found = shutil.which(name, path=os.pathsep.join(folders))
    return Path(found) if found else None


def program(name: str) -> Path:
    """Find a program that must be there.

    Raises
    ------
    ConfigError
        If it is not.
    """
    found = find_program(name)
    if found is None:
        raise ConfigError(f"no {name} on the PATH or in {', '.join(_SBIN)}: install it")
    return found


def install_packages(programs: Sequence[str], packages: Sequence[str], *, instead: str) -> None:
    """Install Debian packages unless all their programs are there.

    Parameters
    ----------
    instead
        Variable that names a server elsewhere, for the error.

    Raises
    ------
    ConfigError
        If they are missing, and this is not root on a system with apt, or apt fails.
    """
    if not _missing(programs):
        return
    # Another process that starts at the same time may be installing them.
    with locked(cache_folder() / "packages.lock"):
        if missing := _missing(programs):
            _install(missing, packages, instead)


def _missing(programs: Sequence[str]) -> list[str]:
    return [name for name in programs if find_program(name) is None]


def _install(missing: Sequence[str], packages: Sequence[str], instead: str) -> None:
    apt = find_program("apt-get")
    wanted = " ".join(packages)
    if apt is None or os.geteuid() != 0:
        raise ConfigError(
            f"no {', '.join(missing)}: install it (on Debian: sudo apt-get install {wanted}), or set {instead} to a "
            "server that runs"
        )
    say(f"installing {wanted}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    patient = ("-qq", "-o", f"DPkg::Lock::Timeout={_LOCK_SECONDS}")
    run([apt, "update", *patient], what="apt-get update", env=environment)
    install: list[str | Path] = [apt, "install", "-y", "--no-install-recommends", *patient, *packages]
    run(install, what=f"apt-get install {wanted}", env=environment)


def run(command: Sequence[str | Path], *, what: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """Run a command to its end.

    Parameters
    ----------
    what
        The command in words, for the error.

    Returns
    -------
    str
        What it printed.

    Raises
    ------
    ConfigError
        If it fails, with the end of what it printed.
    """
    done = subprocess.run(  # noqa: S603 - commands of this package
        command,
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise ConfigError(f"{what} failed with status {done.returncode}: {done.stdout[-1500:].strip()}")
    return done.stdout


def say(text: str) -> None:
    """Tell people how it goes; standard output is for what programs read."""
    print(f"services: {text}", file=sys.stderr, flush=True)
