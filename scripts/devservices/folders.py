"""Folders: where built tools are kept, and where servers throw their data away."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_folder() -> Path:
    """Folder of this user that keeps what was built or fetched, for all checkouts."""
    base = os.environ.get("XDG_CACHE_HOME")
    folder = (Path(base) if base else Path.home() / ".cache") / "tradeengine"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def make_throw_away_folder() -> Path:
    """Make a folder for servers' data, which a server that runs as another user can get to."""
    folder = Path(tempfile.mkdtemp(prefix="tradeengine-services-"))
    folder.chmod(0o711)
    return folder


@contextmanager
def throw_away_folder() -> Iterator[Path]:
    """Make a folder for servers' data, and remove it in the end."""
    folder = make_throw_away_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Let one process at a time through; the lock goes with the process."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
