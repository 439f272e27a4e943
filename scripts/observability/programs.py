"""promtool and prometheus: those on the PATH, or those of Debian's package, unpacked once into the user's cache.

The package is fetched and unpacked, not installed: nobody need be root, and no service of the system is started.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from scripts.devservices.folders import cache_folder, locked
from scripts.devservices.packages import find_program, run, say
from shared.errors import ConfigError

_PACKAGE: Final = "prometheus"
_FOLDER: Final = "prometheus-debian"


def prometheus() -> Path:
    """The server.

    Raises
    ------
    ConfigError
        If it is not there and cannot be fetched.
    """
    return _program("prometheus")


def promtool() -> Path:
    """What checks rules and runs their unit tests; errors are those of :func:`prometheus`."""
    return _program("promtool")


def _program(name: str) -> Path:
    found = find_program(name)
    if found is not None:
        return found
    folder = cache_folder() / _FOLDER
    file = folder / "usr" / "bin" / name
    if not file.is_file():
        with locked(folder.with_name(f"{_FOLDER}.lock")):
            if not file.is_file():
                _fetch(folder)
    return file


def _fetch(folder: Path) -> None:
    apt, unpack = find_program("apt-get"), find_program("dpkg-deb")
    if apt is None or unpack is None:
        raise ConfigError(
            "no promtool on the PATH, and no apt-get to fetch Debian's prometheus with: install Prometheus"
        )
    say(f"fetching Debian's package {_PACKAGE} (20 MB, once)")
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        _download(apt, Path(made))
        (package,) = Path(made).glob("*.deb")
        unpacked = Path(made) / "unpacked"
        run([unpack, "-x", package, unpacked], what=f"unpacking {package.name}")
        shutil.rmtree(folder, ignore_errors=True)
        unpacked.rename(folder)


def _download(apt: Path, folder: Path) -> None:
    download: list[str | Path] = [apt, "download", "-qq", _PACKAGE]
    what = f"apt-get download {_PACKAGE}"
    try:
        run(download, what=what, cwd=folder)
    except ConfigError:
        # A machine that is new knows of no package yet; who may not update learns from the second try why it fails.
        if os.geteuid() == 0:
            run([apt, "update", "-qq"], what="apt-get update")
        run(download, what=what, cwd=folder)
