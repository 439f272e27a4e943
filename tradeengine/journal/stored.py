"""Stored records: the bytes that a store keeps, in pages within bounds, and what they tell without being decoded."""

from collections.abc import AsyncIterator, Iterable
from typing import Final, NamedTuple, Protocol

import msgspec

from shared.errors import ConfigError

PAGE_BYTES: Final = 4 * 2**20
"""About how many bytes of records are read at once: decoding them must not hold up everything else."""


class Stored(NamedTuple):
    """A record as it was appended, byte for byte."""

    sequence: int
    payload: bytes


class RecordsTrimmed(ConfigError):
    """The journal does not hold a record any more that it once held: it is in the archive."""

    def __init__(self, shard: int, asked: int) -> None:
        super().__init__(
            f"record {asked} of shard {shard} is not in the journal any more: it was archived, then trimmed "
            "(`tradeengine journal status` says how far); name the folder of its archive with ARCHIVE_DIR or --archive"
        )


class Source(Protocol):
    """Whatever holds records of shards."""

    async def stored(self, shard: int, after: int = 0, limit: int = 1000) -> list[Stored]:
        """Records of a shard with a sequence above ``after``, as of :meth:`Journal.stored`."""
        ...


class Gist(NamedTuple):
    """What is told of a record.

    Parameters
    ----------
    time_ms
        Time of its newest input, milliseconds since 1970 UTC.
    """

    time_ms: int
    events: int


class _Input(msgspec.Struct):
    time_ms: int


class _Entry(msgspec.Struct):
    input: _Input
    events: tuple[msgspec.Raw, ...]


class _Record(msgspec.Struct):
    entries: tuple[_Entry, ...]


_decoder = msgspec.json.Decoder(_Record)


def gist_of(payload: bytes) -> Gist:
    """Tell of a record without decoding its events.

    Raises
    ------
    msgspec.MsgspecError
        If the bytes are no record.
    """
    entries = _decoder.decode(payload).entries
    return Gist(max((entry.input.time_ms for entry in entries), default=0), sum(len(entry.events) for entry in entries))


def page_of(rows: Iterable[Stored], limit: int) -> list[Stored]:
    """The first rows, at most ``limit`` and about :data:`PAGE_BYTES`, but one at least if there is any."""
    page: list[Stored] = []
    size = 0
    for row in rows if limit > 0 else ():
        page.append(row)
        size += len(row.payload)
        if size >= PAGE_BYTES or len(page) >= limit:
            break
    return page


async def pages(source: Source, shard: int, after: int, through: int) -> AsyncIterator[list[Stored]]:
    """Records of a shard above ``after`` up to ``through``, page by page; it ends early where there are no more."""
    while after < through and (page := await source.stored(shard, after, min(1000, through - after))):
        yield page
        after = page[-1].sequence
