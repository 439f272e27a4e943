from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from contracts.enums import Action, Strength
from contracts.signal import Signal
from contracts.values import to_millis
from shared.errors import ConfigError
from tests.support.builders import LONG, SHORT, T0, World
from tradeengine.runtime.demo.presets import BAR_STRATEGIES, bar_strategy, tick_strategies
from tradeengine.runtime.demo.strategies import Breakout, MeanReversion, MovingAverageCross, Strategy
from tradeengine.runtime.demo.writer import Document, SignalWriter
from tradeengine.venue.paper.instruments import DEMO_INSTRUMENTS
from tradeengine.venue.paper.prices import PriceGenerator

SECOND = 1000


def writer(**fields: Any) -> SignalWriter:
    given: dict[str, Any] = {
        "quote_quantity": Decimal(1000),
        "confidence": Decimal("0.75"),
        "strength": Strength.MEDIUM,
        "timeframe": "1h",
    }
    return SignalWriter("S", **{**given, **fields})


def hear(strategy: Strategy, prices: str, symbol: str = "BTCUSDT", start: int = 0) -> list[Document]:
    """Tell a strategy prices, a second apart."""
    heard = [(T0 + (start + n) * SECOND, Decimal(price)) for n, price in enumerate(prices.split())]
    return [document for time_ms, price in heard for document in strategy.on_price(symbol, price, time_ms)]


def brief(documents: Sequence[Document]) -> list[tuple[str, str, int]]:
    """What each signal asks for, and on which price it was."""
    signals = [Signal.from_document(document) for document in documents]
    return [
        (signal.action, str(signal.position_side), (to_millis(signal.timestamp) - T0) // SECOND) for signal in signals
    ]


def cross() -> MovingAverageCross:
    return MovingAverageCross(writer(stop_loss_pct=Decimal("0.05")), fast=2, slow=4)


def reversion() -> MeanReversion:
    return MeanReversion(writer(), window=5, entry_deviations=Decimal("1.5"))


def breakout() -> Breakout:
    return Breakout(writer(stop_loss_pct=Decimal("0.02"), take_profit_pct=Decimal("0.04")), bars=3)


# ---------------------------------------------------------------- moving averages


def test_a_cross_opens_its_side_and_the_next_one_turns_it_round() -> None:
    assert brief(hear(cross(), "10 9 8 7  9 11 12  8 5 4")) == [
        ("buy", "LONG", 5),
        ("close", "LONG", 8),
        ("sell", "SHORT", 8),
    ]


def test_a_trend_that_was_there_at_the_start_is_no_cross() -> None:
    assert hear(cross(), "1 2 3 4 5 6 7 8 9") == []


def test_averages_that_only_touch_are_no_cross() -> None:
    rising_flat_rising = "1 2 3 4  4 4 4 4 4  5 6"

    assert hear(cross(), rising_flat_rising) == []


# ---------------------------------------------------------------- mean reversion


def test_a_price_far_from_the_mean_is_bet_against_until_it_is_back() -> None:
    assert brief(hear(reversion(), "100 101 100 99  90  92 100  99 101 100 100 110  100")) == [
        ("buy", "LONG", 4),
        ("close", "LONG", 6),
        ("sell", "SHORT", 11),
        ("close", "SHORT", 12),
    ]


def test_an_entry_needs_the_whole_deviation() -> None:
    # of 0 0 0 0 1 the last is exactly two standard deviations from the mean
    exactly, nearly = (MeanReversion(writer(), window=5, entry_deviations=Decimal(d)) for d in ("2", "2.0001"))

    assert brief(hear(exactly, "7 7 7 7 8")) == [("sell", "SHORT", 4)]
    assert hear(nearly, "7 7 7 7 8") == []


def test_prices_that_stand_still_are_not_far_from_their_mean() -> None:
    assert hear(reversion(), "5 5 5 5 5 5 5 5") == []


# ---------------------------------------------------------------- breakouts of a range


def test_a_break_is_followed_once_and_reversed_by_the_opposite_one() -> None:
    assert brief(hear(breakout(), "5 6 5  7 8 9  8  5 4")) == [
        ("buy", "LONG", 3),
        ("close", "LONG", 7),
        ("sell", "SHORT", 7),
    ]


def test_the_edge_of_the_range_is_no_break() -> None:
    assert hear(breakout(), "5 6 4  6 4 6 4") == []


def test_a_breakout_asks_for_stop_and_target_and_its_close_for_neither() -> None:
    buy, close, _ = [Signal.from_document(document) for document in hear(breakout(), "5 6 5 7 4")]

    assert (buy.stop_loss_pct, buy.take_profit_pct) == (Decimal("0.02"), Decimal("0.04"))
    assert (buy.quote_quantity, buy.current_price, buy.strength) == (Decimal(1000), Decimal(7), Strength.MEDIUM)
    assert (close.action, close.stop_loss_pct, close.take_profit_pct) == (Action.CLOSE, None, None)
    assert (close.quote_quantity, close.quantity) == (None, None), "a close takes all"


# ---------------------------------------------------------------- all of them


def wander(rounds: int, volatility: str, seed: int = 1) -> str:
    """Prices of BTCUSDT that go their random way."""
    generator = PriceGenerator(seed, DEMO_INSTRUMENTS, {"BTCUSDT": Decimal(45_000)}, Decimal(volatility))
    return " ".join(str(price) for _ in range(rounds) for _, price in generator.step())


@pytest.mark.parametrize("make", BAR_STRATEGIES.values(), ids=BAR_STRATEGIES)
def test_the_same_prices_make_the_same_signals_and_every_one_is_valid(make: Any) -> None:
    prices = wander(1000, "0.005")
    first = hear(make(), prices)

    assert {document["action"] for document in first} == {"buy", "sell", "close"}
    assert hear(make(), prices) == first
    assert [Signal.from_document(document).unknown for document in first] == [{}] * len(first)
    ids = [document["signal_id"] for document in first]
    assert len(set(ids)) == len(ids)
    assert not [value for document in first for value in document.values() if not isinstance(value, str)]


def test_symbols_do_not_disturb_each_other() -> None:
    strategy = cross()
    both: list[Document] = []
    for n, price in enumerate((10, 9, 8, 7, 9, 11, 12, 8, 5, 4)):
        both += hear(strategy, str(price), "BTCUSDT", n) + hear(strategy, "50", "ETHUSDT", n)

    assert both == hear(cross(), "10 9 8 7 9 11 12 8 5 4")


def test_a_signal_id_tells_strategy_symbol_number_and_time() -> None:
    documents = hear(cross(), "10 9 8 7  9 11 12  8 5 4")

    assert [document["signal_id"] for document in documents] == [
        f"S-BTCUSDT-1-{T0 + 5 * SECOND}",
        f"S-BTCUSDT-2-{T0 + 8 * SECOND}",
        f"S-BTCUSDT-3-{T0 + 8 * SECOND}",
    ]
    assert documents[0]["rationale"] == "fast average 10 crossed above 8.75"


def test_a_strategy_that_starts_again_goes_on_with_what_it_holds() -> None:
    again = Breakout(writer(held={"BTCUSDT": LONG}), bars=3)

    assert brief(hear(again, "5 6 5  7  4")) == [("close", "LONG", 4), ("sell", "SHORT", 4)]


def test_the_demonstration_finds_what_its_strategies_hold() -> None:
    world = World()
    world.trade("sell", "breakout", "100", "1")
    world.trade("buy", "somebody-else", "100", "1")
    world.trade("buy", "moving-average", "100", "1")
    world.order("close", "moving-average")
    strategies = tick_strategies(world.state.legs.values())

    held = {strategy._writer.strategy_id: strategy._writer.side("BTCUSDT") for strategy in strategies}  # type: ignore[attr-defined]

    assert held == {"moving-average": None, "mean-reversion": None, "breakout": SHORT}


@pytest.mark.parametrize("seed", range(5))
def test_every_strategy_of_the_demonstration_trades_within_a_minute(seed: int) -> None:
    prices = wander(60, "0.0005", seed)

    assert [strategy for strategy in tick_strategies() if not hear(strategy, prices)] == []


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: MovingAverageCross(writer(), fast=4, slow=4), "fast is 4 and slow 4"),
        (lambda: MovingAverageCross(writer(), fast=0, slow=4), "fast is 0"),
        (lambda: MeanReversion(writer(), window=1, entry_deviations=Decimal(2)), "window is 1"),
        (lambda: MeanReversion(writer(), window=9, entry_deviations=Decimal(0)), "entry_deviations 0"),
        (lambda: Breakout(writer(), bars=0), "bars is 0"),
    ],
)
def test_parameters_without_sense_are_refused(make: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


def test_an_unknown_strategy_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="'martingale'; choose one of moving-average, mean-reversion, breakout"):
        bar_strategy("martingale")


def test_the_side_is_forgotten_after_leaving() -> None:
    book = writer()
    book.enter("BTCUSDT", LONG, Decimal(5), T0, "")

    assert book.side("BTCUSDT") is LONG
    assert brief(book.leave("BTCUSDT", Decimal(5), T0, "")) == [("close", "LONG", 0)]
    assert book.leave("BTCUSDT", Decimal(5), T0, "") == []
    assert book.side("BTCUSDT") is None
