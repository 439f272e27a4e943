"""Bringing the exchange's history into files, page by page, on from where a file ends."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from contracts.values import iso_millis
from shared.errors import ConfigError, Rejected
from tradeengine.prices.client import PAGE, PublicClient
from tradeengine.prices.intervals import interval_ms
from tradeengine.prices.series import FUNDING_SLACK_MS, Row, bar_rows, funding_rows
from tradeengine.prices.series_file import Extent, SeriesFile

LONGEST_FUNDING_MS = 8 * 3_600_000
"""Longest time from one settlement to the next (Binance docs, Get Funding Rate Info)."""

Progress = Callable[[int], None]
"""Told up to which time the file reaches now, milliseconds since 1970 UTC."""


class Span(NamedTuple):
    """From a time to before another, milliseconds since 1970 UTC."""

    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a file holds in the end.

    Parameters
    ----------
    added
        Rows that were not in it before.
    extent
        All of it; its gaps are what the exchange has not.
    """

    added: int
    extent: Extent


class _Page(NamedTuple):
    """Rows of one answer, and whether there may be more after them."""

    rows: list[Row]
    more: bool


_Ask = Callable[[int, int, int], Awaitable[_Page]]


async def fetch_bars(
    client: PublicClient, file: SeriesFile, symbol: str, interval: str, span: Span, progress: Progress
) -> Fetched:
    """Bring the bars that start in a span, and are over, into a file.

    Raises
    ------
    ConfigError
        If the file holds something else, or cannot be written.
    Rejected
        If the exchange has none, or refuses.
    RetrySafe
        If it does not answer; what came until then is in the file.
    """
    step_ms = interval_ms(interval)

    async def ask(start_ms: int, end_ms: int, limit: int) -> _Page:
        # A bar that ends while it is on its way may have been read before its end.
        asked_ms = client.now_ms()
        klines = await client.klines(symbol, interval, start_ms, end_ms, limit)
        return _Page(bar_rows(klines, asked_ms), len(klines) >= limit)

    return await _Fetch(ask, file, f"{symbol} bars of {interval}", step_ms).run(span, progress)


async def fetch_funding(client: PublicClient, file: SeriesFile, symbol: str, span: Span, progress: Progress) -> Fetched:
    """Bring the funding rates that were settled in a span into a file; errors are those of :func:`fetch_bars`."""

    async def ask(start_ms: int, end_ms: int, limit: int) -> _Page:
        rates = await client.funding_rates(symbol, start_ms, end_ms, limit)
        return _Page(funding_rows(rates), len(rates) >= limit)

    fetch = _Fetch(ask, file, f"{symbol} funding rates", LONGEST_FUNDING_MS, slack_ms=FUNDING_SLACK_MS)
    return await fetch.run(span, progress)


class _Fetch:
    """One file's way from what it holds to the end of the span.

    Parameters
    ----------
    what
        For people.
    longest_ms
        Distance of two rows beyond which something is missing between them.
    slack_ms
        How far the exchange's time of a row may be before the row's own.
    """

    def __init__(self, ask: _Ask, file: SeriesFile, what: str, longest_ms: int, slack_ms: int = 0) -> None:
        self._ask = ask
        self._file = file
        self._what = what
        self._longest_ms = longest_ms
        self._slack_ms = slack_ms

    async def run(self, span: Span, progress: Progress) -> Fetched:
        held = self._file.extent(self._longest_ms)
        added = 0
        last: Row | None = None
        if held is not None:
            await self._check(held, span)
            last = held.last
            progress(last.time_ms)
        more = last is None or last.time_ms < span.end_ms
        while more:
            start_ms = span.start_ms if last is None else last.time_ms + 1
            rows, more = await self._ask(start_ms, span.end_ms - 1, PAGE)
            rows = [row for row in rows if last is None or row.time_ms > last.time_ms]
            if not rows:
                break
            self._file.append(rows)
            added, last = added + len(rows), rows[-1]
            progress(last.time_ms)
        extent = self._file.extent(self._longest_ms)
        if extent is None:
            raise Rejected(
                f"the exchange has no {self._what} from {iso_millis(span.start_ms)} to before "
                f"{iso_millis(span.end_ms)}: name another span"
            )
        return Fetched(added, extent)

    async def _check(self, held: Extent, span: Span) -> None:
        """Go on only with a file of the same kind that lacks nothing at its beginning.

        Neither symbol nor interval is written in a file, so its last row is compared with what the exchange says now.
        """
        path = self._file.path
        if held.first_ms - span.start_ms >= self._longest_ms:
            earlier = (await self._ask(span.start_ms, held.first_ms - 1, 1)).rows
            if earlier:
                raise ConfigError(
                    f"{path}: begins at {iso_millis(held.first_ms)}, and a file only grows at its end: name another "
                    f"--out, or --from {iso_millis(held.first_ms)}"
                )
        time_ms = held.last.time_ms
        again = (await self._ask(time_ms - self._slack_ms, time_ms + self._longest_ms - 1, 1)).rows
        if not again or not again[0].same_as(held.last):
            raise ConfigError(
                f"{path}: its last line, {held.last.line.strip()}, is not among the {self._what} of the exchange: it "
                "is of another symbol, interval or exchange; name another --out"
            )


def missing_at_end(extent: Extent, span: Span, longest_ms: int, now_ms: int) -> bool:
    """Whether the exchange should have something after the last row, but has not."""
    next_ms = extent.last.time_ms + longest_ms
    return next_ms < span.end_ms and next_ms + longest_ms <= now_ms
