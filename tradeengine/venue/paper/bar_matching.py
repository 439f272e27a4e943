"""Matching against recorded bars, one execution at a time, so that the engine can react between two of them.

A bar is the price at its open and then everything from its low to its high, in an order that nobody recorded. So what
the open itself executes comes first, then what high and low reach; among these :class:`~.order.Rank` decides, then
arrival. The stop of a position comes before its target, even where the open is beyond the target. What arrives in
answer to an execution at the open sees the whole bar. What arrives in answer to a later one has missed the open and
must not profit from a high or low that may have been before it: only a stop can execute, at its trigger price, or at
the price that it met if that is beyond the trigger already.

A trailing stop follows the open and, when the bar is over, its high or low. Within the bar it triggers if any way from
low to high triggers it, at the worst price of those ways. One that arrived after the open follows the price that it
arrived at, and from the bar no more than the close.
"""

from collections.abc import Collection
from decimal import Decimal
from typing import NamedTuple

import msgspec

from contracts.enums import OrderStatus, Side
from tradeengine.venue.base import Report
from tradeengine.venue.paper.bar import Bar
from tradeengine.venue.paper.ledger import Ledger
from tradeengine.venue.paper.order import Arrival, PaperOrder, Rank
from tradeengine.venue.paper.terms import PaperTerms

NOT_FILLABLE = "could not be filled at the first price that it met, as its time in force demands"


class _Session(msgspec.Struct):
    """A bar that is being worked through; ``price`` is the newest one that it is known to have reached."""

    bar: Bar
    price: Decimal
    within: bool = False


class _Execution(NamedTuple):
    """What a bar does to an order: at the open or within the bar, and at which price; no price means that it ends."""

    resting: PaperOrder
    within: bool
    price: Decimal | None


class BarMatcher:
    """Executes the ledger's orders against bars."""

    def __init__(self, ledger: Ledger, terms: PaperTerms) -> None:
        self._ledger = ledger
        self._terms = terms
        self._sessions: dict[str, _Session] = {}
        self._closed: dict[str, Bar] = {}

    def start(self, symbol: str, bar: Bar) -> None:
        """Open a symbol's next bar.

        Raises
        ------
        ValueError
            If the bar before it is not finished or not older.
        """
        if symbol in self._sessions:
            raise ValueError(f"{symbol}: the bar of {self._sessions[symbol].bar.time_ms} ms is not finished")
        before = self._closed.get(symbol)
        if before is not None and bar.time_ms <= before.time_ms:
            raise ValueError(f"{symbol}: a bar of {bar.time_ms} ms cannot follow one of {before.time_ms} ms")
        self._sessions[symbol] = _Session(bar, bar.open)
        for resting in self._ledger.live(symbol):
            if resting.placed_ms <= bar.time_ms:
                resting.see(bar.open)

    def last_price(self, symbol: str) -> Decimal | None:
        """Newest price that a bar under way is known to have reached, from the open on; the close after it."""
        session = self._sessions.get(symbol)
        if session is not None:
            return session.price
        bar = self._closed.get(symbol)
        return bar.close if bar is not None else None

    def arrived(self, resting: PaperOrder) -> None:
        """Note what an order that has just arrived has missed of the bar under way, and which price it met."""
        price = self.last_price(resting.order.symbol)
        if price is not None:
            resting.see(price)
        session = self._sessions.get(resting.order.symbol)
        if session is not None and session.within:
            resting.arrived_within = session.bar.time_ms
            resting.met = price

    def next_execution(self, symbol: str) -> list[Report]:
        """Execute the bar's next order.

        Returns
        -------
        list of Report
            What became of one order; empty when the bar has no more to execute and is finished.

        Raises
        ------
        ValueError
            If no bar of the symbol is under way.
        """
        session = self._sessions.get(symbol)
        if session is None:
            raise ValueError(f"{symbol}: no bar is under way; start one")
        while (execution := self._first(session.bar, self._ledger.live(symbol))) is not None:
            reports = self._execute(session, execution)
            if reports:
                return reports
        self._finish(symbol, session.bar)
        return []

    def _finish(self, symbol: str, bar: Bar) -> None:
        for resting in self._ledger.live(symbol):
            missed = resting.arrived_within == bar.time_ms
            if resting.placed_ms <= bar.time_ms:
                for price in (bar.close,) if missed else (bar.high, bar.low):
                    resting.see(price)
        self._closed[symbol] = bar
        del self._sessions[symbol]

    def _first(self, bar: Bar, orders: Collection[PaperOrder]) -> _Execution | None:
        due = [execution for resting in orders if (execution := self._due(bar, resting)) is not None]
        if not due:
            return None
        stopped = {e.resting.owner for e in due if e.resting.rank is Rank.STOP}

        def key(execution: _Execution) -> tuple[bool, Rank, int]:
            resting = execution.resting
            rank = resting.rank
            waits = execution.within or (rank is Rank.TARGET and resting.owner in stopped)
            return waits, rank, resting.number

        return min(due, key=key)

    def _due(self, bar: Bar, resting: PaperOrder) -> _Execution | None:
        rank = resting.rank
        if resting.arrived_within == bar.time_ms:
            return _triggered(bar, resting, missed=True) if rank is Rank.STOP else None
        if resting.placed_ms > bar.time_ms:
            return None
        if rank is Rank.MARKET:
            return _Execution(resting, False, bar.open)
        if rank is Rank.LIMIT:
            return _limit_due(bar, resting)
        if resting.reached(bar.open):
            return _Execution(resting, False, bar.open)
        return _triggered(bar, resting, missed=False)

    def _execute(self, session: _Session, execution: _Execution) -> list[Report]:
        resting, within, price = execution
        now_ms = session.bar.time_ms
        session.within = session.within or within
        if price is None:
            return [self._ledger.end(resting, OrderStatus.EXPIRED, now_ms, NOT_FILLABLE)]
        session.price = price
        priced = resting.order.kind.priced
        if not resting.waiting:
            filled_at = price if priced else self._terms.slipped(price, resting.order.side)
            return self._ledger.fill(resting, filled_at, resting.remaining, now_ms, maker=priced)
        resting.trigger()
        if priced:
            return self._arrive_as_limit(resting, price, now_ms, within=within)
        return self._ledger.fill(resting, price, resting.remaining, now_ms, maker=False)

    def _arrive_as_limit(self, resting: PaperOrder, price: Decimal, now_ms: int, *, within: bool) -> list[Report]:
        """Let a limit order arrive at the price that triggered it."""
        match resting.arrive(price, resting.remaining):
            case Arrival.EXPIRE:
                return [self._ledger.end(resting, OrderStatus.EXPIRED, now_ms, NOT_FILLABLE)]
            case Arrival.REST:
                resting.rested = True
                resting.arrived_within = now_ms if within else None
                return []
            case Arrival.FILL:
                return self._ledger.fill(resting, price, resting.remaining, now_ms, maker=True)


def _triggered(bar: Bar, resting: PaperOrder, *, missed: bool) -> _Execution | None:
    price = resting.reached_within(bar.high, bar.low, missed=missed)
    return None if price is None else _Execution(resting, True, price)


def _limit_due(bar: Bar, resting: PaperOrder) -> _Execution | None:
    if not resting.rested:
        arrival = resting.arrive(bar.open, resting.remaining)
        if arrival is Arrival.EXPIRE:
            return _Execution(resting, False, None)
        resting.rested = arrival is Arrival.REST
    if resting.crossed(bar.open):
        return _Execution(resting, False, bar.open)
    if resting.crossed(bar.high if resting.order.side is Side.SELL else bar.low):
        return _Execution(resting, True, resting.limit_price)
    return None
