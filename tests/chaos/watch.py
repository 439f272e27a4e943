"""Watching the exchange: how long a position stood there without stops of its size."""

import asyncio
import time
from collections import Counter
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Final

import httpx

from shared.clock import SystemClock
from tests.support.rig import Exchange

_LOOK_S: Final = 0.25
_ANSWER_S: Final = 10.0
_STOPS: Final = ("STOP_MARKET", "TRAILING_STOP_MARKET")

Leg = tuple[str, str]
"""Symbol and position side."""


class Naked:
    """One stretch for which a leg held more than its stops would close.

    Parameters
    ----------
    since_ms
        When it was seen first, milliseconds since 1970 UTC.
    """

    def __init__(self, leg: Leg, since_ms: int) -> None:
        self.leg = leg
        self.since_ms = since_ms
        self.began = self.last = time.monotonic()

    @property
    def lasted_s(self) -> float:
        """For how long it was seen, seconds."""
        return self.last - self.began

    def __str__(self) -> str:
        return f"{self.leg[0]} {self.leg[1]} was naked for {self.lasted_s:.1f} s from {self.since_ms} on"


class Watch:
    """Looks at positions and stops, as the exchange's own lists show them.

    Attributes
    ----------
    stretches
        All that were seen, those of one look included.
    """

    def __init__(self, exchange: Exchange, folder: Path) -> None:
        # The exchange counts requests by address: what is looked at here takes nothing from the engines.
        elsewhere = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
        self._client = httpx.AsyncClient(timeout=_ANSWER_S, trust_env=False, transport=elsewhere)
        self._exchange = Exchange(folder, self._client)
        self._exchange.port = exchange.port
        self._clock = SystemClock()
        self._now: dict[Leg, Naked] = {}
        self.stretches: list[Naked] = []
        self.looks = 0

    @property
    def longest(self) -> Naked | None:
        """The longest stretch."""
        return max(self.stretches, key=lambda each: each.lasted_s, default=None)

    @property
    def naked(self) -> list[Naked]:
        """What is naked now."""
        return list(self._now.values())

    async def run(self) -> None:
        """Look again and again."""
        async with self._client:
            while True:
                await asyncio.sleep(_LOOK_S)
                with suppress(httpx.TransportError):
                    self._take(await self._uncovered())
                    self.looks += 1

    def _take(self, uncovered: set[Leg]) -> None:
        for leg in self._now.keys() - uncovered:
            self._now.pop(leg).last = time.monotonic()
        for leg in uncovered:
            if leg not in self._now:
                self._now[leg] = Naked(leg, self._clock.now_ms())
                self.stretches.append(self._now[leg])
            self._now[leg].last = time.monotonic()

    async def _uncovered(self) -> set[Leg]:
        # Stops first: one that ends between the two reads leaves no position behind that only seems naked.
        rows = await self._exchange.signed("GET", "/fapi/v1/openAlgoOrders")
        covered: Counter[Leg] = Counter()
        for row in rows:
            if row["orderType"] in _STOPS:
                covered[row["symbol"], row["positionSide"]] += Decimal(row["quantity"])  # type: ignore[assignment]
        positions = await self._exchange.signed("GET", "/fapi/v2/positionRisk")
        held = {(row["symbol"], row["positionSide"]): abs(Decimal(row["positionAmt"])) for row in positions}
        return {leg for leg, amount in held.items() if amount > covered[leg]}
