"""A crash before and after every kind of command of the whole path, and its answer lost, ends in equality."""

import os
import random
import secrets
from collections.abc import Iterator

import pytest

from tests.crashes.choice import volleys
from tests.crashes.fates import FROZEN, Point, Strike
from tests.crashes.script import SCRIPT, SHORT
from tests.crashes.stage import Stage, staged

TOGETHER = 10
LEAST_MET = 0.8


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with staged() as made:
        yield made


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_kind_of_command_may_be_the_last_or_go_unanswered(stage: Stage) -> None:
    """``python -m tests.crashes`` strikes every single one; this, one of each kind, at another place in each run."""
    seed = int(os.environ.get("CRASHES_SEED") or secrets.randbelow(2**32))
    print(f"CRASHES_SEED={seed}")
    points = stage.points(SCRIPT)
    kinds = {point.command for point in points}
    assert {"journal.insert_many", "leases.bulk_write", "checkpoints.update_one", "snapshots.update_one"} <= kinds
    assert {"mysql COMMIT", "mysql INSERT orders", "exchange POST /fapi/v1/order", "exchange GET /private/ws"} <= kinds
    met = 0
    for volley in volleys(points, random.Random(seed), TOGETHER):
        stage.play(SCRIPT, volley)
        met += sum(strike.met for strike in volley.strikes)
    assert met >= LEAST_MET * len(kinds), f"only {met} of {len(kinds)} kinds of commands were sent"


@pytest.mark.parametrize(
    "point",
    [
        Point("journal.insert_many", 6),
        Point("journal.insert_many", 8),
        Point("exchange POST /fapi/v1/order", 0),
        Point("exchange POST /fapi/v1/algoOrder", 0),
        Point("leases.insert_one", 1),
        Point("snapshots.update_one", 0),
        Point("checkpoints.update_one", 9),
        Point("orders.bulk_write", 3),
        Point("positions.bulk_write", 1),
    ],
    ids=str,
)
def test_who_stands_still_in_front_of_a_command_changes_nothing_with_it_later(stage: Stage, point: Point) -> None:
    """I75: another has taken its place when it goes on; its append and its order are refused, its rows are older."""
    strike = Strike(point, FROZEN)
    assert stage.play(SHORT, strike) == 2
    assert strike.met
