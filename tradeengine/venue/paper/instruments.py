"""Trading rules for when no exchange states any."""

from decimal import Decimal

from tradeengine.domain.instrument import Instrument


def default_instrument(symbol: str) -> Instrument:
    """Rules that hold for a symbol without stated ones: tick 0.01, step 0.00001, least notional 5."""
    return Instrument(symbol=symbol, tick_size=Decimal("0.01"), step_size=Decimal("0.00001"), min_notional=Decimal(5))


DEMO_INSTRUMENTS = (
    Instrument(
        symbol="BTCUSDT",
        tick_size=Decimal("0.1"),
        step_size=Decimal("0.001"),
        min_quantity=Decimal("0.001"),
        max_quantity=Decimal(1000),
        market_min_quantity=Decimal("0.001"),
        market_max_quantity=Decimal(120),
        min_notional=Decimal(5),
        min_price=Decimal("556.8"),
        max_price=Decimal(4_529_764),
    ),
    Instrument(
        symbol="ETHUSDT",
        tick_size=Decimal("0.01"),
        step_size=Decimal("0.001"),
        min_quantity=Decimal("0.001"),
        max_quantity=Decimal(10_000),
        market_min_quantity=Decimal("0.001"),
        market_max_quantity=Decimal(2000),
        min_notional=Decimal(5),
        min_price=Decimal("39.86"),
        max_price=Decimal(306_177),
    ),
    Instrument(
        symbol="SOLUSDT",
        tick_size=Decimal("0.01"),
        step_size=Decimal("0.01"),
        min_quantity=Decimal("0.01"),
        max_quantity=Decimal(1_000_000),
        market_min_quantity=Decimal("0.01"),
        market_max_quantity=Decimal(5000),
        min_notional=Decimal(5),
        min_price=Decimal("0.42"),
        max_price=Decimal(6857),
    ),
)
"""Rules as they hold on the exchange for the symbols of the demonstration, limits rounded; least notional 5."""
