"""The orders that the core and its reference both work through."""

import random
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

STRATEGIES = tuple(f"strategy-{number:02}" for number in range(20))
SYMBOLS = tuple(f"S{number:02}USDT" for number in range(50))

TICK = Decimal("0.1")
STEP = Decimal("0.001")
QUANTITY = Decimal("0.010")
FEE_RATE = Decimal("0.0005")


class Trade(NamedTuple):
    """One market order that fills at once and as a whole.

    Parameters
    ----------
    opening
        Whether it opens or adds :data:`QUANTITY`; otherwise it closes all that the strategy holds on the symbol.
    long
        Side of the position.
    """

    strategy: str
    symbol: str
    opening: bool
    long: bool
    price: Decimal


def trades(count: int, seed: int, strategies: Sequence[str] = STRATEGIES) -> list[Trade]:
    """Orders of strategies on 50 symbols: who is flat opens long or short, who holds adds or closes, evenly."""
    draw = random.Random(seed)
    held: dict[tuple[str, str], bool] = {}
    made = []
    for _ in range(count):
        key = (draw.choice(strategies), draw.choice(SYMBOLS))
        price = draw.randrange(400_000, 410_000) * TICK
        opening = key not in held or draw.random() < 0.5
        long = held.setdefault(key, draw.random() < 0.5)
        if not opening:
            del held[key]
        made.append(Trade(*key, opening, long, price))
    return made
