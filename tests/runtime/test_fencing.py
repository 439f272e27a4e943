"""The exchange window: what a lease lets leave, by arithmetic and on the wire."""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from types import MappingProxyType

import pytest

from contracts.enums import OrderStatus
from shared.clock import Clock, ManualClock, SystemClock
from shared.errors import Fenced, RetrySafe
from shared.leases.holdings import Held
from tests.support.builders import T0
from tests.venue.binance.live import Live, live
from tests.venue.binance.makers import entry, stop_of
from tests.venue.binance.rig import ROOMY, settings
from tradeengine.runtime.fencing import (
    LEASE_OVER,
    MARGIN_S,
    WINDOW_TOO_LONG,
    FencedDoor,
    ShardFence,
    window_fence,
)
from tradeengine.runtime.ownership import AlwaysHeld
from tradeengine.venue.base import Report
from tradeengine.venue.binance.build import trading_terms
from tradeengine.venue.binance.venue import BinanceVenue

SHARD = 3
WINDOW_S = 2.0
LONG_WINDOW_S = 10
"""On the wire: a machine that stands still for a while takes none of it away."""


class OneLease(AlwaysHeld):
    """Ownership of a single shard, as a test says."""

    def __init__(self, epoch: int, until: float) -> None:
        super().__init__(0)
        self.hold(epoch, until)

    def hold(self, epoch: int, until: float) -> None:
        self.held = MappingProxyType({SHARD: Held(epoch, until)})

    def lose(self) -> None:
        self.held = MappingProxyType({})


def made(ownership: OneLease, clock: Clock, refusals: "Counter[str] | None" = None) -> ShardFence:
    return ShardFence(ownership, SHARD, 7, clock, Counter() if refusals is None else refusals)


@pytest.mark.parametrize(
    ("lasts_s", "refusal"),
    [
        (WINDOW_S + MARGIN_S, None),
        (WINDOW_S + MARGIN_S - 0.001, RetrySafe),
        (0.001, RetrySafe),
        (0.0, Fenced),
        (-1.0, Fenced),
        (math.inf, None),
    ],
)
def test_the_lease_must_outlast_the_window_and_the_margin(lasts_s: float, refusal: type[Exception] | None) -> None:
    clock = ManualClock(T0)
    refusals: Counter[str] = Counter()
    fence = made(OneLease(7, clock.monotonic() + lasts_s), clock, refusals)
    if refusal is None:
        fence.check(clock.monotonic() + WINDOW_S)
    else:
        with pytest.raises(refusal):
            fence.check(clock.monotonic() + WINDOW_S)
    assert refusals == ({} if refusal is None else {LEASE_OVER if refusal is Fenced else WINDOW_TOO_LONG: 1})


def test_another_lease_of_the_same_shard_counts_for_nothing() -> None:
    clock = ManualClock(T0)
    ownership = OneLease(8, math.inf)
    with pytest.raises(Fenced, match="epoch 7 is over"):
        made(ownership, clock).check()
    ownership.lose()
    with pytest.raises(Fenced):
        made(ownership, clock).check()


def test_an_order_of_nobody_does_not_leave() -> None:
    with pytest.raises(Fenced, match="outside of any shard"):
        window_fence(0.0)


# ---------------------------------------------------------------- on the wire


class Wire:
    """A venue behind the door of one shard, and the exchange's log of requests."""

    def __init__(self, sim: Live, venue: BinanceVenue, ownership: OneLease, clock: Clock, told: list[Report]) -> None:
        self.sim = sim
        self.venue = venue
        self.ownership = ownership
        self.clock = clock
        self.told = told
        self.refusals: Counter[str] = Counter()
        self.door = FencedDoor(venue, made(ownership, clock, self.refusals))

    async def changes(self) -> list[str]:
        """Orders and cancels that reached the exchange."""
        paths = ("/fapi/v1/order", "/fapi/v1/algoOrder")
        return [
            f"{row['method']} {row['path']}"
            for row in await self.sim.requests()
            if row["method"] in ("POST", "DELETE") and row["path"] in paths
        ]


@asynccontextmanager
async def wire() -> AsyncIterator[Wire]:
    clock, told = SystemClock(), list[Report]()
    async with live(options=ROOMY) as sim:
        long = settings(sim.server.url, BINANCE_RECV_WINDOW_MS=str(1_000 * LONG_WINDOW_S), LEASE_SECONDS="30")
        terms = replace(trading_terms(long), settle_s=0.5)
        venue = BinanceVenue(terms, clock, fence=window_fence)
        try:
            await venue.open(told.append)
            yield Wire(sim, venue, OneLease(7, math.inf), clock, told)
        finally:
            await venue.close()


async def test_orders_and_cancels_pass_while_the_lease_outlasts_their_window() -> None:
    async with wire() as w:
        w.ownership.hold(7, w.clock.monotonic() + 60)
        order, stop = entry(client_order_id="te-a-3-1o"), stop_of(client_order_id="te-a-3-2s")
        await w.door.place(order)
        await w.door.place(stop)
        await w.door.cancel(stop)
        assert await w.door.query(order) is not None
        assert await w.changes() == ["POST /fapi/v1/order", "POST /fapi/v1/algoOrder", "DELETE /fapi/v1/algoOrder"]
        assert not w.refusals


Act = Callable[[Wire], Awaitable[None]]


def _place(w: Wire) -> Awaitable[None]:
    return w.door.place(entry(client_order_id="te-a-3-9o"))


def _place_stop(w: Wire) -> Awaitable[None]:
    return w.door.place(stop_of(client_order_id="te-a-3-9s"))


def _cancel(w: Wire) -> Awaitable[None]:
    return w.door.cancel(stop_of(client_order_id="te-a-3-2s"))


@pytest.mark.parametrize("act", [_place, _place_stop, _cancel], ids=["order", "stop", "cancel"])
async def test_what_the_exchange_could_take_after_the_lease_waits_for_the_renewal(act: Act) -> None:
    async with wire() as w:
        await w.door.place(entry(client_order_id="te-a-3-1o"))
        await w.door.place(stop_of(client_order_id="te-a-3-2s"))
        before = await w.changes()
        # More than the door itself asks for, and less than what the window needs.
        w.ownership.hold(7, w.clock.monotonic() + LONG_WINDOW_S)
        with pytest.raises(RetrySafe, match="when the lease is renewed"):
            await act(w)
        assert await w.changes() == before
        assert w.refusals == {WINDOW_TOO_LONG: 1}
        w.ownership.hold(7, w.clock.monotonic() + 60)
        await act(w)
        assert len(await w.changes()) == len(before) + 1


@pytest.mark.parametrize("act", [_place, _place_stop, _cancel], ids=["order", "stop", "cancel"])
async def test_nothing_leaves_once_the_lease_is_over(act: Act) -> None:
    async with wire() as w:
        await w.door.place(entry(client_order_id="te-a-3-1o"))
        await w.door.place(stop_of(client_order_id="te-a-3-2s"))
        before = await w.changes()
        for lose in (
            w.ownership.lose,
            lambda: w.ownership.hold(7, w.clock.monotonic()),
            lambda: w.ownership.hold(8, math.inf),
        ):
            lose()
            with pytest.raises(Fenced):
                await act(w)
        assert await w.changes() == before
        assert w.refusals == {LEASE_OVER: 3}


async def test_a_lease_that_ends_between_the_door_and_the_wire_keeps_the_order_here() -> None:
    """The order waits for its symbol to be set up, as long as that takes: only the check at the wire sees the end."""
    async with wire() as w:
        await w.door.place(entry(client_order_id="te-a-3-1o"))
        before = await w.changes()
        w.ownership.hold(7, w.clock.monotonic() + 60)
        session = w.venue._session
        assert session is not None
        changing = session.setup._changing
        session.setup.changed("BTCUSDT")
        async with changing:
            placing = asyncio.create_task(w.door.place(entry(client_order_id="te-a-3-2o")))
            await w.sim.until(lambda: bool(changing._waiters), "the order to wait")
            w.ownership.lose()
        with pytest.raises(Fenced):
            await placing
        assert await w.changes() == before
        # What never left may be sent by whoever owns the shard later, be it this process.
        w.ownership.hold(7, math.inf)
        await w.door.place(entry(client_order_id="te-a-3-2o"))
        await w.sim.until(lambda: len(_ended(w.told)) == 2, "both orders")


def _ended(told: list[Report]) -> set[str]:
    return {
        str(getattr(one, "client_order_id", "")) for one in told if getattr(one, "status", None) is OrderStatus.FILLED
    }


async def test_settings_of_the_account_are_nobodys_order_and_pass() -> None:
    async with wire() as w:
        session = w.venue._session
        assert session is not None
        await session.setup._set_leverage("BTCUSDT")


async def test_nothing_leaves_while_the_exchanges_time_is_not_known_well_enough() -> None:
    async with wire() as w:
        session = w.venue._session
        assert session is not None
        time = session.rest.time
        reading = time._reading
        assert reading is not None
        before = await w.changes()
        time._reading = reading._replace(error_ms=1_001)
        with pytest.raises(RetrySafe, match="exchange's time is known to 1001 ms only"):
            await w.door.place(entry(client_order_id="te-a-3-1o"))
        assert "exchange's time" in (w.venue.state().trouble or "")
        assert await w.changes() == before
        await session.rest.measure_clock()
        await w.door.place(entry(client_order_id="te-a-3-1o"))
        assert w.venue.state().trouble is None
