"""The escrow's rounds when the register refuses, hangs, or does something later than anybody thinks."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal

from shared.errors import OutcomeUnknown, RetrySafe
from shared.registers.base import Entry
from tests.campaigns.warp import WarpLoop
from tests.runtime.limits.world import LIMITS, SHARDS, World, played
from tradeengine.runtime.limits import ledger
from tradeengine.runtime.limits.escrow import PATIENCE_S, ROUND_S
from tradeengine.runtime.limits.figures import NOTHING, Amounts, Figures
from tradeengine.runtime.limits.ledger import Row

SOME = Amounts(Decimal(100), 1)


def alone(job: Callable[[World], Awaitable[None]]) -> None:
    """Run a job on a world with one pod."""
    played(job, pods=1)


async def rows(world: World) -> dict[int, Row]:
    entry = await world.register.read()
    assert entry is not None
    return ledger.decode(entry.content)


def test_a_change_that_lands_after_it_was_given_up_takes_nothing_from_who_uses_it() -> None:
    """It asks for less; nobody knows whether it was made. Until another change was made, no more than that is used."""

    async def job(world: World) -> None:
        (pod,) = world.pods
        assert await pod.open(0, SOME)
        # Nothing is opened for so long that nothing is kept ahead of need.
        await asyncio.sleep(35)
        assert (await rows(world))[0].granted == SOME
        before = await world.register.read()
        late: list[tuple[int, str]] = []

        async def lost(seen: int, content: str) -> bool:
            late.append((seen, content))
            raise OutcomeUnknown("the register does not answer")

        straight, pod.link.replace = pod.link.replace, lost  # type: ignore[method-assign]
        pod.used[0] = NOTHING
        await asyncio.sleep(3 * ROUND_S)
        assert ledger.decode(late[-1][1])[0].granted == NOTHING
        assert pod.escrow.room(0, NOTHING).exposure == 0, "it may be given back already"
        assert await world.register.read() == before

        # The same is used again: what stands in the ledger is what should stand there.
        pod.used[0] = SOME
        pod.link.replace = straight  # type: ignore[method-assign]
        await asyncio.sleep(2 * ROUND_S)
        assert pod.escrow.room(0, NOTHING).holds(SOME)
        assert not await world.register.replace(*late[-1]), "it must be too late for it now"

    alone(job)


def test_what_was_not_read_yet_is_no_trouble_unless_it_cannot_be_read() -> None:
    async def job(world: World) -> None:
        (pod,) = world.pods
        assert pod.escrow.is_beginning
        assert "not read yet" in str(pod.escrow.overdue), "and nothing may be opened"
        await asyncio.sleep(ROUND_S / 10)
        assert (pod.escrow.is_beginning, pod.escrow.overdue) == (False, None)

        world.kill(0)
        (other,) = world.pods
        other.link.is_cut = True
        await asyncio.sleep(ROUND_S / 10)
        assert not other.escrow.is_beginning
        assert "does not answer" in str(other.escrow.overdue)

    alone(job)


def test_a_store_that_is_away_is_asked_again_and_says_so_at_once_meanwhile() -> None:
    async def job(world: World) -> None:
        loop = asyncio.get_running_loop()
        (pod,) = world.pods
        assert await pod.open(0, SOME)
        pod.link.is_cut = True
        began = loop.time()
        first = await pod.escrow.ask(0, Amounts(Decimal(900), 1))
        assert "refuses" in str(first) or "does not answer" in str(first)
        took = loop.time() - began
        assert took < PATIENCE_S
        for _ in range(10):
            assert await pod.escrow.ask(0, Amounts(Decimal(900), 1)) is not None
        assert loop.time() - began == took, "each would wait for the same"
        pod.link.is_cut = False
        await asyncio.sleep(2 * ROUND_S)
        assert await pod.open(0, Amounts(Decimal(900), 1))

    alone(job)


def test_an_opening_waits_until_each_shard_is_known_but_not_for_long() -> None:
    """What a shard holds that nobody has taken since the ledger was begun is unknown, not zero."""

    async def job(world: World) -> None:
        loop = asyncio.get_running_loop()
        (pod,) = world.pods
        taken = dict(pod.used)
        del pod.used[2]
        began = loop.time()
        reason = await pod.escrow.ask(0, SOME)
        assert "shards [2]" in str(reason)
        assert loop.time() - began <= PATIENCE_S
        assert not pod.escrow.room(0, NOTHING).holds(SOME)

        given_up = loop.time()
        for _ in range(10):
            assert await pod.escrow.ask(0, SOME) == reason
        assert loop.time() == given_up, "each would wait for the same, and closings behind them all"
        await asyncio.sleep(ROUND_S)
        asked = asyncio.ensure_future(pod.escrow.ask(0, SOME))
        await asyncio.sleep(PATIENCE_S / 2)
        pod.used = taken
        assert await asked is None
        assert pod.escrow.room(0, NOTHING).holds(SOME)

    alone(job)


def test_others_that_change_the_ledger_all_the_time_are_given_up_on() -> None:
    async def job(world: World) -> None:
        (pod,) = world.pods

        async def contended(seen: int, content: str) -> bool:
            current = await world.register.read() or Entry(0, "{}")
            assert await world.register.replace(current.revision, current.content)
            return False

        pod.link.replace = contended  # type: ignore[method-assign]
        assert "times in a row" in str(await pod.escrow.ask(0, SOME))

    alone(job)


def test_what_others_show_is_told_at_each_look() -> None:
    async def job(world: World) -> None:
        first, second = world.pods
        await asyncio.sleep(2 * ROUND_S)
        shard = next(iter(second.tenures))
        assert await second.open(shard, SOME)
        await asyncio.sleep(2 * ROUND_S)
        assert first.shown[shard] == Figures(used=SOME)
        assert shard not in second.shown

    played(job, pods=2)


def test_a_ledger_that_cannot_be_read_grants_nothing_and_says_why() -> None:
    async def job(world: World) -> None:
        (pod,) = world.pods
        assert await world.register.replace(0, '{"0":{"grants":{}}}')
        assert "use the engine that wrote it" in str(await pod.escrow.ask(0, SOME))
        await asyncio.sleep(15)
        assert "use the engine that wrote it" in str(pod.escrow.overdue)

    alone(job)


def test_whoever_fails_to_answer_for_good_does_not_keep_the_loop_busy() -> None:
    async def job(world: World) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, WarpLoop)
        (pod,) = world.pods
        asked = 0

        async def refused() -> Entry | None:
            nonlocal asked
            asked += 1
            raise RetrySafe("the register refuses")

        pod.link.read = refused  # type: ignore[method-assign]
        await asyncio.sleep(20 * ROUND_S)
        assert asked <= 21
        assert LIMITS.exposure is not None
        assert len(pod.tenures) == SHARDS

    alone(job)
