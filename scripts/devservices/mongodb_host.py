"""The MongoDB wire-protocol server as a program: jars from Maven, a small main class of ours, both built once."""

import hashlib
import os
import shutil
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from scripts.devservices.folders import cache_folder, locked
from scripts.devservices.packages import find_program, install_packages, program, run, say
from shared.errors import ConfigError

SOURCE: Final = Path(__file__).resolve().parent.parent / "mongodb_host"
_MAIN: Final = "MongoHost.java"
_PINS: Final = "jars.sha256"


class MongoDbHost(NamedTuple):
    """How the server is run."""

    java: Path
    classpath: str


@lru_cache(maxsize=1)
def mongodb_host() -> MongoDbHost:
    """Find the server, and build it if this user has none of this version.

    Raises
    ------
    ConfigError
        If Java or Maven is missing and cannot be installed, or the build fails.
    """
    built = cache_folder() / f"mongodb-host-{_version()}"
    if not built.is_dir():
        with locked(built.with_name(f"{built.name}.lock")):
            if not built.is_dir():
                _build(built)
    if find_program("java") is None:
        install_packages(("java",), ("default-jdk-headless",), instead="MONGODB_URI")
    return MongoDbHost(program("java"), os.pathsep.join((f"{built / 'lib'}/*", str(built / "classes"))))


def _version() -> str:
    files = (SOURCE / name for name in (_MAIN, "pom.xml", _PINS))
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:12]


def _build(target: Path) -> None:
    install_packages(("java", "javac", "mvn"), ("default-jdk-headless", "maven"), instead="MONGODB_URI")
    say("fetching and building the MongoDB wire-protocol server (half a minute, once)")
    made = target.with_name(f"{target.name}.new")
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    libraries = made / "lib"
    fetch = ("-q", "-B", "-f", SOURCE / "pom.xml", "dependency:copy-dependencies", f"-DoutputDirectory={libraries}")
    run([program("mvn"), *fetch], what="fetching the jars with Maven", cwd=made)
    _check(libraries)
    compiling = ("-cp", f"{libraries}/*", "-d", made / "classes", SOURCE / _MAIN)
    run([program("javac"), *compiling], what=f"compiling {SOURCE / _MAIN}")
    made.rename(target)


def _check(libraries: Path) -> None:
    """Refuse jars that are not the ones that were reviewed."""
    lines = (SOURCE / _PINS).read_text(encoding="utf-8").splitlines()
    pinned = {name: digest for digest, name in (line.split() for line in lines)}
    found = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in libraries.iterdir()}
    if found != pinned:
        wrong = sorted(name for name in found.keys() | pinned.keys() if found.get(name) != pinned.get(name))
        raise ConfigError(f"the jars {', '.join(wrong)} are not those of {SOURCE / _PINS}: do not use them")
