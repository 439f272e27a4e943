"""Shards that change hands: on a clean stop, after silence, and by force; the exchange is real, time is virtual."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Final

import pytest

from contracts.enums import Outcome
from contracts.subjects import shard_of
from shared.errors import ConfigError, Fenced, OutcomeUnknown, RetrySafe
from tests.support.pods import SHARDS, TTL_S, Pod, Site, played
from tradeengine.domain.events import DifferenceFound, OrderFilled, OrderPlanned, OwnerChanged, SignalDecided
from tradeengine.journal.record import Record
from tradeengine.runtime.replay import replay

SHARD = shard_of("BTCUSDT", SHARDS)
STORE_S: Final = 5.0
"""How long a store that hangs keeps a request."""


def outcomes(records: Sequence[Record]) -> list[tuple[str, Outcome]]:
    """Signals and their outcomes, in the order in which they were committed."""
    decided = [event for record in records for event in record.events() if isinstance(event, SignalDecided)]
    return [(event.signal_id, event.outcome) for event in decided]


def test_a_pod_that_comes_gets_its_share_and_one_that_goes_leaves_all_of_it() -> None:
    async def job(site: Site) -> None:
        first = await site.pod("a")
        await site.spread(first)
        for symbol in ("BTCUSDT", "ETHUSDT"):
            assert (await site.decide(site.signal("buy", symbol=symbol, quantity="0.01"))).outcome is Outcome.ACCEPTED
        await site.equal(first)
        stops = (await site.exchange.account()).conditional

        second = await site.pod("b")
        await site.spread(first, second)
        await site.equal(first, second)
        taken = await site.until(lambda: first.engine.ownership.members == ("a", "b"), "both to be known")
        assert taken < TTL_S

        began = site.loop.time()
        await first.engine.stop()
        await site.spread(second)
        assert site.loop.time() - began < TTL_S, "what was given back need not be waited for"
        await site.equal(second)
        assert (await site.exchange.account()).conditional == stops, "stops rest where they rested"
        for symbol in ("BTCUSDT", "ETHUSDT"):
            decided = await site.decide(site.signal("close", symbol=symbol), second)
            assert decided.outcome is Outcome.ACCEPTED
        await site.equal(second)
        assert (await site.exchange.account()).legs == {}

    played(job)


def test_each_takeover_is_a_record_of_its_own_and_records_carry_its_epoch() -> None:
    async def job(site: Site) -> None:
        first = await site.pod("a")
        await site.spread(first)
        await site.decide(site.signal("hold"))
        await first.engine.stop()
        second = await site.pod("b")
        await site.spread(second)
        await site.decide(site.signal("hold"))

        records = await site.records()
        changes = [(record.sequence, event) for record in records for event in record.events()]
        taken = [(number, event.owner, event.epoch) for number, event in changes if isinstance(event, OwnerChanged)]
        assert [(owner, epoch) for _, owner, epoch in taken] == [("a", 1), ("b", 2)]
        assert taken[0][0] == 1
        assert (await replay(site.journal)).difference is None
        assert [record.epoch for record in records] == [1] * (taken[1][0] - 1) + [2] * (len(records) - taken[1][0] + 1)

    played(job)


def test_who_falls_silent_is_followed_when_his_time_is_over_and_not_before() -> None:
    async def job(site: Site) -> None:
        first = await site.pod("a")
        await site.spread(first)
        second = await site.pod("b")
        await site.spread(first, second)
        lost = site.owner_of("BTCUSDT", first, second)
        other = second if lost is first else first
        assert (await site.decide(site.signal("buy", quantity="0.01"))).outcome is Outcome.ACCEPTED
        await site.equal(first, second)

        lost.cut_off()
        seconds = await site.until(lambda: SHARD in other.owned, "the takeover", 3 * TTL_S)
        assert seconds > 0.6 * TTL_S, "the former owner may count on two thirds of its time at least"
        assert lost.owned == frozenset()
        await site.spread(other)
        await site.equal(other)
        assert (await site.decide(site.signal("close"), other)).outcome is Outcome.ACCEPTED
        await site.equal(other)

        lost.journal.is_cut = lost.leases.is_cut = lost.register.is_cut = False
        await site.spread(first, second)
        await site.equal(first, second)

    played(job)


async def _two_owners(site: Site) -> tuple[Pod, Pod]:
    """Two pods that both believe that BTCUSDT is theirs: the clock of the first stands still. The first comes first."""
    former = await site.pod("a")
    await site.spread(former)
    assert (await site.decide(site.signal("buy", "before", quantity="0.01"))).outcome is Outcome.ACCEPTED
    await site.equal(former)
    successor = await site.pod("b")
    # Otherwise the exchange's clock would tell it.
    former.venue.on_leap(lambda seconds: None)
    former.clock.stop()
    former.leases.is_cut = True
    await site.until(lambda: len(successor.owned) == SHARDS, "the takeover")
    await site.until(lambda: successor.engine.trouble is None, "the successor to be ready")
    return former, successor


def test_a_pod_whose_clock_stood_still_learns_it_from_the_exchange_and_believes_nothing_any_more() -> None:
    async def job(site: Site) -> None:
        former = await site.pod("a")
        await site.spread(former)
        successor = await site.pod("b")
        former.clock.stop()
        former.leases.is_cut = True
        await site.until(lambda: len(successor.owned) == SHARDS, "the takeover")
        assert former.owned == frozenset(), "by its own clock no lease has run out"
        former.clock.go_on()
        assert (await site.decide(site.signal("buy", quantity="0.01"), successor)).outcome is Outcome.ACCEPTED
        former.leases.is_cut = False
        await site.spread(former, successor)
        await site.equal(former, successor)

    played(job)


def test_of_two_who_believe_that_they_own_a_shard_one_is_fenced_and_the_books_are_right() -> None:
    async def job(site: Site) -> None:
        former, successor = await _two_owners(site)
        assert SHARD in former.owned, "it believes so"
        signal = site.signal("buy", "A", quantity="0.02")

        answers = await asyncio.gather(former.decide(signal), successor.decide(signal), return_exceptions=True)
        assert isinstance(answers[0], Fenced), answers
        assert isinstance(answers[1], SignalDecided)
        assert answers[1].outcome is Outcome.ACCEPTED
        await site.until(lambda: SHARD not in former.owned, "the former owner to drop the shard")
        await site.equal(successor)
        assert outcomes(await site.records()).count((signal.signal_id, Outcome.ACCEPTED)) == 1
        assert (await successor.decide(signal)).outcome is Outcome.DUPLICATE

        former.clock.go_on()
        former.leases.is_cut = False
        await site.spread(former, successor)
        await site.equal(former, successor)

    played(job)


def test_what_a_former_owner_appends_late_is_refused_and_none_of_its_orders_leave() -> None:
    async def job(site: Site) -> None:
        former = await site.pod("a")
        await site.spread(former)
        lands = asyncio.Event()
        asked: list[Record] = []

        async def hold(records: Sequence[Record]) -> None:
            asked.extend(records)
            await lands.wait()

        former.journal.before_append = hold
        signal = site.signal("buy", quantity="0.02")
        deciding = asyncio.create_task(former.decide(signal))
        await site.until(lambda: asked, "the record to be on its way")
        successor = await site.pod("b")
        former.leases.is_cut = True
        await site.until(lambda: SHARD in successor.owned, "the takeover")
        lands.set()
        with pytest.raises((Fenced, RetrySafe, OutcomeUnknown)):
            await deciding
        await site.spread(successor)
        assert all(record.epoch == 2 for record in (await site.records()) if record.sequence >= asked[0].sequence)
        assert (await successor.decide(signal)).outcome is Outcome.ACCEPTED
        await site.equal(successor)
        fills = [
            event for record in await site.records() for event in record.events() if isinstance(event, OrderFilled)
        ]
        assert [str(fill.quantity) for fill in fills] == ["0.02"]

    played(job)


def test_a_record_that_lands_between_the_reading_and_the_claim_is_read_too() -> None:
    """What the former owner had under way when its lease ended may land as long as nobody has claimed its position."""

    async def job(site: Site) -> None:
        former = await site.pod("a")
        await site.spread(former)
        lands, landed = asyncio.Event(), asyncio.Event()

        async def hold(_: Sequence[Record]) -> None:
            await lands.wait()

        former.journal.before_append = hold
        signal = site.signal("buy", quantity="0.02")
        deciding = asyncio.create_task(former.decide(signal))
        successor = Pod("b", site)
        site.pods.append(successor)

        async def let_land(records: Sequence[Record]) -> None:
            if not lands.is_set() and any(record.shard == SHARD for record in records):
                lands.set()
                # The successor has read, and its claim is on its way.
                await site.until_recorded(records[0].sequence)
                landed.set()

        successor.journal.before_append = let_land
        former.leases.is_cut = True
        await successor.start()
        await site.until(lambda: len(successor.owned) == SHARDS, "the takeover")
        assert landed.is_set()
        with suppress(Fenced, RetrySafe, OutcomeUnknown):
            await deciding
        assert (await site.decide(signal, successor)).outcome is Outcome.DUPLICATE, "the record counts"
        await site.equal(successor)
        events = [event for record in await site.records() for event in record.events()]
        taken = [(event.owner, event.epoch) for event in events if isinstance(event, OwnerChanged)]
        assert taken == [("a", 1), ("b", 2)], "it was not fenced, and holds its first lease"
        planned = [event for event in events if isinstance(event, OrderPlanned)]
        assert len([event for event in planned if event.order.quantity and event.order.purpose.opening]) == 1

    played(job)


@pytest.mark.parametrize("when", ["before", "after"], ids=["it never came", "its answer is lost"])
def test_an_order_under_way_when_its_pod_falls_silent_is_one_order(when: str) -> None:
    """Who takes over asks the exchange before anything is sent."""

    async def job(site: Site) -> None:
        former = await site.pod("a")
        await site.spread(former)
        fault = {"match": {"method": "POST", "path": "/fapi/v1/order"}, "times": 1, "when": when}
        await site.exchange.control("faults", [fault | {"effect": {"drop_connection": True}}])
        signal = site.signal("buy", quantity="0.02")
        assert (await former.decide(signal)).outcome is Outcome.ACCEPTED
        former.cut_off()
        successor = await site.pod("b")
        await site.spread(successor)
        assert (await successor.decide(signal)).outcome is Outcome.DUPLICATE
        await site.equal(successor)
        ((quantity, _),) = (await site.exchange.account()).legs.values()
        assert quantity == signal.quantity

    played(job)


def test_what_happened_while_nobody_worked_on_a_shard_is_booked_by_who_takes_it() -> None:
    """The successor's own stream told of a trade by hand, and its list of funding, when the shard was not its own."""

    async def job(site: Site) -> None:
        former = await site.pod("a")
        await site.spread(former)
        assert (await site.decide(site.signal("buy", quantity="0.02"))).outcome is Outcome.ACCEPTED
        await site.equal(former)
        successor = await site.pod("b")
        former.cut_off()
        sold = {"symbol": "BTCUSDT", "side": "SELL", "positionSide": "LONG", "type": "MARKET", "quantity": "0.005"}
        assert "orderId" in await site.exchange.ask("POST", "/fapi/v1/order", **sold)
        await site.exchange.control("funding", {"symbol": "BTCUSDT", "rate": "0.001"})
        await site.clock.sleep(5)
        assert SHARD not in successor.owned, "it has heard of both, and they were none of its affair"
        await site.spread(successor)
        await site.equal(successor)
        booked = [type(event).__name__ for record in await site.records() for event in record.events()]
        assert booked.count("FundingBooked") == 1

    played(job)


def test_a_look_that_began_before_a_shard_was_taken_back_says_nothing_of_it() -> None:
    """What was told while nobody worked on the shard is told again first, and not written off as if nobody knew it."""

    async def job(site: Site) -> None:
        pod = await site.pod("a")
        await site.spread(pod)
        assert (await site.decide(site.signal("buy", quantity="0.02"))).outcome is Outcome.ACCEPTED
        await site.equal(pod)
        pod.leases.is_cut = True
        await site.until(lambda: not pod.owned, "the leases to run out")
        sold = {"symbol": "BTCUSDT", "side": "SELL", "positionSide": "LONG", "type": "MARKET", "quantity": "0.02"}
        assert "orderId" in await site.exchange.ask("POST", "/fapi/v1/order", **sold)
        await site.clock.sleep(5)
        looked = asyncio.Event()

        async def look(records: Sequence[Record]) -> None:
            if not looked.is_set() and records[0].shard == SHARD:
                # The shard's state is there, and its claim on its way.
                looked.set()
                await pod.engine.reconciler.look()

        pod.journal.before_append = look
        pod.leases.is_cut = False
        await site.spread(pod)
        assert looked.is_set()
        await site.equal(pod)
        events = [event for record in await site.records() for event in record.events()]
        assert not [event for event in events if isinstance(event, DifferenceFound)]
        assert len([event for event in events if isinstance(event, OrderFilled)]) == 2

    played(job)


def test_a_shard_is_handed_over_only_when_its_orders_are_known() -> None:
    """The exchange takes no orders for a moment, just when the shard should go to another process."""

    async def job(site: Site) -> None:
        pod = await site.pod("a")
        await site.spread(pod)
        unavailable = {"effect": {"status": 503, "msg": "Service Unavailable"}, "times": None}
        await site.exchange.control("faults", [{"match": {"method": "POST", "path": "/fapi/v1/order"}} | unavailable])
        assert (await site.decide(site.signal("buy", quantity="0.02"))).outcome is Outcome.ACCEPTED
        pod.engine.tenancy.surplus(SHARD)
        assert SHARD not in pod.owned
        with pytest.raises(RetrySafe, match="handed over"):
            await pod.decide(site.signal("hold"))
        await site.clock.sleep(1)
        assert pod.engine.ownership.held[SHARD].epoch == 1, "its order is still under way"
        await site.exchange.heal()
        # Nobody else is there to take it, so it comes back, under another lease.
        await site.until(lambda: SHARD in pod.owned, "the shard to come back")
        assert pod.engine.ownership.held[SHARD].epoch == 2
        assert await site.journal.load_snapshot(SHARD) is not None
        await site.equal(pod)

    played(job)


def test_a_keeper_that_fails_leaves_nothing_that_anybody_counts_on() -> None:
    async def job(site: Site) -> None:
        pod = await site.pod("a")
        await site.spread(pod)

        async def broken(*_: object) -> None:
            raise KeyError("an answer that nobody understands")

        pod.leases.renew = broken
        await site.until(lambda: not pod.owned, "the shards to be dropped", TTL_S)
        assert "leases are kept no more" in str(pod.engine.trouble)
        successor = await site.pod("b")
        await site.spread(successor)

    played(job)


def test_i76_a_lease_store_that_is_down_at_the_start_is_taken_up_when_it_is_there() -> None:
    """Nothing is decided while it is away, operators can see why, and trading resumes by itself."""

    async def job(site: Site) -> None:
        pod = Pod("a", site)
        site.pods.append(pod)
        pod.leases.is_cut = True
        await pod.start()
        await site.clock.sleep(300)
        assert "cut off" in str(pod.engine.trouble)
        with pytest.raises(Fenced):
            await pod.decide(site.signal("buy", quantity="0.01"))
        pod.leases.is_cut = False
        await site.until(lambda: len(pod.owned) == SHARDS and pod.engine.trouble is None, "trading", 30)
        assert (await site.decide(site.signal("buy", quantity="0.01"))).outcome is Outcome.ACCEPTED
        await site.equal(pod)

    played(job)


def test_a_pod_that_loses_leases_while_it_stops_gives_back_the_others() -> None:
    async def job(site: Site) -> None:
        pod = await site.pod("a")
        await site.spread(pod)

        async def lose_the_others(shard: int, _: object) -> None:
            for other in set(pod.engine.hosts) - {shard}:
                pod.engine.tenancy.lost(other, "it ran out")

        pod.journal.save_snapshot = lose_the_others
        await pod.engine.stop()
        assert [lease.owner for lease in await site.leases.read()] == [None] * SHARDS

    played(job)


@pytest.mark.parametrize("error", [ConfigError("over quota"), MemoryError("no memory")], ids=lambda e: type(e).__name__)
def test_a_snapshot_that_cannot_be_saved_keeps_no_shard_from_its_next_owner(error: Exception) -> None:
    async def job(site: Site) -> None:
        first = await site.pod("a")
        await site.spread(first)

        async def refuse(*_: object) -> None:
            raise error

        first.journal.save_snapshot = refuse
        second = await site.pod("b")
        await site.spread(first, second)
        await site.equal(first, second)

    played(job)


def test_snapshots_that_hang_and_fail_delay_a_stop_once_and_keep_no_lease() -> None:
    async def job(site: Site) -> None:
        pod = await site.pod("a")
        await site.spread(pod)

        async def hang(*_: object) -> None:
            await site.clock.sleep(STORE_S)
            raise MemoryError("no memory")

        pod.journal.save_snapshot = hang
        began = site.loop.time()
        await pod.engine.stop()
        assert site.loop.time() - began < 2 * STORE_S, f"{SHARDS} shards, side by side"
        assert [lease.owner for lease in await site.leases.read()] == [None] * SHARDS

    played(job)


def test_a_stop_with_an_order_under_way_leaves_its_shard_to_run_out() -> None:
    async def job(site: Site) -> None:
        pod = await site.pod("a")
        await site.spread(pod)
        unavailable = {"effect": {"status": 503, "msg": "Service Unavailable"}, "times": None}
        await site.exchange.control("faults", [{"match": {"method": "POST", "path": "/fapi/v1/order"}} | unavailable])
        assert (await site.decide(site.signal("buy", quantity="0.02"))).outcome is Outcome.ACCEPTED
        await pod.engine.stop()
        kept = {lease.shard: lease.owner for lease in await site.leases.read()}
        assert kept == {shard: "a" if shard == SHARD else None for shard in range(SHARDS)}

    played(job)


def test_of_two_stops_that_rest_while_the_journal_hangs_the_replaced_one_goes() -> None:
    """Together they ask for more than is held: of what the market takes first the exchange would refuse the other."""

    async def job(site: Site) -> None:
        pod = await site.pod("a")
        await site.spread(pod)
        mark = pod.venue.mark_price("BTCUSDT")
        assert mark is not None
        prices = [mark * part // 1000 for part in (990, 985)]
        for price in prices:
            entry = site.signal("buy", quantity="0.01", order_type="limit", price=str(price))
            assert (await site.decide(entry)).outcome is Outcome.ACCEPTED
        await site.equal(pod)
        answers = asyncio.Event()

        async def hang(_: Sequence[Record]) -> None:
            await answers.wait()

        pod.journal.before_append = hang
        for count, price in enumerate(prices, 1):
            await site.exchange.control("mark", {"symbol": "BTCUSDT", "price": str(price)})
            await _stopped(site, Decimal("0.01") * count)
        await site.exchange.control("mark", {"symbol": "BTCUSDT", "price": str(mark * 95 // 100)})
        await _stopped(site, Decimal(0))
        answers.set()
        await site.equal(pod)

    played(job)


async def _stopped(site: Site, quantity: Decimal) -> None:
    """Wait until so much of BTCUSDT is held, with one stop for all of it, or none."""
    began = site.loop.time()
    while True:
        account = await site.exchange.account()
        held = sum((quantity for quantity, _ in account.legs.values()), Decimal(0))
        stops = [Decimal(row["quantity"]) for row in account.conditional.values()]
        if held == quantity and stops == [quantity] * bool(quantity):
            return
        assert site.loop.time() - began < TTL_S, f"held: {held}, stops: {stops}, wanted: {quantity}"
        await site.clock.sleep(0.05)
