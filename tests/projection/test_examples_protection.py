"""What users find in the tables about stops and targets, by example."""

from typing import Any

from contracts.enums import OrderPurpose, OrderStatus
from tests.projection.tables import row_of
from tests.projection.targets import Model
from tests.support.builders import instrument
from tests.support.records import RecordedWorld
from tradeengine.domain.orders import ApprovedOrder

STOP, TARGET, FLATTEN = OrderPurpose.STOP_LOSS, OrderPurpose.TAKE_PROFIT, OrderPurpose.FLATTEN
HOLD = {"unprotected": "hold"}


async def named(model: Model) -> tuple[str | None, str | None]:
    """Stop and target that the only position names, in both of its tables."""
    one, other = await row_of(model, "positions"), await row_of(model, "strategy_positions")
    names = one["stop_loss_order_id"], one["take_profit_order_id"]
    assert names == (other["sl_order_id"], other["tp_order_id"])
    return names


async def both(model: Model) -> tuple[dict[str, Any], dict[str, Any]]:
    """Rows of the only position."""
    return await row_of(model, "positions"), await row_of(model, "strategy_positions")


def protected(**config: Any) -> tuple[RecordedWorld, ApprovedOrder, ApprovedOrder]:
    """Open a position and let its stop and target rest."""
    world = RecordedWorld(**config)
    world.trade("buy", "A", "100", "1", stop_loss="90", take_profit="120")
    stop, target = world.resting(STOP), world.resting(TARGET)
    world.take(stop, target)
    return world, stop, target


def newest(world: RecordedWorld, purpose: OrderPurpose) -> ApprovedOrder:
    """The newest stop or target of A, be it that the one that it replaces is still there."""
    position = world.position()
    order_id = position.stop_order_id if purpose is STOP else position.target_order_id
    assert order_id is not None
    return world.state.orders[order_id].order


# ---------------------------------------------------------------- which order is in force


async def test_a_refused_replacement_leaves_the_position_with_the_order_that_rests(model: Model) -> None:
    world, stop, target = protected(**HOLD)
    world.trade("buy", "A", "100", "1")
    refused, missed = newest(world, STOP), newest(world, TARGET)
    await model.apply([world.cut()])
    assert await named(model) == (refused.client_order_id, missed.client_order_id)
    row = await row_of(model, "orders", order_id=refused.client_order_id)
    assert row["replaces_order_id"] == stop.client_order_id

    world.refuse(refused, "no_margin", reason="Margin is insufficient.")
    world.refuse(missed, "out_of_band")
    await model.apply([world.cut()])
    assert await named(model) == (stop.client_order_id, target.client_order_id)
    row = await row_of(model, "orders", order_id=refused.client_order_id)
    assert (row["status"], row["refusal"], row["reason"]) == ("rejected", "no_margin", "Margin is insufficient.")
    assert (await row_of(model, "orders", order_id=stop.client_order_id))["refusal"] is None


async def test_of_several_refused_replacements_none_is_named(model: Model) -> None:
    world, stop, _ = protected(**HOLD)
    replacements = []
    for _ in range(2):
        world.trade("buy", "A", "100", "1")
        replacements.append(newest(world, STOP))
    await model.apply([world.cut()])
    first, second = replacements
    row = await row_of(model, "orders", order_id=second.client_order_id)
    assert row["replaces_order_id"] == first.client_order_id
    assert world.state.orders[first.client_order_id].cancelling, "it never rested, and leaves"

    world.refuse(second, "no_margin")
    await model.apply([world.cut()])
    assert (await named(model))[0] == stop.client_order_id
    world.refuse(first, "no_margin")
    await model.apply([world.cut()])
    assert (await named(model))[0] == stop.client_order_id


async def test_a_replacement_that_rests_stays_named_when_the_former_leaves(model: Model) -> None:
    world, stop, _ = protected()
    world.trade("buy", "A", "100", "1")
    new = newest(world, STOP)
    world.take(new)
    world.honour_cancels()
    await model.apply([world.cut()])
    assert (await named(model))[0] == new.client_order_id
    assert (await row_of(model, "orders", order_id=stop.client_order_id))["status"] == "cancelled"


async def test_a_stop_that_is_gone_is_named_no_more(model: Model) -> None:
    world, stop, target = protected(**HOLD)
    world.report(stop, OrderStatus.CANCELLED)
    world.refuse(newest(world, STOP), "no_margin")
    await model.apply([world.cut()])
    assert await named(model) == (None, target.client_order_id)


async def test_a_stop_that_has_filled_is_named_no_more_by_what_it_left_open(model: Model) -> None:
    world, stop, _ = protected(**HOLD)
    world.trade("buy", "A", "100", "1")
    world.refuse(newest(world, STOP), "no_margin")
    world.fill(stop, "90")
    await model.apply([world.cut()])
    position = world.position()
    assert (await row_of(model, "positions"))["status"] == "open"
    assert await named(model) == (position.stop_order_id, position.target_order_id)
    assert position.stop_order_id != stop.client_order_id


async def test_a_closed_position_keeps_the_names_of_its_last_stop_and_target(model: Model) -> None:
    world, stop, target = protected()
    world.fill(stop, "90")
    world.honour_cancels()
    await model.apply([world.cut()])
    assert (await row_of(model, "positions"))["status"] == "closed"
    assert (await row_of(model, "orders", order_id=target.client_order_id))["status"] == "cancelled"
    assert await named(model) == (stop.client_order_id, target.client_order_id)


# ---------------------------------------------------------------- how they lie


async def test_a_trailing_stop_and_what_asked_for_it(model: Model) -> None:
    world = RecordedWorld(min_stop_distance_pct="0.0105")
    world.trade("buy", "A", "100", "1", trailing_pct="0.002")
    await model.apply([world.cut()])
    decision = await row_of(model, "decisions")
    assert (decision["trailing_pct"], decision["break_even_at_pct"]) == ("0.002", None)
    stop = await row_of(model, "orders", purpose="stop_loss")
    assert (stop["type"], stop["callback_pct"], stop["trigger_price"]) == ("TRAILING_STOP_MARKET", "0.011", None)
    for row in await both(model):
        assert (row["trailing_pct"], row["break_even_at_pct"]) == ("0.011", None)
        assert (row["stop_widened"], row["stop_clamped"], row["target_waits"]) == (True, False, False)


async def test_the_gain_at_which_the_stop_moves_to_break_even(model: Model) -> None:
    world = RecordedWorld()
    world.trade("buy", "A", "100", "1", stop_loss_pct="0.02", break_even_at_pct="0.05", signal_id="s1")
    await model.apply([world.cut()])
    assert (await row_of(model, "decisions", signal_id="s1"))["break_even_at_pct"] == "0.05"
    assert [row["break_even_at_pct"] for row in await both(model)] == ["0.05", "0.05"]

    # Once the stop is there, another gain moves nothing, and shows all the same.
    world.reach("106")
    world.trade("buy", "A", "100", "1", break_even_at_pct="0.1")
    await model.apply([world.cut()])
    assert [row["break_even_at_pct"] for row in await both(model)] == ["0.1", "0.1"]

    world.trade("buy", "A", "100", "1", trailing_pct="0.02")
    await model.apply([world.cut()])
    assert [row["break_even_at_pct"] for row in await both(model)] == [None, None]


async def test_a_stop_that_was_moved_into_the_band_and_a_target_that_waits(model: Model) -> None:
    world = RecordedWorld(instrument(percent_up="1.05", percent_down="0.95"))
    world.trade("buy", "A", "100", "1", mark="100", stop_loss="90", take_profit="120")
    await model.apply([world.cut()])
    for row in await both(model):
        assert (row["stop_widened"], row["stop_clamped"], row["target_waits"]) == (False, True, True)
    position = await row_of(model, "positions")
    assert (position["stop_loss"], position["take_profit"], position["take_profit_order_id"]) == ("95.25", "120", None)

    world.reach("119")
    await model.apply([world.cut()])
    assert [row["target_waits"] for row in await both(model)] == [False, False]
    assert (await named(model))[1] == world.resting(TARGET).client_order_id


# ---------------------------------------------------------------- why orders close


async def test_a_closing_order_says_what_its_fills_are_booked_as(model: Model) -> None:
    world, stop, target = protected()
    entry = world.position().entry_order_id
    closing = world.order("close", "A", quantity="0.4")
    world.refuse(stop, "would_trigger")
    crossed = world.resting(FLATTEN)
    await model.apply([world.cut()])
    reasons = {
        order_id: (await row_of(model, "orders", order_id=order_id))["close_reason"]
        for order_id in (entry, *[order.client_order_id for order in (stop, target, closing, crossed)])
    }
    assert list(reasons.values()) == [None, "stop_loss", "take_profit", "manual", "stop_loss"]

    world.fill(crossed, "89")
    await model.apply([world.cut()])
    fill = await row_of(model, "fills", order_id=crossed.client_order_id)
    assert fill["close_reason"] == reasons[crossed.client_order_id]
