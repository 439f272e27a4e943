"""Observations on their way: what the books took in since the question, by the order in which it reached the shard."""

from tests.support.builders import World, build
from tradeengine.domain.inputs import VenueObserved
from tradeengine.domain.state import ShardState
from tradeengine.runtime.observation import Mark, Observation


def seen(mark: Mark) -> Observation:
    return Observation(build(VenueObserved, time_ms=1, symbol="BTCUSDT", asked_ms=1), mark)


def test_what_was_reported_before_the_question_is_no_change_and_what_came_later_is() -> None:
    world = World()
    mark = Mark(world.state)
    world.trade("buy", "A", "100", "1")
    mark.pass_by(world.state)
    given = seen(mark).held_against(world.state)
    assert given is not None
    assert given.since == 0, "it was reported before, and waited in the inbox"
    world.trade("close", "A", "100")
    given = seen(mark).held_against(world.state)
    assert given is not None
    assert given.since


def test_books_that_were_loaded_again_are_others() -> None:
    world = World()
    mark = Mark(world.state)
    mark.pass_by(world.state)
    assert seen(mark).held_against(ShardState(shard=0)) is None
    late = Mark(world.state)
    late.pass_by(ShardState(shard=0))
    assert seen(late).held_against(world.state) is None, "nobody knows what the books had taken in"
