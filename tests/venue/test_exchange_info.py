"""Reading exchangeInfo: what a recorded answer gives, and what a broken one says."""

import json
from decimal import Decimal
from typing import Any

import pytest

from shared.errors import ConfigError
from tradeengine.domain.instrument import Instrument
from tradeengine.venue.exchange_info import read_instruments


def bitcoin(**changes: Any) -> dict[str, Any]:
    symbol = {
        "symbol": "BTCUSDT",
        "pair": "BTCUSDT",
        "contractType": "PERPETUAL",
        "status": "TRADING",
        "marginAsset": "USDT",
        "pricePrecision": 2,
        "quantityPrecision": 3,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "402", "maxPrice": "1246396.60", "tickSize": "0.10"},
            {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
            {"filterType": "MARKET_LOT_SIZE", "minQty": "0.002", "maxQty": "120", "stepSize": "0.001"},
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MIN_NOTIONAL", "notional": "10"},
            {"filterType": "PERCENT_PRICE", "multiplierDown": "0.5", "multiplierUp": "1.1", "multiplierDecimal": "4"},
        ],
    }
    return symbol | changes


def changed(filter_type: str, **fields: Any) -> dict[str, Any]:
    """The symbol with fields of one filter changed; ``None`` removes a field."""
    symbol = bitcoin()
    for item in symbol["filters"]:
        if item["filterType"] == filter_type:
            item.update(fields)
            for name in [name for name, value in fields.items() if value is None]:
                del item[name]
    return symbol


def without(*filter_types: str) -> dict[str, Any]:
    symbol = bitcoin()
    symbol["filters"] = [item for item in symbol["filters"] if item["filterType"] not in filter_types]
    return symbol


def of_steps(step: str) -> dict[str, Any]:
    symbol = bitcoin()
    for item in symbol["filters"]:
        if "stepSize" in item:
            item["stepSize"] = step
    return symbol


def answer(*symbols: Any) -> str:
    return json.dumps({"timezone": "UTC", "serverTime": 1565613908500, "symbols": symbols})


def test_a_recorded_answer() -> None:
    assert read_instruments(answer(bitcoin())) == {
        "BTCUSDT": Instrument(
            symbol="BTCUSDT",
            tick_size=Decimal("0.10"),
            step_size=Decimal("0.001"),
            min_quantity=Decimal("0.001"),
            max_quantity=Decimal(1000),
            market_min_quantity=Decimal("0.002"),
            market_max_quantity=Decimal(120),
            min_notional=Decimal(10),
            min_price=Decimal(402),
            max_price=Decimal("1246396.60"),
            settle_asset="USDT",
            percent_up=Decimal("1.1"),
            percent_down=Decimal("0.5"),
            trading=True,
        )
    }


def test_numbers_may_be_json_numbers_and_stay_exact() -> None:
    document = answer(bitcoin()).replace('"0.10"', "0.1000000000000000055511151231257827").replace('"10"', "1E1")

    instrument = read_instruments(document.encode())["BTCUSDT"]

    assert instrument.tick_size == Decimal("0.1000000000000000055511151231257827")
    assert instrument.min_notional == Decimal(10)


def test_what_is_not_stated_is_no_limit() -> None:
    instrument = read_instruments(answer(without("MARKET_LOT_SIZE", "MIN_NOTIONAL")))["BTCUSDT"]

    limits = (instrument.min_notional, instrument.market_min_quantity, instrument.market_max_quantity)
    assert limits == (Decimal(0), Decimal(0), Decimal(0))
    assert instrument.quantity_limits(market=True) == (Decimal("0.001"), Decimal(1000))


def test_the_coarser_step_holds() -> None:
    instrument = read_instruments(answer(changed("MARKET_LOT_SIZE", stepSize="0.01")))["BTCUSDT"]

    assert instrument.step_size == Decimal("0.01")


def test_symbols_that_do_not_trade_are_left_out() -> None:
    document = answer(bitcoin(), bitcoin(symbol="OLDUSDT", status="SETTLING", filters=[]), bitcoin(symbol="ETHUSDT"))

    assert list(read_instruments(document)) == ["BTCUSDT", "ETHUSDT"]


def test_the_settle_asset_is_the_margin_asset() -> None:
    assert read_instruments(answer(bitcoin(marginAsset="USDC")))["BTCUSDT"].settle_asset == "USDC"


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("{", "rules.json: not JSON"),
        (b"\xff\xfe\xfd", "rules.json: not JSON"),
        ("[" * 100_000, "rules.json: not JSON"),
        ("[]", "rules.json: no list of symbols"),
        ('{"symbols": {}}', "rules.json: no list of symbols"),
        (answer(), "rules.json: no list of symbols"),
        (answer("BTCUSDT"), r"symbols\[0\] has no symbol name"),
        (answer(bitcoin(), {"filters": []}), r"symbols\[1\] has no symbol name"),
        (answer(bitcoin(), bitcoin()), r"symbols\[1\]: BTCUSDT is listed twice"),
        (answer(bitcoin(status="BREAK")), "none of its 1 symbols has the status TRADING"),
        (answer(bitcoin(filters=None)), r"symbols\[0\] \(BTCUSDT\) has no list of filters"),
        (answer(without("LOT_SIZE")), r"\(BTCUSDT\) has no filter LOT_SIZE"),
        (answer(without("PRICE_FILTER")), r"\(BTCUSDT\) has no filter PRICE_FILTER"),
        (answer(changed("PRICE_FILTER", tickSize=None)), "PRICE_FILTER.tickSize is missing"),
        (answer(changed("PRICE_FILTER", tickSize="0")), "PRICE_FILTER.tickSize is 0"),
        (answer(of_steps("0.000")), "LOT_SIZE.stepSize is 0"),
        (answer(changed("LOT_SIZE", minQty="-1")), "LOT_SIZE.minQty is '-1'"),
        (answer(changed("LOT_SIZE", minQty="NaN")), "LOT_SIZE.minQty is 'NaN'"),
        (answer(changed("MIN_NOTIONAL", notional="five")), "MIN_NOTIONAL.notional is 'five'"),
        (answer(changed("MIN_NOTIONAL", notional=True)), "MIN_NOTIONAL.notional is True"),
        (answer(changed("MIN_NOTIONAL", notional=[5])), "MIN_NOTIONAL.notional is"),
        (answer(changed("PRICE_FILTER", maxPrice=float("inf"))), "PRICE_FILTER.maxPrice is inf"),
    ],
)
def test_a_broken_answer_says_where_and_what(document: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_instruments(document, "rules.json")
