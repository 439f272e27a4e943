"""Several engines on one account keep to its limits together; the exchange is real, time is virtual."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Final

import pytest

from contracts.enums import Outcome, Reason
from contracts.subjects import shard_of
from tests.campaigns.exchange import CENTRE
from tests.support.pods import SHARDS, Pod, Site, played
from tradeengine.domain.events import SignalDecided
from tradeengine.journal.record import Record
from tradeengine.runtime.limits.escrow import PATIENCE_S, ROUND_S, SOON_S, STALE_S
from tradeengine.runtime.replay import replay

LIMIT: Final = Decimal(10_000)
SIZES: Final = {"BTCUSDT": "0.01", "ETHUSDT": "0.2"}
"""Orders for 500 and for 600."""
LIMITED: Final = {"MAX_TOTAL_EXPOSURE_USD": str(LIMIT), "MAX_POSITION_SIZE_USD": "1000000"}


async def exposure(site: Site) -> Decimal:
    """What the exchange says is held, at the prices of the test."""
    legs = (await site.exchange.account()).legs
    return sum((quantity * CENTRE[symbol] for (symbol, _), (quantity, _) in legs.items()), Decimal(0))


async def spread(site: Site, count: int) -> list[Pod]:
    """Start so many pods, and wait until they share the shards."""
    pods = [await site.pod(name) for name in "abcdef"[:count]]
    await site.spread(*pods)
    return pods


async def buy(site: Site, symbol: str, strategy: str = "A", **fields: str) -> SignalDecided:
    return await site.decide(site.signal("buy", strategy, symbol, quantity=SIZES[symbol], **fields))


async def filled_up(site: Site, symbols: Sequence[str] = tuple(SIZES), most: int = 100) -> list[SignalDecided]:
    """Buy of each symbol, all at the same time, until each was refused three times; look at the exchange meanwhile."""
    decisions: list[SignalDecided] = []

    async def go_on(symbol: str) -> None:
        refused = 0
        for number in range(most):
            decision = await buy(site, symbol, f"S{number}")
            decisions.append(decision)
            if decision.outcome is Outcome.REJECTED:
                refused += 1
                # The others give back what they do not use, once they know that it is wanted.
                await site.clock.sleep(2 * ROUND_S)
            if refused == 3:
                return

    buying = [asyncio.ensure_future(go_on(symbol)) for symbol in symbols]
    while not all(each.done() for each in buying):
        assert await exposure(site) <= LIMIT
        await asyncio.wait(buying, timeout=0.05)
    for each in buying:
        each.result()
    return decisions


@pytest.mark.parametrize("pods", [1, 2, 3])
def test_together_they_never_hold_more_than_the_limit_and_use_all_of_it(pods: int) -> None:
    async def job(site: Site) -> None:
        made = await spread(site, pods)
        decisions = await filled_up(site)
        await site.equal(*made)
        held = await exposure(site)
        assert LIMIT - 500 < held <= LIMIT
        refused = [decision for decision in decisions if decision.outcome is Outcome.REJECTED]
        assert {decision.reason for decision in refused} == {Reason.EXPOSURE_LIMIT}
        assert "of the account's limit of 10000" in (refused[0].detail or "")
        assert (await replay(site.journal)).difference is None

        for symbol in SIZES:
            for strategy in {each.strategy_id for each in decisions if each.symbol == symbol and not each.reason}:
                decided = await site.decide(site.signal("close", strategy, symbol))
                assert decided.outcome is Outcome.ACCEPTED, "closing needs no grant"
        await site.equal(*made)
        assert await exposure(site) == 0
        await site.clock.sleep(ROUND_S + SOON_S)
        all_of_it = [site.signal("buy", symbol="BTCUSDT", quantity="0.2") for _ in range(2)]
        first = await site.decide(all_of_it[0])
        if first.outcome is Outcome.REJECTED:
            assert pods > 1, "one process moves what its other shards do not use"
            await site.clock.sleep(2 * ROUND_S)
            assert (await site.decide(all_of_it[1])).outcome is Outcome.ACCEPTED, "others have given back by now"
        await site.equal(*made)
        assert await exposure(site) == LIMIT

    played(job, **LIMITED)


def test_what_a_killed_pod_was_granted_its_shards_next_owner_can_use() -> None:
    async def job(site: Site) -> None:
        pods = await spread(site, 3)
        assert [pod.venue.state().details["order_share"] for pod in pods] == ["1 of 3"] * 3
        dead = site.owner_of("BTCUSDT")
        assert (await site.decide(site.signal("buy", symbol="BTCUSDT", quantity="0.1"))).outcome is Outcome.ACCEPTED
        await site.equal(*pods)
        dead.cut_off()
        living = [pod for pod in pods if pod is not dead]
        await site.until(lambda: any(shard_of("BTCUSDT", SHARDS) in pod.owned for pod in living), "the takeover")
        await site.spread(*living)
        assert sorted(str(pod.venue.state().details["order_share"]) for pod in living) == ["1 of 3", "2 of 3"]
        decisions = await filled_up(site)
        assert len([each for each in decisions if each.outcome is Outcome.ACCEPTED]) >= 8
        await site.equal(*living)
        assert LIMIT - 500 < await exposure(site) <= LIMIT

    played(job, **LIMITED)


def test_conditional_orders_are_shared_too() -> None:
    """Of 200 the account has 6 for openings: as many stops rest at most, and as many find room."""

    async def job(site: Site) -> None:
        pods = await spread(site, 3)
        outcomes = [buy(site, symbol, f"S{number}") for number in range(5) for symbol in SIZES]
        decisions = await asyncio.gather(*outcomes)
        await site.equal(*pods)
        stops = (await site.exchange.account()).conditional
        accepted = [each for each in decisions if each.outcome is Outcome.ACCEPTED]
        assert 4 <= len(accepted) == len(stops) <= 6
        refused = [each for each in decisions if each.outcome is Outcome.REJECTED]
        assert {each.reason for each in refused} == {Reason.PROTECTION_LIMIT}
        await site.clock.sleep(2 * ROUND_S)
        more = [await buy(site, symbol, f"T{number}") for number in range(3) for symbol in SIZES]
        await site.equal(*pods)
        assert len(stops) + sum(each.outcome is Outcome.ACCEPTED for each in more) == 6
        assert len((await site.exchange.account()).conditional) == 6

    played(job, CONDITIONAL_ORDER_RESERVE="194")


def test_a_loss_of_one_pod_stops_the_openings_of_all_within_two_seconds() -> None:
    async def job(site: Site) -> None:
        pods = await spread(site, 3)
        assert (await buy(site, "ETHUSDT", "before")).outcome is Outcome.ACCEPTED
        assert (await site.decide(site.signal("buy", quantity="1"))).outcome is Outcome.ACCEPTED
        await site.equal(*pods)
        await site.exchange.control("mark", {"symbol": "BTCUSDT", "price": "49700"})
        assert (await site.decide(site.signal("close"))).outcome is Outcome.ACCEPTED
        await site.equal(*pods)
        assert site.owner_of("BTCUSDT") is not site.owner_of("ETHUSDT")
        await site.clock.sleep(ROUND_S + SOON_S + 0.1)
        refused = await buy(site, "ETHUSDT", "after")
        assert refused.reason is Reason.DAILY_LOSS_LIMIT
        assert (await site.decide(site.signal("close", "before", "ETHUSDT"))).outcome is Outcome.ACCEPTED
        figures = [pod.engine.account.summary(site.clock.now_ms())["day_pnl"] for pod in pods]
        assert all(each < -300 for each in figures)

    played(job, MAX_DAILY_LOSS_USD="300")


def test_without_the_ledger_nothing_more_is_opened_and_everything_can_be_closed() -> None:
    async def job(site: Site) -> None:
        pods = await spread(site, 2)
        pod = site.owner_of("BTCUSDT")
        assert (await buy(site, "BTCUSDT")).outcome is Outcome.ACCEPTED
        await site.equal(*pods)
        pod.register.is_cut = True
        assert (await buy(site, "BTCUSDT", "within")).outcome is Outcome.ACCEPTED, "it has room ahead of its need"

        began = site.loop.time()
        refused = await site.decide(site.signal("buy", "beyond", quantity="0.1"), pod)
        assert refused.reason is Reason.ACCOUNT_UNKNOWN
        assert "cut off" in (refused.detail or "")
        assert site.loop.time() - began < PATIENCE_S + 0.1
        await site.clock.sleep(STALE_S + 1)
        assert "cut off" in str(pod.engine.trouble)
        assert (await site.decide(site.signal("close"), pod)).outcome is Outcome.ACCEPTED

        pod.register.is_cut = False
        await site.until(lambda: pod.engine.trouble is None, "the ledger to be back", 3 * ROUND_S)
        assert (await site.decide(site.signal("buy", "beyond", quantity="0.1"), pod)).outcome is Outcome.ACCEPTED
        await site.equal(*pods)

    played(job, **LIMITED)


def test_a_register_that_hangs_keeps_no_closing_waiting() -> None:
    """Of many openings one waits for an answer; those behind it know that there is none."""

    async def job(site: Site) -> None:
        (pod,) = await spread(site, 1)
        assert (await buy(site, "BTCUSDT")).outcome is Outcome.ACCEPTED
        await site.equal(pod)

        async def hang(*_: object) -> None:
            await asyncio.get_running_loop().create_future()

        pod.register.read = pod.register.replace = hang
        openings = [site.signal("buy", f"S{number}", quantity="0.15") for number in range(20)]
        began = site.loop.time()
        decisions = await pod.engine.decide(shard_of("BTCUSDT", SHARDS), [*openings, site.signal("close")])
        assert site.loop.time() - began < 2 * PATIENCE_S
        assert {each.reason for each in decisions[:-1]} == {Reason.ACCOUNT_UNKNOWN}
        assert decisions[-1].outcome is Outcome.ACCEPTED
        await site.until(lambda: not pod.engine.states[0].legs, "the position to be closed", 5)

    played(job, **LIMITED)


def test_a_claim_that_landed_without_an_answer_lets_its_owner_open() -> None:
    async def job(site: Site) -> None:
        claimed = asyncio.Event()
        shard = shard_of("BTCUSDT", SHARDS)
        straight = site.journal.append

        async def append(records: Sequence[Record]) -> None:
            await straight(records)
            if not claimed.is_set() and any(record.claims and record.shard == shard for record in records):
                claimed.set()
                raise RuntimeError("the driver fails after the append")

        site.journal.append = append  # type: ignore[method-assign]
        pod = Pod("a", site)
        site.pods.append(pod)
        with suppress(RuntimeError):
            await pod.start()
        await pod.engine.read()
        await site.spread(pod)
        assert claimed.is_set()
        assert [record.claims for record in await site.records()].count(True) == 1
        assert (await buy(site, "BTCUSDT")).outcome is Outcome.ACCEPTED
        await site.equal(pod)

    played(job, **LIMITED)


def test_one_process_with_all_shards_grants_all_of_the_limit_in_two_orders() -> None:
    async def job(site: Site) -> None:
        (pod,) = await spread(site, 1)
        first = site.signal("buy", symbol="ETHUSDT", quantity="2")
        second = site.signal("buy", symbol="BTCUSDT", quantity="0.08")
        assert [(await site.decide(each)).outcome for each in (first, second)] == [Outcome.ACCEPTED] * 2
        await site.equal(pod)
        assert await exposure(site) == LIMIT

    played(job, **LIMITED)


def test_an_order_within_what_was_granted_waits_for_no_store() -> None:
    async def job(site: Site) -> None:
        pods = await spread(site, 3)
        assert (await buy(site, "BTCUSDT", "first")).outcome is Outcome.ACCEPTED
        asked = 0
        pod = site.owner_of("BTCUSDT")
        store = pod.register

        async def counted(name: str, *given: object) -> object:
            nonlocal asked
            asked += 1
            return await getattr(site.register, name)(*given)

        store.read = lambda: counted("read")
        store.replace = lambda *given: counted("replace", *given)
        began = site.loop.time()
        for number in range(2):
            assert (await buy(site, "BTCUSDT", f"S{number}")).outcome is Outcome.ACCEPTED
        assert site.loop.time() - began < ROUND_S / 2
        assert asked == 0
        await site.equal(*pods)

    played(job, **LIMITED)
