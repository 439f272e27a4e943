"""The share of the order limits follows the shards."""

from tradeengine.runtime.limits.orders import OrderShare


def test_each_shard_that_comes_or_goes_changes_the_share() -> None:
    told: list[tuple[int, int]] = []
    share = OrderShare(lambda part, whole: told.append((part, whole)), 8)
    share.follow(3)
    share.follow(5)
    share.follow(5)
    share.leave(3)
    share.leave(3)
    assert told == [(0, 8), (1, 8), (2, 8), (2, 8), (1, 8), (1, 8)]
