"""A CSV file of market data that grows at its end and is usable at any time."""

import fcntl
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from contracts.values import iso_millis, parse_timestamp, to_millis
from shared.errors import ConfigError
from tradeengine.prices.series import Row


class Gap(NamedTuple):
    """Rows are missing after one time and before another, milliseconds since 1970 UTC."""

    after_ms: int
    before_ms: int


class Extent(NamedTuple):
    """What a file holds.

    Parameters
    ----------
    gaps
        Where two rows are further apart than they should be.
    """

    first_ms: int
    last: Row
    rows: int
    gaps: tuple[Gap, ...]


class SeriesFile:
    """Rows in the order of time, appended in blocks.

    A context manager; while it is open no other process writes the file. A block is written by one call to the system,
    the header with the first. What an interrupted call left of a line is cut off at the next opening.

    Parameters
    ----------
    path
        Made with the first rows.
    columns
        The header.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path = path
        self._header = f"{','.join(columns)}\n"
        self._columns = len(columns)
        self._descriptor = -1

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise ConfigError(f"{self.path}: cannot be written ({error.strerror}); name another --out") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise ConfigError(f"{self.path}: is being written by another process; wait for it") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not os.fstat(self._descriptor).st_size:
            self.path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def extent(self, longest_ms: int) -> Extent | None:
        """Read what is there, and cut off a line that was not finished; ``None`` while there is no row.

        Parameters
        ----------
        longest_ms
            Distance of two rows beyond which something is missing between them.

        Raises
        ------
        ConfigError
            If the file is none of this kind. It is left as it is.
        """
        try:
            text = self.path.read_bytes().decode()
        except UnicodeDecodeError as error:
            raise ConfigError(f"{self.path}: is no CSV text in UTF-8; name another --out") from error
        if not text.startswith(self._header):
            if text and not self._header.startswith(text):
                raise ConfigError(
                    f"{self.path}:1: is no file of this command, whose header is {self._header.strip()}; "
                    "name another --out"
                )
            os.ftruncate(self._descriptor, 0)
            return None
        whole = text[: text.rindex("\n") + 1]
        if len(whole) < len(text):
            os.ftruncate(self._descriptor, len(whole.encode()))
        return self._extent(self._rows(whole), longest_ms)

    def append(self, rows: Iterable[Row]) -> None:
        """Write rows at the end.

        Raises
        ------
        ConfigError
            If they cannot be written. What was there before stays.
        """
        block = "".join(row.line for row in rows)
        size = os.fstat(self._descriptor).st_size
        data = (block if size else self._header + block).encode()
        try:
            written = os.write(self._descriptor, data)
            if written < len(data):
                # The system says why when it is asked for the rest.
                os.write(self._descriptor, data[written:])
        except OSError as error:
            os.ftruncate(self._descriptor, size)
            raise ConfigError(
                f"{self.path}: cannot be written ({error.strerror}); what it holds is whole: make room, and run the "
                "same command again to go on"
            ) from error

    def _rows(self, text: str) -> Iterable[Row]:
        for number, line in enumerate(text.splitlines()[1:], start=2):
            time, *values = line.split(",")
            try:
                time_ms = to_millis(parse_timestamp(time))
            except ValueError as error:
                raise ConfigError(f"{self.path}:{number}: {error}; name another --out") from error
            if len(values) != self._columns - 1:
                raise ConfigError(
                    f"{self.path}:{number}: {len(values) + 1} fields, but the header names {self._columns}; "
                    "name another --out"
                )
            yield Row(time_ms, tuple(values))

    def _extent(self, rows: Iterable[Row], longest_ms: int) -> Extent | None:
        first: Row | None = None
        last: Row | None = None
        count = 0
        gaps: list[Gap] = []
        for row in rows:
            if last is not None:
                distance = row.time_ms - last.time_ms
                if distance <= 0:
                    raise ConfigError(
                        f"{self.path}: {iso_millis(row.time_ms)} follows {iso_millis(last.time_ms)}; name another --out"
                    )
                if distance > longest_ms:
                    gaps.append(Gap(last.time_ms, row.time_ms))
            first, last, count = first or row, row, count + 1
        if first is None or last is None:
            return None
        return Extent(first.time_ms, last, count, tuple(gaps))
