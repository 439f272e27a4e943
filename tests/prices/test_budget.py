"""The request weight of a minute: how much of it is used, and how long to wait for the next."""

import pytest

from shared.clock import ManualClock
from tradeengine.prices.budget import WeightBudget

MINUTE = 60_000
START = 28_000_000 * MINUTE


def test_requests_go_until_the_share_is_used_and_then_wait_for_the_next_minute() -> None:
    clock = ManualClock(START + 45_000)
    budget = WeightBudget(clock, limit=100, share_pct=80)

    budget.adopt(75)
    assert budget.wait_s(5) == 0
    assert budget.wait_s(6) == pytest.approx(15.5)

    clock.set(START + MINUTE)
    assert (budget.used, budget.wait_s(6)) == (0, 0)


def test_minutes_are_those_of_the_exchanges_clock() -> None:
    clock = ManualClock(START + 45_000)
    budget = WeightBudget(clock, limit=100)
    budget.offset_ms = 10_000
    budget.adopt(100)

    assert budget.wait_s(1) == pytest.approx(5.5)
    clock.set(START + 50_000)
    assert budget.wait_s(1) == 0


def test_the_limit_is_the_one_that_the_exchange_states() -> None:
    budget = WeightBudget(ManualClock(START))
    budget.adopt_limits(
        [
            {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
        ]
    )

    assert budget.limit == 6000
