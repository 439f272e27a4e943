"""Made-up prices and rules for demonstrations."""

from decimal import Decimal
from itertools import pairwise

from tests.venue.paper.makers import D
from tradeengine.venue.paper.instruments import DEMO_INSTRUMENTS, default_instrument
from tradeengine.venue.paper.prices import PriceGenerator

START = {"BTCUSDT": D(60_000), "SOLUSDT": D(150)}


def made(seed: int, volatility: str = "0.001") -> PriceGenerator:
    return PriceGenerator(seed, DEMO_INSTRUMENTS, START, D(volatility))


def steps(generator: PriceGenerator, count: int) -> list[tuple[str, Decimal]]:
    return [quote for _ in range(count) for quote in generator.step()]


def test_the_seed_determines_the_prices() -> None:
    assert steps(made(7), 50) == steps(made(7), 50)
    assert steps(made(7), 50) != steps(made(8), 50)
    assert steps(made(7), 2) == [  # recorded once: no machine or version may give others
        ("BTCUSDT", D("59953.9")),
        ("SOLUSDT", D("149.67")),
        ("BTCUSDT", D("59972.7")),
        ("SOLUSDT", D("149.44")),
    ]


def test_every_symbol_with_a_start_price_moves_at_each_step_in_whole_ticks() -> None:
    ticks = {instrument.symbol: instrument.tick_size for instrument in DEMO_INSTRUMENTS}
    quotes = steps(made(1), 500)

    assert [symbol for symbol, _ in quotes] == ["BTCUSDT", "SOLUSDT"] * 500
    assert all(price > 0 and price % ticks[symbol] == 0 for symbol, price in quotes)


def test_the_steps_are_as_volatile_as_asked_for() -> None:
    path = [price for symbol, price in steps(made(3, "0.002"), 5000) if symbol == "BTCUSDT"]
    changes = [float(after / before - 1) for before, after in pairwise(path)]

    mean = sum(changes) / len(changes)
    deviation = (sum((change - mean) ** 2 for change in changes) / len(changes)) ** 0.5
    assert abs(deviation / 0.002 - 1) < 0.05
    assert abs(mean) < 0.0001


def test_a_price_never_falls_below_one_tick() -> None:
    quotes = steps(made(5, "0.9"), 300)

    assert min(price for symbol, price in quotes if symbol == "SOLUSDT") == D("0.01")


def test_rules_of_a_symbol_without_stated_ones() -> None:
    instrument = default_instrument("XYZUSDT")

    assert (instrument.tick_size, instrument.step_size, instrument.min_notional) == (D("0.01"), D("0.00001"), D(5))
    assert instrument.settle_asset == "USDT"


def test_rules_of_the_demonstration_are_consistent() -> None:
    for instrument in DEMO_INSTRUMENTS:
        for quantity in (instrument.min_quantity, instrument.max_quantity, instrument.market_max_quantity):
            assert instrument.floor_quantity(quantity) == quantity > 0
        assert instrument.round_price(instrument.min_price) == instrument.min_price < instrument.max_price
