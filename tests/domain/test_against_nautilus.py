"""Position arithmetic against an independent engine: nautilus_trader's Position, which computes in doubles."""

import os
import random
from decimal import Decimal

import pytest
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model.currencies import BTC
from nautilus_trader.model.enums import CurrencyType, LiquiditySide, OrderSide, OrderType
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.identifiers import (
    AccountId,
    ClientOrderId,
    InstrumentId,
    PositionId,
    StrategyId,
    Symbol,
    TradeId,
    TraderId,
    VenueOrderId,
)
from nautilus_trader.model.instruments import CryptoPerpetual
from nautilus_trader.model.objects import Currency, Money, Price, Quantity
from nautilus_trader.model.position import Position

from contracts.enums import PositionSide
from tests.support.builders import LONG, SHORT, World, instrument, of_kind
from tradeengine.domain import events as ev
from tradeengine.domain.books import EMPTY, Books

LISTS = 10_000
TOLERANCE = Decimal("1e-8")
# Doubles lose digits in proportion to what flowed, not to what a gain and a loss leave of it.
OF_FLOW = Decimal("1e-12")
SIZE_DIGITS, PRICE_DIGITS = 3, 2

# Their money is rounded to its currency's digits after every fill: as many as they can hold keep that out of sight.
DOLLAR = Currency("USDX", precision=16, iso4217=0, name="USDX", currency_type=CurrencyType.CRYPTO)
PERPETUAL = CryptoPerpetual(
    instrument_id=InstrumentId.from_str("BTCUSDX-PERP.SIM"),
    raw_symbol=Symbol("BTCUSDX"),
    base_currency=BTC,
    quote_currency=DOLLAR,
    settlement_currency=DOLLAR,
    is_inverse=False,
    price_precision=PRICE_DIGITS,
    size_precision=SIZE_DIGITS,
    price_increment=Price(0.01, PRICE_DIGITS),
    size_increment=Quantity(0.001, SIZE_DIGITS),
    ts_event=0,
    ts_init=0,
)

Fill = tuple[bool, Decimal, Decimal, Decimal]
"""Whether it opens, quantity, price, fee."""


def fill_list(chance: random.Random) -> list[Fill]:
    """Opens, additions and reductions of one position that never flips; about half of them end flat."""
    fills: list[Fill] = []
    held = 0
    for _ in range(chance.randint(1, 12)):
        opening = not held or chance.random() < 0.5
        quantity = chance.randint(1, 10 ** chance.randint(1, 6)) if opening else chance.randint(1, held)
        held += quantity if opening else -quantity
        fills.append((opening, Decimal(quantity).scaleb(-SIZE_DIGITS), price_of(chance), fee_of(chance)))
        if not held:
            break
    if held and chance.random() < 0.5:
        fills.append((False, Decimal(held).scaleb(-SIZE_DIGITS), price_of(chance), fee_of(chance)))
    return fills


def price_of(chance: random.Random) -> Decimal:
    return Decimal(chance.randint(1, 10_000_000)).scaleb(-PRICE_DIGITS)


def fee_of(chance: random.Random) -> Decimal:
    return Decimal(chance.randint(-1_000, 100_000)).scaleb(-8)


def ours(side: PositionSide, fills: list[Fill]) -> Books:
    """Play the fills into a shard as trades that nobody asked for; the whole leg is then one position."""
    world = World(instrument(step_size="0.001"))
    books = EMPTY
    for opening, quantity, price, fee in fills:
        bought = side.opening if opening else side.closing
        (filled,) = of_kind(world.foreign(bought, side, quantity, price, fee=fee), ev.OrderFilled)
        (share,) = filled.shares
        assert share.after == filled.after, "the only holder's books are the leg's"
        books = filled.after
    return books


def theirs(side: PositionSide, fills: list[Fill]) -> Position:
    """Play the fills into a position of nautilus_trader."""
    position = None
    for number, (opening, quantity, price, fee) in enumerate(fills):
        bought = side.opening if opening else side.closing
        filled = OrderFilled(
            trader_id=TraderId("T-1"),
            strategy_id=StrategyId("S-1"),
            instrument_id=PERPETUAL.id,
            client_order_id=ClientOrderId(f"O-{number}"),
            venue_order_id=VenueOrderId(str(number)),
            account_id=AccountId("SIM-1"),
            trade_id=TradeId(str(number)),
            position_id=PositionId("P-1"),
            order_side=OrderSide[bought],
            order_type=OrderType.MARKET,
            last_qty=Quantity.from_str(str(quantity)),
            last_px=Price.from_str(str(price)),
            currency=DOLLAR,
            commission=Money(fee, DOLLAR),
            liquidity_side=LiquiditySide.TAKER,
            event_id=UUID4(),
            ts_event=number,
            ts_init=number,
        )
        if position is None:
            position = Position(PERPETUAL, filled)
        else:
            position.apply(filled)
    assert position is not None
    return position


@pytest.mark.parametrize("side", [LONG, SHORT])
def test_books_agree_with_nautilus_on_ten_thousand_fill_lists(side: PositionSide) -> None:
    seed = int(os.environ.get("FILL_LIST_SEED", random.SystemRandom().randrange(2**32)))
    print(f"FILL_LIST_SEED={seed}")
    chance = random.Random(seed)
    flat = 0
    for _ in range(LISTS):
        fills = fill_list(chance)
        mine, other = ours(side, fills), theirs(side, fills)
        mark = price_of(chance)
        allowed = OF_FLOW * sum(quantity * price for _, quantity, price, _ in fills)
        assert mine.quantity == other.quantity.as_decimal()
        assert abs(mine.realized - mine.fees - other.realized_pnl.as_decimal()) <= allowed
        if mine.quantity:
            assert abs(mine.entry_price - Decimal(other.avg_px_open)) <= TOLERANCE * mine.entry_price
            unrealized = other.unrealized_pnl(Price.from_str(str(mark))).as_decimal()
            assert abs(mine.unrealized(side, mark) - unrealized) <= allowed + OF_FLOW * mine.quantity * mark
        else:
            flat += 1
    assert LISTS / 5 < flat < LISTS * 4 / 5
