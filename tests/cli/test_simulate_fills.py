"""When orders fill in a simulation, and at which price; every number is computed by hand."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.simulating import BTC, ETH, D, Market, Row, buy, close, flat, hourly, sell

SIDE: dict[str, Callable[..., Row]] = {"LONG": buy, "SHORT": sell}

# ---------------------------------------------------------------- market orders


@pytest.mark.parametrize(
    ("sent", "filled", "price"),
    [
        ("00:00:00", "01:00", "110"),
        ("00:59:59.999", "01:00", "110"),
        ("01:00:00", "01:00", "110"),
        ("01:00:00.000001", "02:00", "120"),
        ("01:00:00.001", "02:00", "120"),
        ("01:30:00", "02:00", "120"),
    ],
)
def test_a_market_order_fills_at_the_open_of_the_first_bar_that_starts_at_or_after_it(
    tmp_path: Path, sent: str, filled: str, price: str
) -> None:
    bars = hourly("110 115 105 112", "120 125 115 122", "130 131 129 130", start=1)

    outcome = Market(tmp_path, {BTC: bars}, [buy(sent, "2")]).run()

    assert outcome.trades() == [(filled, "BUY", D(price), D(2))]
    assert outcome.decisions == [(f"A-buy-{sent}", "accepted", None)]


def test_a_market_order_waits_over_missing_bars_of_its_symbol_and_ignores_those_of_others(tmp_path: Path) -> None:
    prices = {BTC: hourly("100 100 100 100", "", "", "130 130 130 130"), ETH: flat("10", "11", "12", "13")}

    outcome = Market(tmp_path, prices, [buy("00:10"), buy("00:10", "5", symbol=ETH, signal_id="eth")]).run()

    assert outcome.trades(symbol=BTC) == [("03:00", "BUY", D(130), D(1))]
    assert outcome.trades(symbol=ETH) == [("01:00", "BUY", D(11), D(5))]


def test_slippage_moves_every_market_order_against_itself(tmp_path: Path) -> None:
    signals = [buy("00:00"), close("01:00"), sell("02:00"), close("03:00")]

    outcome = Market(tmp_path, {BTC: flat("100", "110", "120", "90")}, signals).run("--slippage-bps", "25")

    # 25 bp: 100 × 1.0025, 110 × 0.9975, 120 × 0.9975, 90 × 1.0025
    assert outcome.fills("side", "position_side", "price", "realized_pnl") == [
        ("BUY", "LONG", D("100.25"), D(0)),
        ("SELL", "LONG", D("109.725"), D("9.475")),
        ("SELL", "SHORT", D("119.7"), D(0)),
        ("BUY", "SHORT", D("90.225"), D("29.475")),
    ]
    assert outcome.totals["realized_pnl"] == D("38.95")


def test_fees_are_price_times_quantity_times_rate_unrounded(tmp_path: Path) -> None:
    bars = hourly("33333.33 33333.33 33333.33 33333.33", "33333.33 33400 27777.77 30000")
    signals = [buy("00:00", "0.00123"), buy("00:30", "0.00321", "B", order_type="limit", price="29999.99")]
    market = Market(tmp_path, {BTC: bars}, signals, fees=("--taker-fee", "0.000417", "--maker-fee", "0.000123"))

    outcome = market.run()

    # taker 33333.33 × 0.00123 × 0.000417, maker 29999.99 × 0.00321 × 0.000123
    assert outcome.fills("strategy_id", "fee") == [("A", D("0.0170969982903")), ("B", D("0.0118448960517"))]
    assert outcome.totals["fees"] == D("0.028941894342")


def test_a_maker_rebate_is_a_negative_fee(tmp_path: Path) -> None:
    bars = hourly("100 100 95 100", "100 100 95 100")
    signals = [buy("00:00", "10", order_type="limit", price="96")]

    outcome = Market(tmp_path, {BTC: bars}, signals, fees=("--taker-fee", "0.0005", "--maker-fee", "-0.0001")).run()

    assert outcome.fills("price", "fee") == [(D(96), D("-0.096"))]
    assert outcome.totals["equity"] == D("10040.096")


# ---------------------------------------------------------------- limit orders


@pytest.mark.parametrize(
    ("side", "limit", "bars", "fill"),
    [
        ("LONG", "95", ["100 101 96 98", "98 99 94 97"], ("01:00", "95")),
        ("LONG", "95", ["100 101 96 98", "93 99 90 97"], ("01:00", "93")),
        ("LONG", "105", ["100 101 96 98", "98 99 94 97"], ("00:00", "100")),
        ("SHORT", "105", ["100 104 96 98", "98 107 94 97"], ("01:00", "105")),
        ("SHORT", "105", ["100 104 96 98", "108 109 100 101"], ("01:00", "108")),
        ("SHORT", "95", ["100 104 96 98", "108 109 100 101"], ("00:00", "100")),
        ("LONG", "90", ["100 101 96 98", "98 99 94 97"], None),
        ("SHORT", "110", ["100 101 96 98", "98 99 94 97"], None),
    ],
    ids=["low", "open-below", "open-at-once", "high", "open-above", "sold-at-once", "never-low", "never-high"],
)
def test_a_limit_order_fills_at_its_price_or_at_a_better_open(
    tmp_path: Path, side: str, limit: str, bars: list[str], fill: tuple[str, str] | None
) -> None:
    signals = [SIDE[side]("00:00", order_type="limit", price=limit, signal_id="s")]

    outcome = Market(tmp_path, {BTC: hourly(*bars)}, signals).run("--slippage-bps", "50")

    if fill is None:
        assert outcome.trades() == []
        assert outcome.row("orders")["status"] == "open"
        assert outcome.document["strategy_positions"] == outcome.document["exchange_positions"] == []
        assert outcome.totals["equity"] == D(10_000)
    else:
        time, price = fill
        assert outcome.fills("time", "price", "fee", "maker") == [(time, D(price), D(price) * D("0.0002"), True)]


def test_a_limit_order_sees_only_bars_that_start_at_or_after_it(tmp_path: Path) -> None:
    bars = hourly("100 100 80 100", "100 100 97 100", "100 100 94 100")

    outcome = Market(tmp_path, {BTC: bars}, [buy("00:30", order_type="limit", target_price="95")]).run()

    assert outcome.trades() == [("02:00", "BUY", D(95), D(1))]


@pytest.mark.parametrize(
    ("fields", "bars", "fill"),
    [
        ({"conditional_price": "110", "conditional_direction": "above"}, "105 112 104 111", ("01:00", "110")),
        ({"conditional_price": "110", "conditional_direction": "above"}, "115 116 114 115", ("01:00", "115")),
        ({"conditional_price": "90", "conditional_direction": "below"}, "95 96 89 92", ("01:00", "90")),
        ({"order_type": "stop", "conditional_price": "110"}, "105 112 104 111", ("01:00", "110")),
        ({"order_type": "take_profit", "conditional_price": "90"}, "95 96 89 92", ("01:00", "90")),
        ({"conditional_price": "110", "conditional_direction": "above"}, "105 109.99 104 107", None),
    ],
)
def test_a_conditional_entry_fills_at_its_trigger_or_at_an_open_beyond_it(
    tmp_path: Path, fields: Row, bars: str, fill: tuple[str, str] | None
) -> None:
    outcome = Market(tmp_path, {BTC: hourly("100 101 99 100", bars)}, [buy("00:00", **fields)]).run()

    assert outcome.fills("time", "price") == ([] if fill is None else [(fill[0], D(fill[1]))])


def test_a_conditional_entry_that_times_out_never_fills(tmp_path: Path) -> None:
    terms: Row = {"conditional_price": "110", "conditional_direction": "above", "conditional_timeout": 3600}

    outcome = Market(tmp_path, {BTC: flat("100", "111")}, [buy("00:00", **terms)]).run()

    assert outcome.trades() == []
    assert outcome.row("orders")["status"] == "cancelled"


# ---------------------------------------------------------------- stops and targets


def protected(tmp_path: Path, side: str, second: str) -> Market:
    """One unit bought or sold at 100, with a stop 5 and a target 10 away, and a second bar."""
    absolute = {"LONG": ("95", "110"), "SHORT": ("105", "90")}[side]
    terms = {"stop_loss": absolute[0], "take_profit": absolute[1]}
    return Market(tmp_path, {BTC: hourly("100 101 99 100", second)}, [SIDE[side]("00:00", signal_id="s", **terms)])


@pytest.mark.parametrize(
    ("side", "bar", "price", "realized", "reason"),
    [
        ("LONG", "99 100 94 98", "95", "-5", "stop_loss"),
        ("LONG", "99 100 95 98", "95", "-5", "stop_loss"),
        ("LONG", "92 93 91 92", "92", "-8", "stop_loss"),
        ("LONG", "101 111 100 105", "110", "10", "take_profit"),
        ("LONG", "115 116 114 115", "115", "15", "take_profit"),
        ("LONG", "101 112 93 105", "95", "-5", "stop_loss"),
        ("SHORT", "101 106 100 102", "105", "-5", "stop_loss"),
        ("SHORT", "108 109 107 108", "108", "-8", "stop_loss"),
        ("SHORT", "99 100 89 95", "90", "10", "take_profit"),
        ("SHORT", "85 86 84 85", "85", "15", "take_profit"),
        ("SHORT", "99 107 88 95", "105", "-5", "stop_loss"),
    ],
)
def test_a_stop_or_target_fills_at_its_trigger_or_at_the_open_beyond_it_and_the_stop_comes_first(
    tmp_path: Path, side: str, bar: str, price: str, realized: str, reason: str
) -> None:
    outcome = protected(tmp_path, side, bar).run()

    closing = {"LONG": "SELL", "SHORT": "BUY"}[side]
    assert outcome.fills("time", "side", "price", "qty", "fee", "realized_pnl", "close_reason")[1:] == [
        ("01:00", closing, D(price), D(1), D(price) * D("0.0005"), D(realized), reason)
    ]
    position = outcome.row("strategy_positions")
    assert (position["status"], position["close_reason"], position["exit_price"]) == ("closed", reason, price)
    assert {o["status"] for o in outcome.document["orders"] if o["purpose"] != "open"} == {"filled", "cancelled"}
    assert outcome.row("exchange_positions")["current_quantity"] == "0"


@pytest.mark.parametrize(("side", "bar"), [("LONG", "99 109.99 95.01 98"), ("SHORT", "99 104.99 90.01 98")])
def test_neither_stop_nor_target_fills_short_of_its_trigger(tmp_path: Path, side: str, bar: str) -> None:
    outcome = protected(tmp_path, side, bar).run()

    assert len(outcome.trades()) == 1
    assert {o["status"] for o in outcome.document["orders"] if o["purpose"] != "open"} == {"open"}


def test_slippage_does_not_move_stops_and_targets(tmp_path: Path) -> None:
    assert protected(tmp_path, "LONG", "99 100 94 98").run("--slippage-bps", "50").trades()[1:] == [
        ("01:00", "SELL", D(95), D(1))
    ]


def test_the_bar_of_the_entry_can_stop_it_out(tmp_path: Path) -> None:
    market = Market(tmp_path, {BTC: hourly("100 101 94 100", "100 100 100 100")}, [buy("00:00", stop_loss="95")])

    assert market.run().trades() == [("00:00", "BUY", D(100), D(1)), ("00:00", "SELL", D(95), D(1))]


@pytest.mark.parametrize(
    ("side", "bps", "entry", "stop", "target"),
    [
        ("LONG", "0", "100", "98", "105"),
        ("LONG", "100", "101", "98.98", "106.05"),
        ("SHORT", "100", "99", "100.98", "94.05"),
        ("LONG", "3", "100.03", "98.03", "105.03"),
    ],
)
def test_percentages_count_from_the_price_that_was_really_filled_and_meet_the_tick(
    tmp_path: Path, side: str, bps: str, entry: str, stop: str, target: str
) -> None:
    signals = [SIDE[side]("00:00", stop_loss_pct="0.02", take_profit_pct="0.05", price="500")]

    outcome = Market(tmp_path, {BTC: flat("100", "100")}, signals).run("--slippage-bps", bps)

    # 3 bp: 100.03 × 0.98 = 98.0294 and 100.03 × 1.05 = 105.0315, to the nearest 0.01
    position = outcome.row("strategy_positions")
    assert (position["entry_price"], position["stop_loss_price"], position["take_profit_price"]) == (
        entry,
        stop,
        target,
    )


def test_an_addition_moves_percentages_to_the_new_average_and_the_orders_to_the_new_quantity(tmp_path: Path) -> None:
    signals = [buy("00:00", "1", stop_loss_pct="0.1"), buy("01:00", "3", stop_loss_pct="0.1")]

    outcome = Market(tmp_path, {BTC: flat("100", "120", "120", "90")}, signals).run()

    # average (100 + 3 × 120) / 4 = 115, stop 103.5, gapped to 90
    assert outcome.row("orders", purpose="stop_loss", status="filled")["trigger_price"] == "103.5"
    assert outcome.fills("time", "price", "qty", "realized_pnl")[2:] == [("03:00", D(90), D(4), D(-100))]


def test_stops_of_several_strategies_on_one_leg_take_only_their_own_share(tmp_path: Path) -> None:
    bars = hourly("100 100 100 100", "98 98 92 97", "97 97 85 86", "86 86 86 86")
    signals = [
        buy("00:00", "1", "A", stop_loss="95"),
        buy("00:00", "2", "B", stop_loss="90"),
        buy("00:00", "4", "C", stop_loss="88"),
        buy("00:00", "8", "D"),
    ]

    outcome = Market(tmp_path, {BTC: bars}, signals).run()

    assert sorted(outcome.fills("time", "strategy_id", "price", "qty", "realized_pnl", side="SELL")) == [
        ("01:00", "A", D(95), D(1), D(-5)),
        ("02:00", "B", D(90), D(2), D(-20)),
        ("02:00", "C", D(88), D(4), D(-48)),
    ]
    assert outcome.row("exchange_positions")["current_quantity"] == "8"
    assert outcome.totals["unrealized_pnl"] == D(8 * (86 - 100))


def test_a_stop_takes_what_half_a_close_has_left(tmp_path: Path) -> None:
    signals = [buy("00:00", "2", stop_loss="95", take_profit="110"), close("01:00", quantity="0.5")]

    outcome = Market(tmp_path, {BTC: flat("100", "104", "104", "90")}, signals).run()

    assert outcome.fills("time", "side", "price", "qty", "realized_pnl") == [
        ("00:00", "BUY", D(100), D(2), D(0)),
        ("01:00", "SELL", D(104), D("0.5"), D(2)),
        ("03:00", "SELL", D(90), D("1.5"), D(-15)),
    ]
