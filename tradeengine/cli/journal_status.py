"""What ``tradeengine journal status`` shows."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from shared.errors import ConfigError
from tradeengine.journal.archive import Archive
from tradeengine.journal.archive_file import Header, read_header
from tradeengine.journal.base import Journal
from tradeengine.journal.stored import Gist, gist_of, pages

Tell = Callable[[int], None]
"""Told of a number of records, after each step."""


async def describe(journal: Journal, archive: Archive, tell: Tell) -> tuple[list[str], list[str]]:
    """Describe each shard of a journal and its archive: lines to show, and what is wrong."""
    headers, wrong = _headers(archive)
    lines = []
    for shard in await journal.shards():
        snapshot, first = await journal.load_snapshot(shard), await journal.first_sequence(shard)
        lines.append(f"shard {shard}")
        lines.append(f"  journal   {await _held(journal, shard, tell)}")
        lines.append(
            f"  snapshot  {'none' if snapshot is None else f'{snapshot.sequence}, {_bytes(len(snapshot.state))}'}"
        )
        lines.append(f"  archive   {_archived([header for header in headers if header.shard == shard])}")
        wrong += [
            f"records {begin} to {end} of shard {shard} are neither in the journal nor in {archive.folder}"
            for begin, end in archive.missing(shard, first - 1)
        ]
    return lines or ["the journal is empty"], wrong


async def _held(journal: Journal, shard: int, tell: Tell) -> str:
    first, last = await journal.first_sequence(shard), await journal.last_sequence(shard)
    events = size = 0
    oldest = newest = Gist(0, 0)
    async for page in pages(journal, shard, first - 1, last):
        gists = [gist_of(payload) for _, payload in page]
        oldest, newest = oldest if oldest.events else gists[0], gists[-1]
        events += sum(gist.events for gist in gists)
        size += sum(len(payload) for _, payload in page)
        tell(len(page))
    return _span(first, last, events, size, oldest.time_ms, newest.time_ms)


def _headers(archive: Archive) -> tuple[list[Header], list[str]]:
    headers, wrong = [], []
    for file in archive.files():
        try:
            headers.append(read_header(file))
        except ConfigError as error:
            wrong.append(str(error))
    return headers, wrong


def _archived(headers: Sequence[Header]) -> str:
    if not headers:
        return "nothing"
    first, last = headers[0], headers[-1]
    events, size = sum(header.events for header in headers), sum(header.size - header.count for header in headers)
    span = _span(first.first, last.last, events, size, first.first_ms, last.last_ms)
    return f"{span}, {len(headers)} files"


def _span(first: int, last: int, events: int, size: int, first_ms: int, last_ms: int) -> str:
    if first > last:
        return f"nothing, the next record is {first}"
    count = last - first + 1
    when = f"{_time(first_ms)} to {_time(last_ms)}"
    return f"records {first} to {last}, {when} ({count:,} records, {events:,} events, {_bytes(size)})"


def _time(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"


def _bytes(size: int) -> str:
    return f"{size:,} B" if size < 10_000 else f"{size / 1_000_000:,.2f} MB"
