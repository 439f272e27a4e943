"""Files of a data folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.errors import ConfigError


def journal_file(folder: Path) -> Path:
    """The journal: the truth."""
    return folder / "journal.sqlite"


def read_model_file(folder: Path) -> Path:
    """The read model: made from the journal, may be deleted."""
    return folder / "readmodel.sqlite"


def publication_file(folder: Path) -> Path:
    """How far execution events and alerts are published; may be deleted, then all of the journal is published again."""
    return folder / "publication.sqlite"


def archive_folder(folder: Path) -> Path:
    """What was archived of the journal: as precious as the journal itself."""
    return folder / "archive"


def leases_file(folder: Path) -> Path:
    """The leases; may be deleted while no engine works in the folder."""
    return folder / "leases.sqlite"


def nats_folder(folder: Path) -> Path:
    """JetStream store of the embedded nats-server."""
    return folder / "nats"


def data_folder(folder: Path) -> Path:
    """Make the data folder if it does not exist.

    Raises
    ------
    ConfigError
        If it cannot be made or is no folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"data folder {folder} cannot be made: {error.strerror}; set TRADEENGINE_DATA_DIR") from error
    return folder


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Hold a data folder for this process alone; the lock ends with the process, however that ends.

    Raises
    ------
    ConfigError
        If another process holds it, or it cannot be written.
    """
    path = folder / "engine.lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise ConfigError(
            f"data folder {folder} cannot be written: {error.strerror}; make it writable or set TRADEENGINE_DATA_DIR"
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(
                f"another engine works in the data folder {folder}: stop it, or set another TRADEENGINE_DATA_DIR"
            ) from error
        yield
    finally:
        os.close(descriptor)
