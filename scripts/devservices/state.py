"""What ``scripts/services up`` has started, in a file for ``status`` and ``down``."""

import shutil
from pathlib import Path
from typing import Self

import msgspec

from scripts.devservices.folders import make_throw_away_folder
from scripts.devservices.processes import started_at


class Started(msgspec.Struct, frozen=True):
    """A server that was started: number and start name its process, whoever gets the number after it."""

    pid: int
    started: str
    port: int
    url: str
    log: str

    @property
    def runs(self) -> bool:
        """Whether its process is still there."""
        return started_at(self.pid) == self.started


class State(msgspec.Struct):
    """All servers that were started, by their names, and the folder of their data."""

    folder: str
    servers: dict[str, Started] = {}

    @classmethod
    def load(cls, file: Path) -> Self | None:
        """Read it back; ``None`` if nothing was started."""
        try:
            return msgspec.json.decode(file.read_bytes(), type=cls)
        except FileNotFoundError:
            return None

    @classmethod
    def load_or_make(cls, file: Path) -> Self:
        """Read it back, with a folder that exists; the file knows of that folder before anything is in it."""
        state = cls.load(file) or cls(str(make_throw_away_folder()))
        if not Path(state.folder).is_dir():
            # Systems clean their temporary folders at times.
            state.folder = str(make_throw_away_folder())
        state.save(file)
        return state

    def save(self, file: Path) -> None:
        """Write it whole or not at all."""
        file.parent.mkdir(parents=True, exist_ok=True)
        made = file.with_suffix(".new")
        made.write_bytes(msgspec.json.format(msgspec.json.encode(self)))
        made.replace(file)

    def discard(self, file: Path) -> None:
        """Remove the servers' data and the file; they must have ended."""
        shutil.rmtree(self.folder, ignore_errors=True)
        file.unlink(missing_ok=True)
