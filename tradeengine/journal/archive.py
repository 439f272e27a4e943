"""Archive: the folder of compressed files that trimmed records of a journal are read back from."""

import fcntl
import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from shared.errors import ConfigError
from tradeengine.journal.archive_file import (
    ArchiveDamaged,
    ArchiveFile,
    Header,
    find_files,
    load_file,
    read_header,
    sync_folder,
    write_file,
)
from tradeengine.journal.stored import Stored, page_of

FILE_BYTES: Final = 16 * 2**20
"""About how many bytes of records one file holds: it is read, and verified, as a whole."""

_REMEMBERED: Final = 2


class Archive:
    """Files of a folder; what it does blocks, so it belongs beside the event loop.

    Parameters
    ----------
    folder
        It need not exist: an archive without files holds nothing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._loaded: OrderedDict[ArchiveFile, tuple[Header, list[Stored]]] = OrderedDict()

    def files(self) -> list[ArchiveFile]:
        """All files, in the order of shard and sequence."""
        return find_files(self.folder)

    def headers(self) -> list[Header]:
        """Headers of all files, in the same order.

        Raises
        ------
        ArchiveDamaged
            If one cannot be read.
        """
        return [read_header(file) for file in self.files()]

    def last_sequence(self, shard: int) -> int:
        """Sequence of the last archived record of a shard, 0 while there is none."""
        return max((file.last for file in self.files() if file.shard == shard), default=0)

    def missing(self, shard: int, through: int) -> list[tuple[int, int]]:
        """Spans of records of a shard, from the first one to a sequence, that no file holds: first and last of each."""
        spans, at = [], 0
        for file in self.files():
            if file.shard == shard and file.first <= through:
                if file.first > at + 1:
                    spans.append((at + 1, file.first - 1))
                at = max(at, file.last)
        return spans if at >= through else [*spans, (at + 1, through)]

    def covering(self, shard: int, sequence: int) -> ArchiveFile | None:
        """The file that holds a record, and most behind it; ``None`` if no file does."""
        found = [file for file in self.files() if file.shard == shard and file.first <= sequence <= file.last]
        return max(found, key=lambda file: file.last, default=None)

    def load(self, file: ArchiveFile) -> tuple[Header, list[Stored]]:
        """Header and records of a file, verified; the newest ones are kept in memory.

        Raises
        ------
        ArchiveDamaged
            If it is not what was written.
        """
        if file not in self._loaded:
            while len(self._loaded) >= _REMEMBERED:
                self._loaded.popitem(last=False)
            self._loaded[file] = load_file(file)
        return self._loaded[file]

    def stored(self, shard: int, after: int, limit: int, journal_id: str = "") -> list[Stored]:
        """Records of a shard above a sequence, at most ``limit`` and about a page of bytes.

        Parameters
        ----------
        journal_id
            Journal that they must be of; empty for any.

        Raises
        ------
        ArchiveDamaged
            If the one that follows ``after`` is in no file, or its file is damaged.
        ConfigError
            If they are another journal's.
        """
        file = self.covering(shard, after + 1)
        if file is None:
            around = self._around(shard, after + 1)
            raise ArchiveDamaged(
                f"the archive {self.folder} lacks record {after + 1} of shard {shard}: {around}; "
                "bring back the file that held it, or name another folder with ARCHIVE_DIR or --archive"
            )
        header, rows = self.load(file)
        if journal_id and header.journal_id != journal_id:
            raise ConfigError(
                f"{file.path} is of the journal {header.journal_id!r}, this one is {journal_id!r}: name the archive of "
                "this journal with ARCHIVE_DIR or --archive"
            )
        at = after + 1 - file.first
        return page_of(rows[at : at + limit], limit)

    def write(self, shard: int, journal_id: str, rows: Sequence[Stored]) -> ArchiveFile:
        """Write records to a new file, and read it back from the disk.

        Raises
        ------
        RetrySafe
            If the folder does not take it.
        ArchiveDamaged
            If what comes back is not what was written.
        """
        file = write_file(self.folder, shard, journal_id, rows)
        if load_file(file)[1] != list(rows):
            raise ArchiveDamaged(f"{file.path} does not give back what was written to it: check the disk")
        return file

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make the folder if it is not there, and keep other processes from writing to it.

        Raises
        ------
        ConfigError
            If another process holds it, or it cannot be written.
        """
        try:
            _make_folder(self.folder)
            descriptor = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise ConfigError(
                f"the archive {self.folder} cannot be written: {error.strerror}; make it writable, or name another "
                "folder with ARCHIVE_DIR"
            ) from error
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise ConfigError(
                    f"another process writes to the archive {self.folder}: wait until it has ended"
                ) from error
            # What a process left that was killed while it wrote.
            for partial in self.folder.glob(".shard-*.part"):
                partial.unlink(missing_ok=True)
            yield
        finally:
            os.close(descriptor)

    def _around(self, shard: int, sequence: int) -> str:
        files = [file for file in self.files() if file.shard == shard]
        before = max((file.last for file in files if file.last < sequence), default=None)
        behind = min((file.first for file in files if file.first > sequence), default=None)
        if before is None and behind is None:
            return "it holds none of that shard"
        until = "its files" if before is None else f"its files hold records up to {before}"
        return until + (" and none behind" if behind is None else f"{', then' if before else ' begin with'} {behind}")


def _make_folder(folder: Path) -> None:
    """Make a folder that is still there after a loss of power."""
    if not folder.exists():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)
