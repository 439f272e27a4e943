"""Funding: longs pay when the rate is positive, each holder its share."""

from decimal import Decimal

import pytest

from contracts.enums import PositionSide
from tests.support.builders import LONG, SHORT, World, of_kind
from tradeengine.domain import events as ev
from tradeengine.domain.funding import funding_amount


@pytest.mark.parametrize(
    ("side", "rate", "amount"),
    [(LONG, "0.0001", "-10"), (SHORT, "0.0001", "10"), (LONG, "-0.0001", "10"), (SHORT, "-0.0001", "-10")],
)
def test_the_sign_follows_side_and_rate(side: PositionSide, rate: str, amount: str) -> None:
    assert funding_amount(side, Decimal(2), Decimal(50_000), Decimal(rate)) == Decimal(amount)


def test_each_strategy_pays_for_what_it_holds_and_the_last_takes_the_rest() -> None:
    world = World()
    world.trade("buy", "A", "100", "1")
    world.trade("buy", "B", "100", "2")
    (booked,) = of_kind(world.fund("0.0001", "100.01"), ev.FundingBooked)
    assert booked.amount == Decimal("-0.030003")
    assert {share.strategy_id: share.amount for share in booked.shares} == {
        "A": Decimal("-0.010001"),
        "B": Decimal("-0.020002"),
    }
    assert (world.position("A").books.funding, world.leg().books.funding) == (Decimal("-0.010001"), booked.amount)


def test_shares_that_do_not_come_out_even_still_add_up() -> None:
    world = World()
    for strategy in "ABC":
        world.trade("buy", strategy, "100", "0.7")
    world.trade("close", "C", "100", "0.3")
    (booked,) = of_kind(world.fund("0.00012345", "99.99"), ev.FundingBooked)
    assert sum(share.amount for share in booked.shares) == booked.amount


def test_both_legs_are_settled() -> None:
    world = World()
    world.trade("buy", "A", "100", "1")
    world.trade("sell", "B", "100", "3")
    booked = of_kind(world.fund("0.001", "100"), ev.FundingBooked)
    assert [(b.position_side, b.amount) for b in booked] == [(LONG, Decimal("-0.1")), (SHORT, Decimal("0.3"))]
    assert world.state.totals.funding == Decimal("0.2")


def test_funding_counts_in_the_days_result() -> None:
    world = World()
    world.trade("buy", "A", "100", "1")
    world.fund("0.001", "100")
    assert world.state.totals.pnl_of_day(world.now) == Decimal("-0.1")


def test_nothing_is_booked_where_nothing_is_held() -> None:
    world = World()
    world.order("buy", "A", quantity="1")
    assert world.fund("0.001", "100") == []
    assert world.fund("0.001", "100", symbol="ETHUSDT") == []


def test_what_a_closed_strategy_paid_stays_with_the_leg() -> None:
    world = World()
    world.trade("buy", "A", "100", "1")
    world.trade("buy", "B", "100", "1")
    world.fund("0.001", "100")
    world.trade("close", "A", "100")
    assert (world.leg().closed_funding, world.leg().books.funding) == (Decimal("-0.1"), Decimal("-0.2"))
