"""Funding: what the exchange's own list says that the account paid and received."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

import structlog

from shared.clock import Clock
from shared.errors import EngineError, RetrySafe
from tradeengine.domain.inputs import FundingSettled
from tradeengine.domain.instrument import Instrument
from tradeengine.venue.base import ReportSink
from tradeengine.venue.binance.budget import Priority
from tradeengine.venue.binance.concurrently import each
from tradeengine.venue.binance.endpoints import MARK_PRICE, TIME, CallKind, Endpoint
from tradeengine.venue.binance.parts import Rest
from tradeengine.venue.binance.rows import Row, Unreadable, integer, number, rows, text

FUNDING_FEE = "FUNDING_FEE"
INCOME = Endpoint("futures_income_history", CallKind.READ, 30)
FUNDING_RATES = Endpoint("futures_funding_rate", CallKind.READ, 0)
"""Counted by itself, 500 in five minutes; Binance docs, "Get Funding Rate History"."""

PAGE = 1_000
"""Most rows of an answer; Binance docs, "Get Income History"."""
REACH_MS = 7 * 86_400_000
"""How far back the list is read; the books remember longer than that what they have booked."""
OVERLAP_MS = 600_000
"""Rows younger than this beside the newest are read again: they may become visible late."""
SAME_MS = 60_000
"""Most that the time of a payment and that of its rate differ."""
UNRATED = 3
"""How often a rate that is not listed is asked for; then the amount is told without it."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class FundingPatience:
    """Waits, seconds.

    Parameters
    ----------
    settle_s
        From a notice to the look: those of other legs and symbols come with it.
    after_s
        From a funding time to the look.
    longest_s
        Most between two looks.
    first_retry_s, most_retry_s
        After a look that failed, or that did not find what was announced; doubled each time.
    """

    settle_s: float = 1
    after_s: float = 60
    longest_s: float = 3_600
    first_retry_s: float = 1
    most_retry_s: float = 60


class _Paid(NamedTuple):
    id: str
    symbol: str
    amount: Decimal
    settled_ms: int


class _Rate(NamedTuple):
    settled_ms: int
    rate: Decimal
    mark_price: Decimal | None


class FundingFeed:
    """Tells each settlement of the account that the exchange lists, once in its life; the books know those of before.

    The user stream announces settlements, without their numbers. The list is read when it does, a minute after each
    funding time, at the start and after gaps.

    Parameters
    ----------
    sink
        Where settlements go, oldest first.
    instruments
        Trading rules by symbol, as far as known.
    """

    def __init__(
        self,
        rest: Rest,
        clock: Clock,
        sink: ReportSink,
        *,
        instruments: Callable[[], Mapping[str, Instrument]] = dict,
        patience: FundingPatience | None = None,
    ) -> None:
        self._rest = rest
        self._clock = clock
        self._sink = sink
        self._instruments = instruments
        self._timing = patience or FundingPatience()
        self._told: dict[tuple[str, str], int] = {}
        self._unrated = 0
        self._announced = False
        self._reaches_back = False
        self._wanted = asyncio.Event()
        self.read_ms: int | None = None
        """Exchange's clock at the last complete look, milliseconds since 1970 UTC; ``None`` before the first."""

    def announced(self) -> None:
        """The stream told of a settlement: look until it is listed."""
        self._announced = True
        self._wanted.set()

    def look(self) -> None:
        """Look soon: the stream may have missed something."""
        self._wanted.set()

    def forget(self, symbols: Collection[str]) -> None:
        """Other books are told from now on of these symbols: look at all that the list has, and tell it again."""
        self._told = {key: settled_ms for key, settled_ms in self._told.items() if key[0] not in symbols}
        self._reaches_back = True
        self._wanted.set()

    async def first(self) -> None:
        """Look once; what fails is tried again by :meth:`run`, for trading can begin without it."""
        try:
            await self.read()
        except EngineError as error:
            log.warning("funding_unknown", reason=str(error), action="it is asked again")
            self._wanted.set()

    async def run(self) -> None:
        """Look whenever there is a reason to, for ever."""
        timing = self._timing
        retry_s, wait_s = timing.first_retry_s, await self._scheduled_s()
        while True:
            await self._wait(wait_s)
            announced, self._announced = self._announced, False
            try:
                found = await self.read()
            except EngineError as error:
                log.warning("funding_unknown", reason=str(error), action="it is asked again")
                self._announced |= announced
            else:
                if found or not announced or retry_s >= timing.most_retry_s:
                    retry_s, wait_s = timing.first_retry_s, await self._scheduled_s()
                    continue
                self._announced = True
            wait_s, retry_s = retry_s, min(2 * retry_s, timing.most_retry_s)

    async def read(self) -> int:
        """Tell every settlement of the last seven days that was not told.

        Returns
        -------
        int
            How many were told.

        Raises
        ------
        EngineError
            If the exchange did not answer in full; nothing is told then.
        """
        served_ms = integer(await self._rest.call(TIME, Priority.READ), "serverTime")
        reach_ms = served_ms - REACH_MS
        reaches_back, self._reaches_back = self._reaches_back, False
        since_ms = reach_ms if reaches_back or self.read_ms is None else max(reach_ms, self.read_ms - OVERLAP_MS)
        try:
            return await self._read(since_ms, served_ms)
        except BaseException:
            self._reaches_back |= reaches_back
            raise

    async def _read(self, since_ms: int, served_ms: int) -> int:
        reach_ms = served_ms - REACH_MS
        listed = await self._income(since_ms, served_ms)
        fresh = [paid for paid in listed if (paid.symbol, paid.id) not in self._told]
        rates = await self._rates(fresh)
        for paid in sorted(fresh, key=lambda paid: paid.settled_ms):
            self._sink(self._settled(paid, _nearest(rates.get(paid.symbol, ()), paid)))
            self._told[paid.symbol, paid.id] = paid.settled_ms
        self._told = {key: settled_ms for key, settled_ms in self._told.items() if settled_ms >= reach_ms}
        self.read_ms = served_ms
        return len(fresh)

    def _settled(self, paid: _Paid, rate: _Rate | None) -> FundingSettled:
        return FundingSettled(
            time_ms=self._clock.now_ms(),
            symbol=paid.symbol,
            rate=rate.rate if rate else None,
            mark_price=rate.mark_price if rate else None,
            amount=paid.amount,
            id=paid.id,
            settled_ms=paid.settled_ms,
        )

    async def _income(self, since_ms: int, until_ms: int) -> list[_Paid]:
        """Funding payments of the account, each once."""
        found: dict[tuple[str, str], _Paid] = {}
        page = 1
        while True:
            answer = await self._rest.call(
                INCOME,
                Priority.READ,
                incomeType=FUNDING_FEE,
                startTime=since_ms,
                endTime=until_ms,
                limit=PAGE,
                page=page,
            )
            listed = rows(answer, "income")
            for paid in map(self._paid, listed):
                if paid is not None:
                    found[paid.symbol, paid.id] = paid
            if len(listed) < PAGE:
                return list(found.values())
            page += 1

    def _paid(self, row: Row) -> _Paid | None:
        """A row of the list, ``None`` if it says nothing for the books: one odd row must not hide all others."""
        try:
            if text(row, "incomeType") != FUNDING_FEE:
                return None
            symbol, asset = text(row, "symbol"), text(row, "asset")
            paid = _Paid(str(integer(row, "tranId")), symbol, number(row, "income"), integer(row, "time"))
        except Unreadable as error:
            log.critical("funding_row_unreadable", reason=str(error), action="it is left out of the books")
            return None
        rules = self._instruments().get(symbol)
        if rules is not None and rules.settle_asset != asset:
            log.warning("funding_in_other_asset", symbol=symbol, asset=asset, action="it is left out of the books")
            return None
        return paid

    async def _rates(self, fresh: Sequence[_Paid]) -> Mapping[str, Sequence[_Rate]]:
        """Rates that payments were made at, by symbol.

        Raises
        ------
        RetrySafe
            If one is not listed yet.
        """
        times: dict[str, list[int]] = {}
        for paid in fresh:
            times.setdefault(paid.symbol, []).append(paid.settled_ms)
        rates: dict[str, Sequence[_Rate]] = {}

        async def read_one(symbol: str) -> None:
            first_ms, last_ms = min(times[symbol]) - SAME_MS, max(times[symbol]) + SAME_MS
            answer = await self._rest.call(
                FUNDING_RATES, Priority.READ, symbol=symbol, startTime=first_ms, endTime=last_ms, limit=PAGE
            )
            rates[symbol] = [_rate(row) for row in rows(answer, "fundingRate")]

        try:
            await each(times, read_one)
            lacking = sorted({paid.symbol for paid in fresh if _nearest(rates[paid.symbol], paid) is None})
            if lacking:
                raise RetrySafe(f"funding of {', '.join(lacking)} was settled, and its rate is not listed yet")
        except EngineError as error:
            self._unrated += 1
            if self._unrated <= UNRATED:
                raise
            log.warning("funding_rate_unknown", reason=str(error), action="the amounts are booked without their rates")
        self._unrated = 0
        return rates

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wanted.wait()
        except TimeoutError:
            return
        await self._clock.sleep(self._timing.settle_s)
        self._wanted.clear()

    async def _scheduled_s(self) -> float:
        """Seconds to the look after the next funding time of any symbol."""
        ahead_ms = []
        with suppress(EngineError):
            for row in rows(await self._rest.call(MARK_PRICE, Priority.READ), "premiumIndex"):
                next_ms, served_ms = row.get("nextFundingTime"), row.get("time")
                if isinstance(next_ms, int) and isinstance(served_ms, int) and next_ms > served_ms:
                    ahead_ms.append(next_ms - served_ms)
        timing = self._timing
        return min(timing.longest_s, min(ahead_ms) / 1000 + timing.after_s) if ahead_ms else timing.longest_s


def _rate(row: Row) -> _Rate:
    mark = number(row, "markPrice") if row.get("markPrice") else None
    return _Rate(integer(row, "fundingTime"), number(row, "fundingRate"), mark)


def _nearest(rates: Sequence[_Rate], paid: _Paid) -> _Rate | None:
    """Rate that a payment was made at, ``None`` if it is not among them."""
    best = min(rates, key=lambda rate: abs(rate.settled_ms - paid.settled_ms), default=None)
    return best if best is not None and abs(best.settled_ms - paid.settled_ms) <= SAME_MS else None
