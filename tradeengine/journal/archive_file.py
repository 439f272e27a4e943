"""Files of the archive: some records of one shard, compressed, with a header that says what must be in them.

A file is gzip over JSON Lines: the header, then one record a line, byte for byte as it was appended.
"""

import gzip
import hashlib
import os
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from shared.errors import ConfigError, RetrySafe
from tradeengine.journal.stored import Stored, gist_of

FORMAT: Final = "tradeengine-journal"
VERSION: Final = 1

_NAME: Final = re.compile(r"shard-(\d{3,})\.(\d{12,})-(\d{12,})\.jsonl\.gz")
_UNREADABLE: Final = (OSError, EOFError, zlib.error, msgspec.MsgspecError)


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """First line of a file.

    Parameters
    ----------
    journal_id
        Of the journal that the records were committed to.
    first, last
        Sequences of the first and the last record; all between them are there.
    events
        Number of events in the records.
    first_ms, last_ms
        Times of the first and the last record, milliseconds since 1970 UTC.
    size, sha256
        Bytes, and SHA-256 in hex, of all lines after the header.
    """

    format: str
    version: int
    journal_id: str
    shard: int
    first: int
    last: int
    count: int
    events: int
    first_ms: int
    last_ms: int
    size: int
    sha256: str


class ArchiveFile(NamedTuple):
    """A file and what its name says."""

    path: Path
    shard: int
    first: int
    last: int


class ArchiveDamaged(ConfigError):
    """A file of the archive is not what it was when it was written, or is missing."""


def find_files(folder: Path) -> list[ArchiveFile]:
    """Files of an archive in the order of shard and sequence, by their names; none if there is no such folder."""
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    found = [(name, match) for name in names if (match := _NAME.fullmatch(name))]
    return sorted(
        (ArchiveFile(folder / name, *map(int, match.groups())) for name, match in found), key=lambda file: file[1:]
    )


def read_header(file: ArchiveFile) -> Header:
    """Read what a file says of itself, without its records.

    Raises
    ------
    ArchiveDamaged
        If it cannot be read, or its name says something else.
    ConfigError
        If a newer engine wrote it.
    """
    try:
        with gzip.open(file.path) as lines:
            return _checked(file, lines.readline())
    except _UNREADABLE as error:
        raise _damaged(file, f"{type(error).__name__}: {error}") from error


def load_file(file: ArchiveFile) -> tuple[Header, list[Stored]]:
    """Read a file whole, and compare all of it with its header.

    Raises
    ------
    ArchiveDamaged
        If anything is missing or changed; the text names file, shard and records.
    ConfigError
        If a newer engine wrote it.
    """
    try:
        with gzip.open(file.path) as lines:
            # To the end before anything is believed: there gzip compares its own sums.
            first_line, _, content = lines.read().partition(b"\n")
        header = _checked(file, first_line)
    except _UNREADABLE as error:
        raise _damaged(file, f"{type(error).__name__}: {error}") from error
    if len(content) != header.size or hashlib.sha256(content).hexdigest() != header.sha256:
        raise _damaged(file, f"its {len(content)} bytes are not the {header.size} that were written")
    payloads = content.split(b"\n")[:-1]
    if len(payloads) != header.count:
        raise _damaged(file, f"it has {len(payloads)} records, its header says {header.count}")
    return header, [Stored(sequence, payload) for sequence, payload in enumerate(payloads, header.first)]


def write_file(folder: Path, shard: int, journal_id: str, rows: Sequence[Stored]) -> ArchiveFile:
    """Write records to a new file; under its name it is whole and on the disk, or not there at all.

    Raises
    ------
    RetrySafe
        If the folder does not take it; there is no such file then.
    """
    content = b"".join([payload + b"\n" for _, payload in rows])
    gists = [gist_of(payload) for _, payload in rows]
    header = Header(
        format=FORMAT,
        version=VERSION,
        journal_id=journal_id,
        shard=shard,
        first=rows[0].sequence,
        last=rows[-1].sequence,
        count=len(rows),
        events=sum(gist.events for gist in gists),
        first_ms=gists[0].time_ms,
        last_ms=gists[-1].time_ms,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    path = folder / f"shard-{shard:03}.{header.first:012}-{header.last:012}.jsonl.gz"
    try:
        # Two members of one gzip file: the header is read without unpacking what follows. The same records give the
        # same bytes, whenever they are written.
        members = [gzip.compress(part, mtime=0) for part in (msgspec.json.encode(header) + b"\n", content)]
        _write_durably(path, *members)
    except OSError as error:
        raise RetrySafe(
            f"cannot write {path}: {error.strerror}; make room or the folder writable, nothing was trimmed after it"
        ) from error
    return ArchiveFile(path, shard, header.first, header.last)


def _write_durably(path: Path, *parts: bytes) -> None:
    partial = path.with_name(f".{path.name}.part")
    try:
        with partial.open("wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _checked(file: ArchiveFile, line: bytes) -> Header:
    header = msgspec.json.decode(line, type=Header)
    if header.format != FORMAT:
        raise _damaged(file, f"its format is {header.format!r}")
    if header.version > VERSION:
        raise ConfigError(
            f"{file.path} is of version {header.version}, this engine knows {VERSION}: use the engine that wrote "
            "it, or a newer one"
        )
    if (header.shard, header.first, header.last) != file[1:]:
        raise _damaged(file, f"its header names records {header.first} to {header.last} of shard {header.shard}")
    return header


def _damaged(file: ArchiveFile, why: str) -> ArchiveDamaged:
    return ArchiveDamaged(
        f"the archive file {file.path}, records {file.first} to {file.last} of shard {file.shard}, is damaged ({why}): "
        "put a good copy in its place"
    )
