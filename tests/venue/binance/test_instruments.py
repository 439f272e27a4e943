"""What the live ``exchangeInfo`` says: one odd listing among hundreds stops nobody."""

from typing import Any

import pytest

from tests.venue.paper.makers import D
from tradeengine.venue.binance.budget import Limits
from tradeengine.venue.binance.instruments import instruments_of, limits_of
from tradeengine.venue.binance.rows import Unreadable


def listing(symbol: str = "BTCUSDT", **changes: Any) -> dict[str, Any]:
    filters = [
        {"filterType": "PRICE_FILTER", "tickSize": "0.10"},
        {"filterType": "LOT_SIZE", "stepSize": "0.001"},
        {"filterType": "PERCENT_PRICE", "multiplierDown": "0.95", "multiplierUp": "1.05", "multiplierDecimal": "4"},
    ]
    return {"symbol": symbol, "contractType": "PERPETUAL", "status": "TRADING", "filters": filters} | changes


def test_rules_with_their_band() -> None:
    rules = instruments_of({"symbols": [listing()]})["BTCUSDT"]

    assert (rules.tick_size, rules.step_size) == (D("0.10"), D("0.001"))
    assert (rules.percent_up, rules.percent_down, rules.trading) == (D("1.05"), D("0.95"), True)


def test_a_symbol_that_does_not_trade_is_known_so_that_it_can_be_closed() -> None:
    found = instruments_of({"symbols": [listing(status="SETTLING"), listing("ETHUSDT")]})

    assert [(rules.symbol, rules.trading) for rules in found.values()] == [("BTCUSDT", False), ("ETHUSDT", True)]


@pytest.mark.parametrize(
    "odd",
    [
        listing("ODD", filters=[]),
        listing("ODD", filters=None),
        listing("ODD", filters=[{"filterType": "PRICE_FILTER", "tickSize": "0"}]),
        listing("ODD", contractType="CURRENT_QUARTER"),
        "text",
        None,
    ],
)
def test_an_odd_listing_is_left_out(odd: Any) -> None:
    assert list(instruments_of({"symbols": [odd, listing()]})) == ["BTCUSDT"]


@pytest.mark.parametrize("answer", [{}, [], None, {"symbols": None}, {"symbols": []}, {"symbols": ["text"]}])
def test_an_answer_without_any_rules_is_no_answer(answer: Any) -> None:
    with pytest.raises(Unreadable):
        instruments_of(answer)


def test_limits_are_the_exchanges_own() -> None:
    stated = [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
        {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 900},
        {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 1},
        {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 1},
    ]

    assert limits_of({"rateLimits": stated}) == Limits(6000, 100, 900)


@pytest.mark.parametrize("stated", [None, [], ["text"], [{"rateLimitType": "REQUEST_WEIGHT", "limit": "many"}]])
def test_limits_that_are_not_stated_keep_their_documented_value(stated: Any) -> None:
    assert limits_of({"rateLimits": stated}) == Limits(2400, 300, 1200)
