"""The Dockerfile, as instructions that can be followed without a Docker engine."""

import json
import re
import shutil
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
IGNORED = shutil.ignore_patterns("__pycache__")


class Instruction(NamedTuple):
    """One instruction: its word, its text, and the number of its stage."""

    word: str
    text: str
    stage: int


def instructions() -> list[Instruction]:
    """All instructions in order; those before the first FROM have the stage 0."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#")).replace("\\\n", " ")
    found, stage = [], 0
    for line in filter(None, (line.strip() for line in lines.splitlines())):
        word, _, rest = line.partition(" ")
        stage += word == "FROM"
        found.append(Instruction(word, rest.strip(), stage))
    return found


def variables(text: str) -> dict[str, str]:
    """Names and values of ENV."""
    return dict(re.findall(r"(\w+)=(\S+)", text))


def words(text: str) -> list[str]:
    """Words of an instruction in the form of JSON, such as CMD."""
    found: list[str] = json.loads(text[text.index("[") :])
    return found


def copy_in(text: str, folder: Path) -> None:
    """Do what COPY does, of this checkout and into a folder."""
    *sources, target = text.split()
    for source in sources:
        at = ROOT / source
        if at.is_dir():
            shutil.copytree(at, folder / target, ignore=IGNORED)
        else:
            shutil.copy(at, folder / target)
