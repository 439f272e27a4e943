"""Whatever happens to pods and register: together they keep to the limits, and no room is lost for good."""

import asyncio
from decimal import Decimal
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.runtime.limits.world import LIMITS, MOST, SHARDS, World, played
from tradeengine.runtime.limits.figures import Amounts

PODS = 3


class Move(NamedTuple):
    """Something that happens, and the seconds that pass afterwards."""

    what: str
    shard: int
    pod: int
    exposure: int
    conditional: int
    seconds: float


moves = st.builds(
    Move,
    what=st.sampled_from(["open"] * 6 + ["close", "close", "move", "move late", "kill", "cut", "spoil", "heal"]),
    shard=st.integers(0, SHARDS - 1),
    pod=st.integers(0, PODS - 1),
    exposure=st.sampled_from([1, 90, 300, 700, 1_000]),
    conditional=st.integers(0, 3),
    seconds=st.sampled_from([0.0, 0.0, 0.01, 0.01, 0.3, 1.5, 7.0]),
)


def make(world: World, move: Move) -> None:
    """Let a move begin."""
    pod = world.pods[move.pod]
    match move.what:
        case "open":
            # By whoever believes that the shard is its own.
            amounts = Amounts(Decimal(move.exposure), move.conditional)
            for each in world.pods:
                if move.shard in each.tenures:
                    world.start(each.open(move.shard, amounts))
        case "close":
            world.owners[move.shard].close(move.shard)
        case "move":
            world.move(move.shard, pod)
        case "move late":
            world.move(move.shard, pod, told_after_s=10.0)
        case "kill":
            world.kill(move.pod)
        case "cut":
            pod.link.is_cut = True
        case "spoil":
            pod.link.misfortune = 0.7
        case _:
            pod.link.is_cut, pod.link.misfortune = False, 0.0


@settings(max_examples=60, deadline=None)
@given(st.lists(moves, max_size=30))
def test_no_more_is_ever_used_than_there_is_and_nothing_is_lost(history: list[Move]) -> None:
    async def job(world: World) -> None:
        for move in history:
            make(world, move)
            await asyncio.sleep(move.seconds)
        for pod in world.pods:
            pod.link.is_cut, pod.link.misfortune = False, 0.0
        await asyncio.sleep(15)
        for shard in range(SHARDS):
            world.owners[shard].close(shard)
        await asyncio.sleep(35)
        # Nothing leaked: whoever asks may have all of it.
        owner = world.owners[0]
        assert await owner.open(0, MOST), await world.register.read()
        assert world.used[0] == Amounts(LIMITS.exposure or Decimal(0), LIMITS.conditional or 0)

    played(job, PODS)
