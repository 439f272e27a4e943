"""Random order flow through the real client: after every step the engine's books equal the exchange's account."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import TypeVar

import pytest
from hypothesis import settings

from contracts.enums import PositionSide
from tests.campaigns.campaign import Campaign, campaign
from tests.campaigns.equality import differences
from tests.campaigns.exchange import Account, Row
from tests.campaigns.play import Compared
from tests.campaigns.steps import AtOnce, ByHand, Close, Enter, Example, Funding, Mark, Restart, Wait
from tests.campaigns.troubles import TROUBLES, Trouble

STEPS = 12
TRADE = {"event": "ORDER_TRADE_UPDATE", "x": "TRADE"}
LEG = ("BTCUSDT", PositionSide.LONG)
Key = TypeVar("Key")
BOTH = {"stop_loss_pct": "0.01", "take_profit_pct": "0.02"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_books_equal_the_account_after_every_step() -> None:
    """The short form: 25 examples of a full run; ``make campaign`` plays 2,000 of 30 steps."""
    with campaign() as made:
        made.run(max(settings().max_examples // 8, 2), STEPS)
        assert made.done["OrderFilled"] > 0


def enter(strategy: str, lots: int, *, entry: dict[str, str] | None = None, offset: int = 0) -> Enter:
    return Enter("buy", strategy, "BTCUSDT", lots, entry or {}, BOTH, offset)


def example(*steps: AtOnce | Enter | Close | Mark | ByHand | Funding | Wait | Trouble | Restart) -> Example:
    return Example({"STOP_LOSS_PCT": "0.02"}, {}, list(steps))


HELD = example(
    AtOnce((enter("A", 3), enter("B", 5))),
    enter("C", 2, entry={"order_type": "limit"}, offset=-50),
    Mark("BTCUSDT", 7),
    Close(0, None, 1),
    Funding("BTCUSDT", "-0.000375"),
    Wait(6.0),
)
"""Three strategies on a leg: two hold, one has taken a part off, one waits for its price; funding was paid."""


CROSSED = example(
    enter("A", 3),
    Mark("BTCUSDT", 40),
    next(t for t in TROUBLES if t.fault == {"match": TRADE, "effect": {"delay_event_ms": 700}, "times": 1}),
    AtOnce((enter("B", 5), Close(0, None, 1))),
    Mark("BTCUSDT", 55),
    Close(0, None, 1),
)
"""The books hear late of what B bought, and before that of what A gave up after it."""


def without_first(rows: dict[Key, Row]) -> dict[Key, Row]:
    return dict(list(rows.items())[1:])


def other(rows: dict[str, Row], **changes: str) -> dict[str, Row]:
    name, row = next(iter(rows.items()))
    return {**rows, name: row | changes}


def trade(account: Account, **changes: str) -> Account:
    key, row = list(account.trades.items())[-1]
    return replace(account, trades={**account.trades, key: row | changes})


def income(account: Account, kind: str, amount: str) -> Account:
    row = {"incomeType": kind, "symbol": "BTCUSDT", "income": amount}
    return replace(account, income=[*account.income, row])


UNTRUE: dict[str, tuple[Callable[[Account], Account], str]] = {
    "one step more is held": (
        lambda a: replace(a, legs={LEG: (a.legs[LEG][0] + Decimal("0.001"), a.legs[LEG][1])}),
        "the exchange holds",
    ),
    "nothing is held": (lambda a: replace(a, legs={}), "the exchange holds 0"),
    "another leg is held": (
        lambda a: replace(a, legs={**a.legs, ("ETHUSDT", PositionSide.SHORT): (Decimal(1), Decimal(3000))}),
        "the exchange holds 1",
    ),
    "the entry price is another in the tenth digit": (
        lambda a: replace(a, legs={LEG: (a.legs[LEG][0], a.legs[LEG][1] * (1 + Decimal("2e-9")))}),
        "entry price",
    ),
    "a trade is missing": (lambda a: replace(a, trades=without_first(a.trades)), "known to the books only"),
    "a trade is not booked": (
        lambda a: replace(a, trades={**a.trades, ("BTCUSDT", "0"): next(iter(a.trades.values()))}),
        "known to the exchange only",
    ),
    "a trade had another price": (lambda a: trade(a, price="1"), "booked as"),
    "a trade had another fee in the last digit": (lambda a: trade(a, commission="0.07504486"), "commission"),
    "a trade realised other than the cut explains": (lambda a: trade(a, realizedPnl="0.04000002"), "realised"),
    "commission was paid": (lambda a: income(a, "COMMISSION", "-0.00000001"), "commission and funding"),
    "funding was paid": (lambda a: income(a, "FUNDING_FEE", "0.00000001"), "commission and funding"),
    "profit was made": (lambda a: income(a, "REALIZED_PNL", "0.00000001"), "wallet"),
    "the wallet holds more": (lambda a: replace(a, wallet=a.wallet + Decimal("0.00000001")), "wallet"),
    "a stop is missing": (lambda a: replace(a, conditional=without_first(a.conditional)), "known to the books only"),
    "a stop is too small": (lambda a: replace(a, conditional=other(a.conditional, quantity="0.001")), "rests for"),
    "a stop lies elsewhere": (lambda a: replace(a, conditional=other(a.conditional, triggerPrice="1")), "planned as"),
    "a stop is an orphan": (
        lambda a: replace(a, conditional={**a.conditional, "te-x": next(iter(a.conditional.values()))}),
        "conditional order te-x is known to the exchange only",
    ),
    "an entry is missing": (lambda a: replace(a, resting={}), "known to the books only"),
}


@pytest.fixture(scope="module")
def made() -> Iterator[Campaign]:
    with campaign() as started:
        yield started


@pytest.fixture(scope="module")
def held(made: Campaign) -> Compared:
    player = made.play(HELD)
    assert player.compared is not None
    return player.compared


@pytest.mark.parametrize("name", UNTRUE)
def test_whatever_is_not_equal_is_told(held: Compared, name: str) -> None:
    states, ledger, account = held
    assert differences(states, ledger, account) == []
    change, text = UNTRUE[name]
    told = differences(states, ledger, change(account))
    assert any(text in line for line in told), told


def test_a_leg_whose_fills_were_told_in_another_order_comes_back_to_the_exchanges_average(made: Campaign) -> None:
    before = made.done["LegRevalued"], made.done["positions, told out of order"]
    made.play(CROSSED)
    assert (made.done["LegRevalued"], made.done["positions, told out of order"]) == (before[0] + 1, before[1] + 1)
