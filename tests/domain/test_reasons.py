"""Every reason that a signal can be refused for is reached, and tells which stage refused."""

from collections.abc import Callable

import pytest

from contracts.enums import Reason
from tests.support.builders import T0, World, instrument
from tradeengine.domain import inputs
from tradeengine.domain.events import SignalDecided

# Given by the shard's loop, where a decision itself failed.
OUTSIDE_THE_DOMAIN = {Reason.INTERNAL_ERROR}


def holding(**config: object) -> World:
    world = World(**config)
    world.trade("buy", "A", "100", "1", mark="100")
    return world


def duplicate() -> SignalDecided:
    world = World()
    world.signal(quantity="1", signal_id="s")
    return world.signal(quantity="1", signal_id="s")


def already_closing() -> SignalDecided:
    world = holding()
    world.signal("close", "A")
    return world.signal("close", "A")


def drawn_down() -> SignalDecided:
    world = World(max_drawdown_pct="0.1")
    world.signal("hold", equity="10000")
    return world.signal(quantity="1", equity="8000")


def overdrawn() -> SignalDecided:
    world = World()
    world.trade("buy", "A", "100", "1", stop_loss="90", take_profit="110")
    world.trade("buy", "B", "100", "1")
    both = [live.order for live in world.live(strategy="A")]
    for order, price in zip(both, ("90", "110"), strict=True):
        world.fill(order, price)
    return world.signal("buy", "A", quantity="1")


def halted() -> SignalDecided:
    world = World()
    world.give(inputs.SymbolCommanded(time_ms=world.now, symbol="BTCUSDT", halted=True, why="an operator looks at it"))
    return world.signal(quantity="1")


REACHED: dict[Reason, tuple[str, Callable[[], SignalDecided]]] = {
    Reason.DUPLICATE_SIGNAL: ("intake", duplicate),
    Reason.STALE_SIGNAL: ("validation", lambda: World().signal(quantity="1", timestamp_ms=T0 - 400_000)),
    Reason.FUTURE_SIGNAL: ("validation", lambda: World().signal(quantity="1", timestamp_ms=T0 + 6_000)),
    Reason.SYMBOL_NOT_ALLOWED: ("validation", lambda: World(allowed_symbols=("ETHUSDT",)).signal(quantity="1")),
    Reason.UNKNOWN_INSTRUMENT: ("validation", lambda: World().signal(symbol="ETHUSDT", quantity="1")),
    Reason.LOW_CONFIDENCE: ("validation", lambda: World().signal(quantity="1", confidence="0.59")),
    Reason.POSITION_SIDE_MISMATCH: ("validation", lambda: World().signal(quantity="1", position_side="SHORT")),
    Reason.MISSING_LIMIT_PRICE: ("sizing", lambda: World().signal(quantity="1", order_type="limit")),
    Reason.MISSING_TRIGGER_PRICE: ("sizing", lambda: World().signal(quantity="1", order_type="stop")),
    Reason.CONTRADICTORY_TRIGGER: (
        "sizing",
        lambda: World().signal(quantity="1", order_type="stop", conditional_price="90", conditional_direction="below"),
    ),
    Reason.STOP_WRONG_SIDE: ("risk", lambda: World().signal(quantity="1", mark="100", stop_loss="101")),
    Reason.TARGET_WRONG_SIDE: ("risk", lambda: World().signal(quantity="1", mark="100", take_profit="99")),
    Reason.PRICE_OUT_OF_RANGE: (
        "sizing",
        lambda: World().signal(quantity="1", order_type="limit", target_price="0.001"),
    ),
    Reason.NO_POSITION: ("conflict", lambda: World().signal("close")),
    Reason.ALREADY_CLOSING: ("conflict", already_closing),
    Reason.OPPOSITE_DIRECTION: (
        "conflict",
        lambda: holding(position_mode="one-way").signal("sell", "B", quantity="1"),
    ),
    Reason.WEAKER_SIGNAL: (
        "conflict",
        lambda: holding(same_direction="strongest_wins").signal("buy", "B", quantity="1", confidence="0.7"),
    ),
    Reason.POSITION_EXISTS: (
        "conflict",
        lambda: holding(same_direction="reject_duplicates").signal("buy", "B", quantity="1"),
    ),
    Reason.MAX_ACCUMULATIONS: ("conflict", lambda: holding(max_accumulations=0).signal("buy", "A", quantity="1")),
    Reason.COOLDOWN: ("conflict", lambda: holding(cooldown_ms=1_000).signal("buy", "A", quantity="1")),
    Reason.OVERDRAWN: ("conflict", overdrawn),
    Reason.NO_SIZE: ("sizing", lambda: World().signal(mark="100", equity="100")),
    Reason.NO_REFERENCE_PRICE: ("sizing", lambda: World().signal(quote_quantity="100")),
    Reason.NO_EQUITY: ("sizing", lambda: World().signal(position_size_pct="0.1", mark="100")),
    Reason.BELOW_MIN_QUANTITY: ("sizing", lambda: World().signal(quantity="0.000001")),
    Reason.ABOVE_MAX_QUANTITY: ("sizing", lambda: World(instrument(max_quantity="5")).signal(quantity="6")),
    Reason.BELOW_MIN_NOTIONAL: (
        "sizing",
        lambda: World(instrument(min_notional="5")).signal(quantity="0.01", mark="100"),
    ),
    Reason.POSITION_LIMIT: (
        "risk",
        lambda: holding(max_position_usd="100").signal("buy", "B", quantity="1", mark="100"),
    ),
    Reason.EXPOSURE_LIMIT: (
        "risk",
        lambda: World(max_exposure_usd="100").signal(quantity="2", mark="100", exposure="0"),
    ),
    Reason.DAILY_LOSS_LIMIT: ("risk", lambda: World(max_daily_loss_usd="10").signal(quantity="1", day_pnl="-10")),
    Reason.DRAWDOWN_LIMIT: ("risk", drawn_down),
    Reason.PROTECTION_LIMIT: (
        "risk",
        lambda: World().signal(quantity="1", stop_loss_pct="0.1", conditional_orders=195, conditional_limit=200),
    ),
    Reason.ACCOUNT_UNKNOWN: ("risk", lambda: World().signal(quantity="1", account_unknown="the ledger is away")),
    Reason.STOP_OUT_OF_BAND: (
        "risk",
        lambda: World(
            instrument(percent_up="1.05", percent_down="0.95"), min_stop_distance_pct="0.06", stop_loss_pct="0.1"
        ).signal(quantity="1"),
    ),
    Reason.STOP_TOO_FAR: ("risk", lambda: World(max_stop_distance_pct="0.2").signal(quantity="1", stop_loss_pct="0.3")),
    Reason.SYMBOL_HALTED: ("validation", halted),
}


def test_the_list_of_reasons_is_complete() -> None:
    assert set(REACHED) | OUTSIDE_THE_DOMAIN == set(Reason)


@pytest.mark.parametrize("reason", REACHED)
def test_a_reason_is_reached(reason: Reason) -> None:
    source, reach = REACHED[reason]
    decision = reach()
    assert (decision.reason, decision.source) == (reason, source)
    assert decision.outcome == ("duplicate" if reason is Reason.DUPLICATE_SIGNAL else "rejected")
    assert decision.orders == ()


@pytest.mark.parametrize("reason", [r for r in REACHED if r is not Reason.DUPLICATE_SIGNAL])
def test_a_refusal_says_the_figures_behind_it(reason: Reason) -> None:
    assert REACHED[reason][1]().detail
