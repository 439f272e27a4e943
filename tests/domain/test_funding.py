"""Funding: longs pay when the rate is positive, each holder its share."""

from decimal import Decimal

import msgspec
import pytest

from contracts.enums import PositionSide
from tests.support.builders import LONG, SHORT, T0, World, build, of_kind
from tradeengine.domain import events as ev
from tradeengine.domain.funding import REPORTED_MS, funding_amount
from tradeengine.domain.inputs import FundingSettled
from tradeengine.domain.state import DAY_MS, SETTLEMENT_MS


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


# ---------------------------------------------------------------- what the exchange booked


def settled(world: World, **fields: object) -> list[ev.AnyEvent]:
    """Report a settlement of 0.1 % at 100, as the exchange's own list has it."""
    given = {"symbol": "BTCUSDT", "rate": "0.001", "mark_price": "100", "id": "9689322392"} | fields
    return world.give(build(FundingSettled, time_ms=world.now, **given))


def test_a_settlement_with_a_number_is_booked_once_and_after_a_restart_too() -> None:
    world = World()
    world.trade("buy", "A", "100", "1")
    assert len(settled(world)) == 1
    world.state = msgspec.json.decode(world.state.canonical(), type=type(world.state))
    world.now += 7 * 86_400_000
    assert settled(world) == []
    (other,) = of_kind(settled(world, symbol="ETHUSDT"), ev.FundingBooked)
    assert (other.symbol, other.shares) == ("ETHUSDT", ()), "numbers are each symbol's own"
    assert world.position("A").books.funding == Decimal("-0.1")


def test_the_exchanges_figure_is_the_truth_of_the_leg() -> None:
    world = World()
    world.trade("buy", "A", "100", "1")
    world.trade("buy", "B", "100", "2")
    world.trade("sell", "C", "100", "1")
    (booked,) = of_kind(settled(world, position_side="LONG", amount="-0.30000001"), ev.FundingBooked)
    assert (booked.position_side, booked.amount, booked.id) == (LONG, Decimal("-0.30000001"), "9689322392")
    assert sum(share.amount for share in booked.shares) == booked.amount
    assert world.position("A").books.funding == pytest.approx(Decimal("-0.1"), abs=Decimal("1e-8"))
    assert world.leg(SHORT).books.funding == 0


def test_one_figure_for_both_legs_falls_by_the_rate_and_the_greater_leg_takes_the_rest() -> None:
    world = World()
    world.trade("buy", "A", "100", "3")
    world.trade("sell", "B", "100", "1")
    booked = of_kind(settled(world, amount="-0.20000003"), ev.FundingBooked)
    assert [(b.position_side, b.amount) for b in booked] == [(LONG, Decimal("-0.30000003")), (SHORT, Decimal("0.1"))]
    assert settled(world, amount="-0.20000003") == []


def test_what_was_settled_on_a_leg_that_is_gone_counts_and_is_no_strategys() -> None:
    world = World()
    world.trade("buy", "A", "100", "1")
    world.trade("close", "A", "100")
    (booked,) = of_kind(settled(world, amount="-0.1"), ev.FundingBooked)
    assert (booked.amount, booked.shares) == (Decimal("-0.1"), ())
    assert world.state.totals.funding == Decimal("-0.1")
    world.trade("buy", "A", "100", "1")
    assert settled(world, amount="-0.1") == []


def test_settlements_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradeengine.domain.memory.SETTLEMENT_ENTRIES", 5)
    world = World()
    for number in range(12):
        settled(world, id=str(number))
    assert list(world.state.settlements) == [f"BTCUSDT:{number}" for number in range(7, 12)]
    world.now += SETTLEMENT_MS + 1
    settled(world, id="later")
    assert list(world.state.settlements) == ["BTCUSDT:later"]


def test_settlements_without_a_number_are_read_as_before() -> None:
    old = b'{"input":"funding","time_ms":1,"symbol":"BTCUSDT","rate":"0.001","mark_price":"100"}'
    given = msgspec.json.decode(old, type=FundingSettled)
    assert (given.id, given.amount, given.position_side) == (None, None, None)


# ---------------------------------------------------------------- when it was settled, and by whom


def test_what_was_settled_before_the_journal_is_in_what_the_books_began_with() -> None:
    world = World()
    world.trade("buy", "A", "100", "1")
    assert settled(world, amount="-0.1", settled_ms=world.state.began_ms - 1) == []
    assert world.state.settlements == {}
    assert len(settled(world, amount="-0.1", settled_ms=world.state.began_ms)) == 1


def test_the_beginning_outlives_a_restart() -> None:
    world = World()
    again = msgspec.json.decode(world.state.canonical(), type=type(world.state))
    assert again.began_ms == world.state.began_ms == T0


def test_a_leg_that_was_opened_later_pays_nothing() -> None:
    world = World()
    settled_ms = world.now
    world.now += REPORTED_MS + 1
    world.trade("buy", "A", "100", "1")
    (booked,) = of_kind(settled(world, amount="-0.1", settled_ms=settled_ms), ev.FundingBooked)
    assert booked.shares == ()
    assert world.leg().books.funding == 0
    assert world.state.totals.funding == Decimal("-0.1")


def test_a_strategy_that_came_later_pays_nothing() -> None:
    world = World()
    world.trade("buy", "A", "100", "1")
    settled_ms = world.now
    world.now += REPORTED_MS + 1
    world.trade("buy", "B", "100", "9")
    settled(world, amount="-0.1", settled_ms=settled_ms)
    assert [world.position(name).books.funding for name in "AB"] == [Decimal("-0.1"), 0]
    assert world.leg().books.funding == Decimal("-0.1")


def test_what_is_learnt_the_day_after_is_no_result_of_today() -> None:
    world = World()
    world.trade("buy", "A", "100", "1")
    settled_ms = world.now
    world.now += DAY_MS
    world.trade("buy", "A", "100", "1", fee="0.02")
    (booked,) = of_kind(settled(world, amount="-0.1", settled_ms=settled_ms), ev.FundingBooked)
    assert (booked.paid_ms, booked.time_ms // DAY_MS) == (settled_ms, settled_ms // DAY_MS + 1)
    assert (world.state.totals.funding, world.state.totals.pnl_of_day(world.now)) == (Decimal("-0.1"), Decimal("-0.02"))


def test_a_settlement_is_not_dated_later_than_it_was_learnt() -> None:
    world = World()
    world.trade("buy", "A", "100", "1")
    (booked,) = of_kind(settled(world, amount="-0.1", settled_ms=world.now + DAY_MS), ev.FundingBooked)
    assert booked.paid_ms == booked.time_ms


@pytest.mark.parametrize("amounts", [("-0.30000001", "0.1"), ("0.1", "-0.30000001"), ("-0.1", "0.3")])
def test_a_row_of_one_leg_falls_to_that_leg_though_it_does_not_name_it(amounts: tuple[str, str]) -> None:
    world = World()
    long, short = ("3", "1") if "-0.30000001" in amounts else ("1", "3")
    world.trade("buy", "A", "100", long)
    world.trade("sell", "B", "100", short)
    for number, amount in enumerate(amounts):
        settled(world, amount=amount, id=str(number))
    paid, received = sorted(map(Decimal, amounts))
    assert (world.position("A").books.funding, world.position("B", SHORT).books.funding) == (paid, received)


def test_nearly_equal_legs_are_told_apart() -> None:
    world = World()
    world.trade("buy", "A", "100", "1.000001")
    world.trade("sell", "B", "100", "1")
    settled(world, amount="0.1", id="1")
    settled(world, amount="-0.1000001", id="2")
    assert (world.position("A").books.funding, world.position("B", SHORT).books.funding) == (
        Decimal("-0.1000001"),
        Decimal("0.1"),
    )


def test_a_leg_does_not_receive_what_it_would_have_paid() -> None:
    world = World()
    world.trade("buy", "A", "100", "1")
    (booked,) = of_kind(settled(world, amount="0.3"), ev.FundingBooked)
    assert (booked.position_side, booked.shares) == (SHORT, ())


def test_without_a_rate_the_amount_still_counts() -> None:
    world = World()
    world.trade("buy", "A", "100", "3")
    world.trade("sell", "B", "100", "1")
    booked = of_kind(settled(world, amount="-0.2", rate=None, mark_price=None), ev.FundingBooked)
    assert sum(event.amount for event in booked) == world.state.totals.funding == Decimal("-0.2")
    assert {event.rate for event in booked} == {None}
    assert world.position("A").books.funding == Decimal("-0.2")
