"""The account: exact figures at a price that does not grow with the number of positions."""

from collections.abc import ValuesView
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given, settings

from contracts.signal import Signal
from tests.support.builders import T0, World, build
from tests.support.records import Move, RecordedWorld, histories, play
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.money import MONEY, ZERO
from tradeengine.domain.position import StrategyPosition
from tradeengine.domain.state import ShardState
from tradeengine.runtime.account import Account

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
    context = account(World().state).context(signal(action, **fields), build(TradingConfig, **config), T0)
    assert {name for name in ALL if getattr(context, name) is not None} == known
    assert context.mark_price == MARK


def test_the_peak_is_the_highest_that_any_shard_has_seen() -> None:
    first, second = ShardState(shard=0, peak_equity=Decimal(11_000)), ShardState(shard=1)
    assert account(second, first).peak_equity() == 11_000
