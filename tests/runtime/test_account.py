"""The account: exact figures at a price that does not grow with the number of positions."""

from collections.abc import ValuesView
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given, settings

from contracts.signal import Signal
from shared.clock import SystemClock
from shared.registers.memory import MemoryRegister
from tests.support.builders import T0, World, build
from tests.support.records import Move, RecordedWorld, histories, play
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.money import MONEY, ZERO
from tradeengine.domain.position import StrategyPosition
from tradeengine.domain.state import ShardState
from tradeengine.runtime.account import Account
from tradeengine.runtime.limits.escrow import Escrow
from tradeengine.runtime.limits.figures import Figures, Limits

MARK = Decimal("31415.92")


def account(*states: ShardState) -> Account:
    made = Account(Decimal(10_000), lambda symbol: MARK)
    for state in states:
        made.attach(state)
    return made


def position_by_position(state: ShardState) -> Decimal:
    return sum(
        (p.books.unrealized(leg.side, MARK) for leg in state.legs.values() for p in leg.strategies.values()), ZERO
    )


@settings(max_examples=60, deadline=None)
@given(histories)
def test_the_unrealised_pnl_is_the_sum_over_all_positions_at_every_moment(moves: list[Move]) -> None:
    world = RecordedWorld()
    subject = account(world.state)
    for move in moves:
        play(world, [move])
        subject.attach(world.state)
        with localcontext(MONEY):
            assert str(subject.unrealized()) == str(position_by_position(world.state))


class Counting(dict[str, StrategyPosition]):
    """Positions of a leg that count how often all of them are looked at."""

    looks = 0

    def values(self) -> ValuesView[StrategyPosition]:  # type: ignore[override]
        self.looks += 1
        return super().values()


def test_positions_are_looked_at_once_after_each_change_and_not_for_each_signal() -> None:
    world = World()
    for name in "ABC":
        world.trade("buy", name, "30000", "0.1")
    leg = world.leg()
    leg.strategies = positions = Counting(leg.strategies)
    subject = account(world.state)
    for _ in range(10):
        subject.equity()
    assert positions.looks == 1
    assert subject.unrealized() == Decimal("0.3") * (MARK - 30_000)

    world.trade("close", "A", "31000")
    before = positions.looks
    for _ in range(10):
        subject.equity()
    assert positions.looks == before + 1
    assert subject.unrealized() == Decimal("0.2") * (MARK - 30_000)

    world.fund("0.001", "30000")
    assert subject.equity() == 10_000 + 100 - 6 + Decimal("0.2") * (MARK - 30_000)


def signal(action: str, **fields: Any) -> Signal:
    document = {"strategy_id": "A", "symbol": "BTCUSDT", "confidence": "0.9", "timestamp": T0}
    return Signal.from_document({**document, "action": action, **fields})


ALL = {"equity", "peak_equity", "exposure", "day_pnl"}
LIMITS = {"max_drawdown_pct": "0.2", "max_exposure_usd": "1000", "max_daily_loss_usd": "100"}


@pytest.mark.parametrize(
    ("config", "action", "fields", "known"),
    [
        ({}, "buy", {}, set()),
        ({}, "buy", {"position_size_pct": "0.1"}, {"equity"}),
        ({}, "buy", {"position_size_pct": "0.1", "quantity": "1"}, set()),
        ({}, "buy", {"position_size_pct": "0.1", "quote_quantity": "100"}, set()),
        ({"order_size_pct": "0.1"}, "sell", {}, {"equity"}),
        ({"order_size_pct": "0.1"}, "buy", {"quantity": "1"}, set()),
        ({"order_size_pct": "0.1"}, "close", {}, set()),
        ({"order_size_pct": "0.1"}, "hold", {}, set()),
        ({"order_size_quote": "100"}, "buy", {}, set()),
        ({"order_size_quote": "100"}, "buy", {"position_size_pct": "0.1"}, {"equity"}),
        (LIMITS, "buy", {"quantity": "1"}, ALL),
        (LIMITS, "close", {}, {"equity", "peak_equity"}),
    ],
)
def test_a_decision_is_told_what_its_rules_ask_for_and_nothing_else(
    config: dict[str, str], action: str, fields: dict[str, str], known: set[str]
) -> None:
    state = ShardState(shard=0, config=build(TradingConfig, **config))
    context = account(state).context(signal(action, **fields), state, T0)
    assert {name for name in ALL if getattr(context, name) is not None} == known
    assert context.mark_price == MARK


def test_the_peak_is_the_highest_that_any_shard_has_seen() -> None:
    first, second = ShardState(shard=0, peak_equity=Decimal(11_000)), ShardState(shard=1)
    assert account(second, first).peak_equity() == 11_000


def holding(shard: int, quantity: str = "0.1") -> ShardState:
    """A shard whose one strategy bought at 30,000."""
    world = World()
    world.trade("buy", "A", "30000", quantity)
    world.state.shard = shard
    return world.state


GAIN = Decimal("0.1") * (MARK - 30_000)


def shared() -> Account:
    """An account that other processes work on too; they show what is in the ledger."""
    made = account()
    limits = Limits(Decimal(10_000), 190)
    made.escrow = Escrow(MemoryRegister(), SystemClock(), limits, 2, figures=made.figures, show=made.show, losses=False)
    return made


def test_what_others_show_counts_as_if_it_were_here() -> None:
    both, alone, other = account(), shared(), shared()
    for state in (holding(0), holding(1, "0.3")):
        both.attach(state)
        (alone if state.shard == 0 else other).attach(state)
    alone.show(other.figures())
    other.show(alone.figures())
    assert alone.summary(T0) == both.summary(T0) == other.summary(T0)
    assert alone.conditional_orders() == both.conditional_orders()
    assert alone.peak_equity() == both.peak_equity()
    assert both.equity() == 10_000 + 4 * GAIN


def test_the_result_of_yesterday_is_not_that_of_today_wherever_it_was_made() -> None:
    subject = shared()
    today = T0 // 86_400_000
    subject.show({1: Figures(day=today, day_pnl=Decimal(-5)), 2: Figures(day=today - 1, day_pnl=Decimal(-70))})
    assert subject.day_pnl(T0) == -5
    assert subject.day_pnl(T0 + 86_400_000) == 0


def test_a_shard_that_changes_hands_moves_no_equity() -> None:
    """Neither where it was stated by the venue, nor where it is counted from the start."""
    for stated in (None, Decimal(50_000)):
        former, successor = shared(), shared()
        state = holding(1)
        former.attach(state)
        successor.attach(holding(0))
        former.show(successor.figures())
        successor.show(former.figures())
        if stated is not None:
            former.anchor(stated)
            successor.anchor(stated)
        before = former.equity()
        assert before == successor.equity() == (stated or 10_000 + 2 * GAIN)
        former.detach(1)
        assert former.equity() == before, "it counts until its next owner shows it"
        successor.attach(state)
        assert successor.equity() == before
        former.show(successor.figures())
        assert former.equity() == before
        assert former.exposure() == successor.exposure()


def test_what_is_first_seen_after_the_venue_stated_the_equity_was_in_it() -> None:
    subject = shared()
    subject.anchor(Decimal(50_000))
    subject.attach(holding(0))
    assert subject.equity() == 50_000
    subject.show({1: Figures(realized=Decimal(70))})
    assert subject.equity() == 50_000
    subject.show({1: Figures(realized=Decimal(100))})
    assert subject.equity() == 50_030, "what others make from then on counts"


def test_what_others_had_gained_when_the_venue_stated_the_equity_counts_once() -> None:
    """However late they show it: a second time it would make a peak that was never there."""
    subject = shared()
    subject.show({1: Figures(), 2: Figures()})
    subject.anchor(Decimal(10_500))
    subject.show({1: Figures(), 2: Figures(unrealized=Decimal(300))})
    assert subject.equity() == 10_500
    subject.show({1: Figures(unrealized=Decimal(200)), 2: Figures(unrealized=Decimal(300))})
    assert subject.equity() == 10_500, "each by itself: who has shown nothing else yet may have made it before"
    subject.show({1: Figures(unrealized=Decimal(260)), 2: Figures(unrealized=Decimal(300))})
    assert subject.equity() == 10_560, "what is made from then on counts"
    subject.anchor(Decimal(10_560))
    subject.show({1: Figures(unrealized=Decimal(220)), 2: Figures(unrealized=Decimal(300))})
    assert subject.equity() == 10_520, "a loss counts in any case"


def test_what_a_shard_had_gained_unshown_when_the_venue_stated_the_equity_counts_once_for_its_next_owner() -> None:
    subject = shared()
    subject.show({0: Figures(), 1: Figures()})
    subject.anchor(Decimal(10_000) + GAIN)
    subject.attach(holding(0))
    assert subject.equity() == 10_000 + GAIN
    subject.show({1: Figures(realized=Decimal(-5))})
    subject.attach(holding(1))
    assert subject.equity() == 10_000 + GAIN - 5 + (GAIN + 5), "of what follows on what was shown since, all counts"


def test_without_others_a_shard_that_is_lost_is_not_counted_any_more() -> None:
    subject = account(holding(0), holding(1))
    subject.anchor(Decimal(50_000))
    subject.detach(1)
    assert subject.equity() == 50_000, "the venue has stated it"
    assert subject.exposure() == Decimal("0.1") * MARK


def test_shared_limits_are_held_by_what_the_shard_was_granted() -> None:
    subject = shared()
    config = build(TradingConfig, max_exposure_usd="10000", max_daily_loss_usd="100")
    state = ShardState(shard=0, config=config)
    subject.attach(state)
    context = subject.context(signal("buy", quantity="1"), state, T0)
    assert context.exposure is None
    assert context.exposure_room == 0
    assert context.day_pnl == 0
    assert context.account_unknown is None
    unknown = subject.context(signal("buy", quantity="1"), state, T0, unknown="the ledger is away")
    assert unknown.account_unknown == "the ledger is away"
    close = subject.context(signal("close"), state, T0, unknown="the ledger is away")
    assert (close.account_unknown, close.exposure_room) == (None, None)
