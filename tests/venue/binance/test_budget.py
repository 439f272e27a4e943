"""The budget: closing and protecting find room when opening and reading have used theirs, and a ban silences all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.enums import OrderPurpose
from shared.clock import ManualClock
from shared.errors import RetrySafe
from tradeengine.venue.binance.budget import Budget, Limits, Priority, priority_of

MINUTE_MS = 60_000
START_MS = 1_700_000_000_000 // MINUTE_MS * MINUTE_MS


class Desk:
    def __init__(self, **limits: int) -> None:
        self.clock = ManualClock(START_MS)
        self.budget = Budget(self.clock, Limits(**limits))

    async def spend(self, priority: Priority, weight: int = 1, orders: int = 0) -> None:
        async with self.budget.spend(priority, weight, orders):
            pass

    async def spend_all(self, priority: Priority) -> int:
        """Spend weight 1 until it would have to wait; returns how often."""
        before, count = self.clock.now_ms(), 0
        while True:
            try:
                await self.spend(priority)
            except RetrySafe:
                return count
            if self.clock.now_ms() != before:
                return count
            count += 1

    @property
    def waited_ms(self) -> int:
        return self.clock.now_ms() - START_MS


async def test_what_is_less_urgent_leaves_a_reserve_to_what_is_more() -> None:
    desk = Desk(weight_1m=100)
    spent = [await desk.spend_all(priority) for priority in (Priority.READ,)]
    desk = Desk(weight_1m=100)
    await desk.spend(Priority.READ, 70)
    async with desk.budget.spend(Priority.OPEN, 10):
        pass
    with pytest.raises(RetrySafe, match="priority OPEN may go"):
        await desk.spend(Priority.OPEN, 1)
    await desk.spend(Priority.QUERY, 10)
    await desk.spend(Priority.CLOSE, 5)
    await desk.spend(Priority.PROTECT, 5)

    assert spent == [70]
    assert desk.budget.usage().weight_1m == 100


async def test_orders_have_a_reserve_too() -> None:
    desk = Desk(orders_10s=10, orders_1m=1000)
    for _ in range(8):
        await desk.spend(Priority.OPEN, 0, orders=1)
    with pytest.raises(RetrySafe, match="8 of 10 orders in these 10 s"):
        await desk.spend(Priority.OPEN, 0, orders=1)
    for _ in range(2):
        await desk.spend(Priority.PROTECT, 0, orders=1)

    assert desk.waited_ms <= 1_100  # an opening waits a second at most
    assert desk.budget.usage().order_count_10s == 10


async def test_what_is_urgent_waits_for_the_next_interval_and_goes() -> None:
    desk = Desk(orders_10s=1)
    await desk.spend(Priority.CLOSE, 0, orders=1)
    await desk.spend(Priority.CLOSE, 0, orders=1)

    assert 10_000 <= desk.waited_ms <= 10_200


async def test_requests_without_weight_go_when_the_weight_is_used_up() -> None:
    desk = Desk(weight_1m=10)
    desk.budget.adopt(10, None, None)
    await desk.spend(Priority.OPEN, 0, orders=1)

    assert desk.waited_ms == 0


async def test_the_exchanges_own_count_wins_and_what_is_under_way_is_added() -> None:
    desk = Desk()
    await desk.spend(Priority.READ, 40)
    async with desk.budget.spend(Priority.READ, 5):
        desk.budget.adopt(300, 7, 9)
        inside = desk.budget.usage()
    desk.budget.adopt(20, 1, 2)
    after = desk.budget.usage()

    assert (inside.weight_1m, inside.order_count_10s, inside.order_count_1m) == (305, 7, 9)
    assert (after.weight_1m, after.order_count_10s, after.order_count_1m) == (20, 1, 2)


async def test_intervals_are_those_of_the_exchanges_clock() -> None:
    desk = Desk(weight_1m=100)
    desk.budget.offset_ms = 59_500
    await desk.spend(Priority.CLOSE, 100)
    await desk.spend(Priority.CLOSE, 100)

    assert 500 <= desk.waited_ms <= 700


async def test_what_is_under_way_counts_in_the_interval_that_it_ends_in() -> None:
    desk = Desk(weight_1m=100)
    async with desk.budget.spend(Priority.CLOSE, 60):
        desk.clock.set(START_MS + MINUTE_MS)
        assert desk.budget.usage().weight_1m == 60
    desk.clock.set(START_MS + 2 * MINUTE_MS)

    assert desk.budget.usage().weight_1m == 0


@pytest.mark.parametrize("priority", Priority)
async def test_a_stop_silences_everybody(priority: Priority) -> None:
    desk = Desk()
    desk.budget.stop(600)
    with pytest.raises(RetrySafe, match="asked for silence for 600"):
        await desk.spend(priority)

    assert desk.budget.usage().stopped_s == 600


@pytest.mark.parametrize("priority", [Priority.PROTECT, Priority.CLOSE, Priority.QUERY, Priority.READ])
async def test_a_short_stop_is_waited_for(priority: Priority) -> None:
    desk = Desk()
    desk.budget.stop(3)
    await desk.spend(priority)

    assert 3_000 <= desk.waited_ms <= 3_200


async def test_a_shorter_stop_does_not_end_a_longer_one() -> None:
    desk = Desk()
    desk.budget.stop(600)
    desk.budget.stop(1)

    assert desk.budget.stopped_s == 600


async def test_limits_may_change() -> None:
    desk = Desk()
    desk.budget.set_limits(Limits(10, 10, 10))
    await desk.spend(Priority.CLOSE, 10)
    with pytest.raises(RetrySafe, match="used 10 of 10 weight"):
        await desk.spend(Priority.OPEN, 1)


async def test_a_failed_request_was_spent_all_the_same() -> None:
    desk = Desk()
    with pytest.raises(RuntimeError):
        async with desk.budget.spend(Priority.CLOSE, 7):
            raise RuntimeError

    assert desk.budget.usage().weight_1m == 7


@given(
    st.lists(
        st.tuples(
            st.sampled_from([Priority.OPEN, Priority.READ, Priority.QUERY]), st.integers(0, 40), st.integers(0, 3)
        ),
        max_size=40,
    )
)
async def test_nothing_less_urgent_ever_uses_the_reserve(requests: list[tuple[Priority, int, int]]) -> None:
    desk = Desk(weight_1m=100, orders_10s=20, orders_1m=50)
    for priority, weight, orders in requests:
        try:
            await desk.spend(priority, weight, orders)
        except RetrySafe:
            continue
        used = desk.budget.usage()
        share = {Priority.OPEN: 80, Priority.READ: 70, Priority.QUERY: 90}[priority]
        if weight:
            assert used.weight_1m * 100 <= 100 * share
        if orders:
            assert used.order_count_10s * 100 <= 20 * share
            assert used.order_count_1m * 100 <= 50 * share


@pytest.mark.parametrize("purpose", OrderPurpose)
def test_what_opens_is_least_urgent_and_what_protects_most(purpose: OrderPurpose) -> None:
    expected = Priority.OPEN if purpose.opening else Priority.PROTECT if purpose.protective else Priority.CLOSE

    assert priority_of(purpose) is expected


async def opened(desk: Desk) -> int:
    """How many orders may open something at once."""
    count = 0
    before = desk.clock.now_ms()
    while True:
        try:
            await desk.spend(Priority.OPEN, 0, orders=1)
        except RetrySafe:
            return count
        if desk.clock.now_ms() != before:
            return count
        count += 1


@pytest.mark.parametrize("parts", [(8,), (3, 3, 2), (1,) * 8, (7, 1), (5, 2)])
async def test_processes_that_share_an_account_open_no_more_together_than_one_alone(parts: tuple[int, ...]) -> None:
    """Nobody has heard of the others' orders yet."""
    counts = []
    for part in parts:
        desk = Desk(orders_10s=300, orders_1m=1200)
        desk.budget.set_share(part, 8)
        counts.append(await opened(desk))
    assert counts == [240 * part // 8 for part in parts]
    assert sum(counts) <= 240


async def test_closing_and_protecting_are_held_to_no_share() -> None:
    desk = Desk(orders_10s=10, orders_1m=1000)
    desk.budget.set_share(1, 4)
    assert await opened(desk) == 2
    desk = Desk(orders_10s=10, orders_1m=1000)
    desk.budget.set_share(1, 4)
    for priority in (Priority.PROTECT, Priority.CLOSE) * 5:
        await desk.spend(priority, 0, orders=1)
    assert desk.waited_ms == 0


async def test_a_share_says_whose_it_is_and_never_stops_a_process_for_good() -> None:
    desk = Desk(orders_10s=10, orders_1m=1000)
    desk.budget.set_share(1, 16)
    await desk.spend(Priority.OPEN, 0, orders=1)
    with pytest.raises(RetrySafe, match="1 of them opened here, where 1 of 16 shards are"):
        await desk.spend(Priority.OPEN, 0, orders=1)
    desk.clock.set(START_MS + 60_000)
    await desk.spend(Priority.OPEN, 0, orders=1)


async def test_what_the_exchange_counts_of_others_holds_beside_the_share() -> None:
    desk = Desk(orders_10s=10, orders_1m=1000)
    desk.budget.set_share(1, 2)
    desk.budget.adopt(None, 7, 7)
    assert await opened(desk) == 1
    desk = Desk(orders_10s=10, orders_1m=1000)
    desk.budget.adopt(None, 7, 7)
    desk.budget.set_share(1, 2)
    await desk.spend(Priority.CLOSE, 0, orders=1)
    assert await opened(desk) == 0, "of the reserve nothing is for openings"
