"""Risk: openings meet every limit; what reduces risk always passes."""

from decimal import Decimal

import pytest

from contracts.enums import Reason
from tests.support.builders import LONG, SHORT, T0, World, instrument
from tradeengine.domain.state import DAY_MS

# ---------------------------------------------------------------- exchange's filters


@pytest.mark.parametrize(
    ("quantity", "reason"), [("0.9", "below_min_quantity"), ("1", None), ("100", None), ("101", "above_max_quantity")]
)
def test_a_quantity_keeps_within_the_exchanges_limits(quantity: str, reason: str | None) -> None:
    world = World(instrument(step_size="0.1", min_quantity="1", max_quantity="100"))
    assert world.signal(quantity=quantity).reason == reason


def test_market_orders_meet_the_limits_of_market_orders() -> None:
    world = World(instrument(step_size="1", max_quantity="100", market_max_quantity="10"))
    assert world.signal(quantity="11").reason == "above_max_quantity"
    assert world.signal(quantity="11", order_type="limit", target_price="5").outcome == "accepted"


def test_less_than_one_step_is_nothing() -> None:
    assert World(instrument(step_size="1")).signal(quantity="0.99").reason == "below_min_quantity"


@pytest.mark.parametrize(("quantity", "reason"), [("0.049", "below_min_notional"), ("0.05", None)])
def test_an_order_is_worth_what_the_exchange_asks_for(quantity: str, reason: str | None) -> None:
    world = World(instrument(step_size="0.001", min_notional="5"))
    assert world.signal(quantity=quantity, mark="100").reason == reason


def test_a_limit_order_is_valued_at_its_own_price() -> None:
    world = World(instrument(min_notional="5"))
    decision = world.signal(quantity="0.05", mark="100", order_type="limit", target_price="99")
    assert decision.reason == "below_min_notional"


# ---------------------------------------------------------------- stops and targets on the right side


@pytest.mark.parametrize(
    ("action", "fields", "reason"),
    [
        ("buy", {"stop_loss": "100"}, "stop_wrong_side"),
        ("buy", {"stop_loss": "99.99"}, None),
        ("sell", {"stop_loss": "100"}, "stop_wrong_side"),
        ("sell", {"stop_loss": "100.01"}, None),
        ("buy", {"take_profit": "100"}, "target_wrong_side"),
        ("buy", {"take_profit": "100.01"}, None),
        ("sell", {"take_profit": "101"}, "target_wrong_side"),
        ("sell", {"take_profit": "99"}, None),
    ],
)
def test_a_stop_lies_behind_the_price_and_a_target_before_it(
    action: str, fields: dict[str, str], reason: str | None
) -> None:
    assert World().signal(action, quantity="1", mark="100", **fields).reason == reason


# ---------------------------------------------------------------- position limit


def test_an_order_is_cut_down_to_what_is_left_of_the_position_limit() -> None:
    world = World(instrument(step_size="0.1"), max_position_usd="1000")
    world.trade("buy", "A", "100", "6", mark="100")
    decision = world.signal("buy", "B", quantity="9", mark="101")
    (order_id,) = decision.orders
    # (1000 - 6 × 101) / 101 = 3.9009…
    assert world.state.orders[order_id].order.quantity == Decimal("3.9")
    assert decision.detail == "cut from 9 to the position limit"


def test_orders_under_way_use_the_position_limit_up() -> None:
    world = World(max_position_usd="1000")
    world.order("buy", "A", quantity="10", mark="100")
    assert world.signal("buy", "B", quantity="1", mark="100").reason == "position_limit"


def test_a_remainder_that_the_exchange_does_not_take_is_refused() -> None:
    world = World(instrument(step_size="0.01", min_notional="5"), max_position_usd="1000")
    world.trade("buy", "A", "100", "9.96", mark="100")
    assert world.signal("buy", "B", quantity="1", mark="100").reason == "position_limit"


def test_the_other_leg_has_a_limit_of_its_own() -> None:
    world = World(max_position_usd="1000")
    world.trade("buy", "A", "100", "10", mark="100")
    assert world.signal("sell", "B", quantity="10", mark="100").outcome == "accepted"


def test_the_position_limit_cannot_be_judged_without_a_price() -> None:
    assert World(max_position_usd="1000").signal(quantity="1").reason == "no_reference_price"


# ---------------------------------------------------------------- account's limits


@pytest.mark.parametrize(("exposure", "reason"), [("900", None), ("900.01", "exposure_limit")])
def test_exposure_counts_the_order_in(exposure: str, reason: str | None) -> None:
    world = World(max_exposure_usd="1000")
    assert world.signal(quantity="1", mark="100", exposure=exposure).reason == reason


def test_exposure_that_is_not_known_is_no_exposure_that_is_allowed() -> None:
    assert World(max_exposure_usd="1000").signal(quantity="1", mark="100").reason == "no_reference_price"


@pytest.mark.parametrize(("day_pnl", "reason"), [("-99.99", None), ("-100", "daily_loss_limit"), ("500", None)])
def test_a_day_may_lose_less_than_its_limit(day_pnl: str, reason: str | None) -> None:
    assert World(max_daily_loss_usd="100").signal(quantity="1", day_pnl=day_pnl).reason == reason


def test_the_days_loss_is_what_was_booked_since_midnight_utc() -> None:
    world = World()
    world.trade("buy", "A", "100", "1", fee="0.5")
    world.trade("close", "A", "90", fee="0.5")
    last_moment = (T0 // DAY_MS + 1) * DAY_MS - 1
    assert world.state.totals.pnl_of_day(last_moment) == Decimal(-11)
    assert world.state.totals.pnl_of_day(last_moment + 1) == 0


def test_a_new_day_starts_from_nothing() -> None:
    world = World()
    world.trade("buy", "A", "100", "1", fee="0.5")
    world.pass_time(DAY_MS)
    world.trade("close", "A", "90", fee="0.25")
    assert world.state.totals.pnl_of_day(world.now) == Decimal("-10.25")
    assert world.state.totals.fees == Decimal("0.75")


@pytest.mark.parametrize(("equity", "reason"), [("9001", None), ("9000", "drawdown_limit")])
def test_drawdown_counts_from_the_highest_equity_seen(equity: str, reason: str | None) -> None:
    world = World(max_drawdown_pct="0.1")
    world.signal("hold", equity="10000")
    world.signal("hold", equity="9500")
    assert world.signal(quantity="1", equity=equity).reason == reason


def test_a_new_peak_is_remembered_even_by_a_refused_signal() -> None:
    world = World(max_drawdown_pct="0.1")
    assert world.signal(quantity="1", equity="20000", confidence="0").outcome == "rejected"
    assert world.state.peak_equity == 20000


def test_what_reduces_risk_passes_every_limit() -> None:
    world = World(instrument(min_quantity="1", min_notional="1000"))
    world.trade("buy", "A", "1000", "1")
    world.configure(
        max_position_usd="1", max_exposure_usd="1", max_daily_loss_usd="1", max_drawdown_pct="0.01", min_confidence="1"
    )
    world.signal("hold", equity="10000")
    decision = world.signal("close", "A", quantity="0.5", confidence="0", equity="1", day_pnl="-9999", exposure="9999")
    assert decision.outcome == "accepted"


# ---------------------------------------------------------------- what is approved


@pytest.mark.parametrize(("action", "side", "position_side"), [("buy", "BUY", LONG), ("sell", "SELL", SHORT)])
def test_an_approved_entry_says_which_leg_it_opens(action: str, side: str, position_side: str) -> None:
    order = World().order(action, quantity="1")
    assert (order.side, order.position_side, order.purpose) == (side, position_side, "open")
    assert (order.planned_ms, order.signal_id) == (T0 + 3, f"{action}@{T0 + 3}")


def test_order_ids_count_up_and_end_with_the_letter_of_their_purpose() -> None:
    world = World(stop_loss_pct="0.1", take_profit_pct="0.1")
    world.trade("buy", "A", "100", "1")
    world.signal("close", "A")
    planned = [live.order.client_order_id for live in world.state.orders.values()]
    assert planned == ["te-test-0-1s", "te-test-0-2t", "te-test-0-3c"]


def test_exposure_is_judged_after_the_cut_to_the_position_limit() -> None:
    world = World(max_position_usd="100", max_exposure_usd="150")
    assert world.order("buy", quantity="10", mark="100", exposure="0").quantity == 1


def test_the_drawdown_counts_from_the_accounts_peak() -> None:
    world = World(max_drawdown_pct="0.2")
    refused = world.signal("buy", quantity="1", mark="100", equity="700", peak_equity="1000")
    assert refused.reason is Reason.DRAWDOWN_LIMIT
