"""The state on disk: whole or not at all."""

import json
import os
from pathlib import Path
from typing import Any


class StateFile:
    """A file that holds the last state.

    Parameters
    ----------
    path
        Where; the folder must exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> dict[str, Any] | None:
        """Read the state, ``None`` if there is no file.

        Raises
        ------
        ValueError
            If the file holds something else.
        """
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        try:
            document = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"{self._path} holds no JSON ({error}); remove the file to start afresh") from error
        if not isinstance(document, dict) or "server" not in document:
            raise ValueError(f"{self._path} holds no state of a simulator; name another file, or remove it")
        return document

    def write(self, content: bytes) -> None:
        """Replace the file's content at once, so that a crash leaves the one or the other."""
        beside = self._path.with_name(self._path.name + ".new")
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
