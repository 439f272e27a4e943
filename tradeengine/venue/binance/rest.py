"""Every request of the venue: within the budget, and with failures that have a name."""

import asyncio
from typing import Any

import aiohttp
import structlog

from shared.clock import Clock
from tradeengine.venue.binance.budget import Budget, Priority
from tradeengine.venue.binance.client import BinanceClient, Illegible, Refused, Transfer, watching
from tradeengine.venue.binance.endpoints import TIME, CallKind, Endpoint
from tradeengine.venue.binance.exchange_time import ExchangeTime
from tradeengine.venue.binance.failures import ClockSkewed, Throttled, of_answer, of_nonsense, of_transport
from tradeengine.venue.binance.rows import integer

# An order's request that took this long has died at the exchange by its recvWindow, or has arrived.
_TIMEOUTS_S = {CallKind.PLACE: 5.0, CallKind.CANCEL: 5.0}
_TIMEOUT_S = 10.0
_SAMPLES = 3
_FENCED = (CallKind.PLACE, CallKind.CANCEL)

log = structlog.get_logger(__name__)


class RestCaller:
    """Makes requests through the library's client.

    Parameters
    ----------
    client
        Closed by its owner.
    budget
        Deals out weight and order counts, and learns the exchange's own counts here.
    clock
        The machine's clock.
    """

    def __init__(self, client: BinanceClient, budget: Budget, clock: Clock) -> None:
        self._client = client
        self._budget = budget
        self._clock = clock
        self._measuring = asyncio.Lock()
        self.time = ExchangeTime(clock)
        """The exchange's clock; requests are signed with it."""
        self.round_trip_ms = 0
        """Of the last measurement of the clock, milliseconds."""

    async def call(self, endpoint: Endpoint, priority: Priority = Priority.READ, **params: str | int) -> Any:
        """Make a request; JSON numbers with a fraction come as ``Decimal``.

        Parameters
        ----------
        priority
            Whose share of the limits it uses.
        params
            Sent as they are.

        Raises
        ------
        RetrySafe
            If it surely did not take effect, or only asked.
        OutcomeUnknown
            If it may have taken effect.
        Rejected
            If the exchange refused; ``code`` is its code as text, or ``http-404`` and the like where it gave none.
        Fenced
            If the fence kept it here.
        """
        watched = Transfer(_TIMEOUTS_S.get(endpoint.kind, _TIMEOUT_S), fenced=endpoint.kind in _FENCED)
        try:
            async with self._budget.spend(priority, endpoint.cost(symbol="symbol" in params), endpoint.orders):
                with watching(watched):
                    return await self._send(endpoint, params, watched)
        except Throttled as error:
            self._budget.stop(error.pause_s)
            log.warning("exchange_throttles", pause_s=error.pause_s, reason=str(error))
            raise
        except ClockSkewed:
            await self.measure_clock()
            raise
        finally:
            counts = [_count(watched, name) for name in ("USED-WEIGHT-1M", "ORDER-COUNT-10S", "ORDER-COUNT-1M")]
            self._budget.adopt(*counts)

    async def measure_clock(self) -> int:
        """Ask for the exchange's time, and sign with it from now on.

        Returns
        -------
        int
            What the exchange's clock is ahead of the machine's, milliseconds, by the quickest of a few answers.

        Raises
        ------
        RetrySafe
            If the exchange does not answer.
        """
        if self._measuring.locked():
            async with self._measuring:
                return self.time.offset_ms
        async with self._measuring:
            trips = []
            for _ in range(_SAMPLES):
                asked = self._clock.monotonic()
                served_ms = integer(await self.call(TIME, Priority.PROTECT), "serverTime")
                answered = self._clock.monotonic()
                self.time.measured(served_ms, asked, answered)
                trips.append(answered - asked)
            self.round_trip_ms = round(min(trips) * 1000)
            self._budget.offset_ms = self.time.offset_ms
            return self._budget.offset_ms

    async def _send(self, endpoint: Endpoint, params: dict[str, str | int], watched: Transfer) -> Any:
        kind = endpoint.kind
        what = _described(endpoint, params)
        self._client.offset_ms = self.time.offset_ms
        try:
            return await getattr(self._client, endpoint.method)(**params)
        except Refused as error:
            raise of_answer(kind, what, error.answer, self._clock.now_ms()) from None
        except Illegible as error:
            raise of_nonsense(kind, what, str(error)) from None
        except (KeyError, TypeError) as error:
            # The library takes some answers apart, and stumbles over those that it does not expect.
            raise of_nonsense(kind, what, repr(error)) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise of_transport(kind, what, error, sent=watched.sent) from error


def _count(watched: Transfer, name: str) -> int | None:
    value = watched.headers.get(f"X-MBX-{name}", "")
    return int(value) if value.isdecimal() else None


def _described(endpoint: Endpoint, params: dict[str, str | int]) -> str:
    named = ("symbol", "type", "newClientOrderId", "origClientOrderId", "clientAlgoId", "orderId", "algoId")
    return " ".join([endpoint.method, *(f"{name}={params[name]}" for name in named if name in params)])
