"""What becomes of each signal of a simulation: refusals, sizes, trading rules, order of time."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.simulating import BTC, ETH, D, Market, Row, buy, close, flat, hourly, sell, signal

CALM = {BTC: flat("100", "100", "100", "100")}

# ---------------------------------------------------------------- outcomes and reasons


@pytest.mark.parametrize(
    ("sent", "outcome", "reason"),
    [
        (signal("01:00", "hold"), "held", None),
        (close("01:00"), "rejected", "no_position"),
        (buy("01:00", symbol="XRPUSDT"), "rejected", "unknown_instrument"),
        (buy("01:00", None), "rejected", "no_size"),
        (buy("01:00", confidence="0.59"), "rejected", "low_confidence"),
        (buy("01:00", position_side="SHORT"), "rejected", "position_side_mismatch"),
        (buy("01:00", order_type="limit"), "rejected", "missing_limit_price"),
        (buy("01:00", order_type="stop"), "rejected", "missing_trigger_price"),
        (buy("01:00", stop_loss="101"), "rejected", "stop_wrong_side"),
        (buy("01:00", take_profit="99"), "rejected", "target_wrong_side"),
        (buy("01:00", "0.000001"), "rejected", "below_min_quantity"),
        (buy("01:00", "0.0499"), "rejected", "below_min_notional"),
        (buy("00:00", "0.0499"), "rejected", "below_min_notional"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_refused_has_one_reason_and_no_order(
    tmp_path: Path, sent: Row, outcome: str, reason: str | None
) -> None:
    done = Market(tmp_path, CALM, [sent]).run()

    assert done.decisions == [(sent["signal_id"], outcome, reason)]
    assert done.document["orders"] == done.document["fills"] == []
    assert done.totals["equity"] == D(10_000)


def test_the_least_notional_itself_is_allowed(tmp_path: Path) -> None:
    assert Market(tmp_path, CALM, [buy("00:00", "0.05")]).run().trades() == [("00:00", "BUY", D(100), D("0.05"))]


def test_a_signal_is_decided_once(tmp_path: Path) -> None:
    copies = [buy("00:00", signal_id="s"), buy("00:00", signal_id="s"), buy("00:01", "9", signal_id="s")]
    alike = buy("00:30", strategy="B", signal_id="s")

    done = Market(tmp_path, CALM, [copies[0], alike, *copies[1:]]).run()

    assert [(d["strategy_id"], d["outcome"], d["reason"]) for d in done.document["decisions"]] == [
        ("A", "accepted", None),
        ("A", "duplicate", "duplicate_signal"),
        ("A", "duplicate", "duplicate_signal"),
        ("B", "accepted", None),
    ]
    assert done.fills("time", "strategy_id") == [("00:00", "A"), ("01:00", "B")]


def test_signals_are_decided_in_the_order_of_their_times_and_of_the_file(tmp_path: Path) -> None:
    signals = [close("02:00"), buy("01:00", signal_id="late"), buy("00:30", "2"), signal("00:30", "hold")]

    done = Market(tmp_path, {BTC: flat("100", "110", "120")}, signals).run()

    assert [name for name, _, _ in done.decisions] == ["A-buy-00:30", "A-hold-00:30", "late", "A-close-02:00"]
    assert done.trades() == [
        ("01:00", "BUY", D(110), D(2)),
        ("01:00", "BUY", D(110), D(1)),
        ("02:00", "SELL", D(120), D(3)),
    ]


def test_a_signal_after_the_last_bar_is_decided_but_never_filled(tmp_path: Path) -> None:
    done = Market(tmp_path, CALM, [buy("00:00"), close("03:00:01"), buy("23:00", strategy="B")]).run()

    assert [outcome for _, outcome, _ in done.decisions] == ["accepted"] * 3
    assert len(done.trades()) == 1
    assert done.row("exchange_positions")["current_quantity"] == "1"
    assert [o["status"] for o in done.document["orders"]] == ["filled", "open", "open"]


def test_a_signal_before_the_first_bar_fills_at_its_open(tmp_path: Path) -> None:
    assert Market(tmp_path, {BTC: flat("100", start=5)}, [buy("00:00")]).run().trades() == [
        ("05:00", "BUY", D(100), D(1))
    ]


def test_a_file_without_signals_is_a_run_without_decisions(tmp_path: Path) -> None:
    done = Market(tmp_path, CALM).run()

    assert done.decisions == []
    assert done.totals["equity"] == D(10_000)


def test_invalid_lines_are_named_kept_and_passed_over(tmp_path: Path) -> None:
    market = Market(tmp_path, CALM, ["no JSON", buy("00:00", "NaN"), "", buy("01:00"), '{"symbol": "BTCUSDT"}'])

    done = market.run()

    assert done.decisions == [("A-buy-01:00", "accepted", None)]
    for place in ("signals.jsonl:1: not JSON", "signals.jsonl:2: quantity", "signals.jsonl:5: strategy_id"):
        assert place in done.stderr
    kept = [json.loads(line) for line in (market.store / "dead-letters.jsonl").read_text().splitlines()]
    assert [(letter["line"], letter["raw"]) for letter in kept] == [
        (1, "no JSON"),
        (2, json.dumps(buy("00:00", "NaN"))),
        (5, '{"symbol": "BTCUSDT"}'),
    ]


# ---------------------------------------------------------------- closes


@pytest.mark.parametrize(
    ("asked", "closed"),
    [({}, "2"), ({"quantity": "0.5"}, "0.5"), ({"quantity": "7"}, "2"), ({"quantity": "0.123456789"}, "0.12345")],
)
def test_a_close_takes_what_it_asks_for_and_never_more_than_is_held(
    tmp_path: Path, asked: dict[str, str], closed: str
) -> None:
    done = Market(tmp_path, {BTC: flat("100", "110")}, [buy("00:00", "2"), close("01:00", **asked)]).run()

    assert done.fills("side", "qty", "realized_pnl")[1:] == [("SELL", D(closed), D(closed) * 10)]
    assert done.row("exchange_positions")["current_quantity"] == str(2 - D(closed))


def test_a_close_without_a_side_closes_both_legs_and_with_one_only_that(tmp_path: Path) -> None:
    both = [buy("00:00", "1"), sell("00:00", "2")]
    prices = {BTC: flat("100", "110")}

    assert Market(tmp_path, prices, [*both, close("01:00")]).run().trades()[2:] == [
        ("01:00", "SELL", D(110), D(1)),
        ("01:00", "BUY", D(110), D(2)),
    ]
    assert Market(tmp_path, prices, [*both, close("01:00", position_side="SHORT")]).run().trades()[2:] == [
        ("01:00", "BUY", D(110), D(2))
    ]


def test_a_close_is_never_refused_for_confidence_or_size(tmp_path: Path) -> None:
    signals = [buy("00:00", "1"), close("01:00", confidence="0", quantity="0.00001")]

    assert Market(tmp_path, CALM, signals).run().trades()[1:] == [("01:00", "SELL", D(100), D("0.00001"))]


# ---------------------------------------------------------------- sizes


@pytest.mark.parametrize(
    ("size", "quantity"),
    [
        ({"quantity": "0.123456789"}, "0.12345"),
        ({"quantity": "0.5", "quote_quantity": "1000"}, "0.5"),
        ({"quote_quantity": "1000"}, "9.09090"),
        ({"position_size_pct": "0.1"}, "9.09090"),
        ({"quote_quantity": "1000", "price": "500"}, "9.09090"),
        ({"quote_quantity": "1000", "order_type": "limit", "price": "120"}, "8.33333"),
    ],
)
def test_the_size_is_the_quantity_or_an_amount_at_the_price_of_the_moment(
    tmp_path: Path, size: dict[str, str], quantity: str
) -> None:
    # The bar that starts with the signal opens at 110: that is the price of the moment, not the close before it.
    done = Market(tmp_path, {BTC: flat("100", "110")}, [signal("01:00", **size)]).run()

    assert done.trades() == [("01:00", "BUY", D(110), D(quantity))]


def test_the_first_bar_is_price_enough_for_an_amount(tmp_path: Path) -> None:
    assert Market(tmp_path, CALM, [buy("00:00", None, quote_quantity="250")]).run().trades() == [
        ("00:00", "BUY", D(100), D("2.5"))
    ]


def test_before_any_price_an_amount_needs_the_signals_own_price(tmp_path: Path) -> None:
    prices = {BTC: flat("100", start=1)}
    signals = [buy("00:00", None, quote_quantity="250"), buy("00:01", None, quote_quantity="250", price="125")]

    done = Market(tmp_path, prices, signals).run()

    assert done.reasons() == {"A-buy-00:00": "no_reference_price", "A-buy-00:01": None}
    assert done.trades() == [("01:00", "BUY", D(100), D(2))]


def test_a_fraction_of_equity_counts_profit_and_fees(tmp_path: Path) -> None:
    signals = [buy("00:00", "10"), buy("01:00", None, "B", position_size_pct="0.1")]

    done = Market(tmp_path, {BTC: flat("100", "110")}, signals).run("--equity", "2000")

    # Equity at 01:00: 2000 + 10 × 10 - 10 × 100 × 0.0005 = 2099.5; a tenth of it at 110 is 1.908636…
    assert done.trades(strategy_id="B") == [("01:00", "BUY", D(110), D("1.90863"))]


# ---------------------------------------------------------------- trading rules


def exchange_info(folder: Path, *symbols: str, notional: str = "100") -> Path:
    filters: list[dict[str, Any]] = [
        {"filterType": "PRICE_FILTER", "tickSize": "0.50", "minPrice": "10", "maxPrice": "1000"},
        {"filterType": "LOT_SIZE", "stepSize": "0.010", "minQty": "0.02", "maxQty": "50"},
        {"filterType": "MARKET_LOT_SIZE", "stepSize": "0.010", "minQty": "0.02", "maxQty": "20"},
        {"filterType": "MIN_NOTIONAL", "notional": notional},
    ]
    path = folder / "exchangeInfo.json"
    path.write_text(json.dumps({"symbols": [{"symbol": s, "status": "TRADING", "filters": filters} for s in symbols]}))
    return path


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (buy("01:00", "0.999"), "below_min_notional"),
        (buy("01:00", "21"), "above_max_quantity"),
        (buy("01:00", "50.01", order_type="limit", price="90"), "above_max_quantity"),
        (buy("01:00", "1", order_type="limit", price="1000.5"), "price_out_of_range"),
    ],
)
def test_the_filters_of_an_exchange_info_answer_refuse(tmp_path: Path, sent: Row, reason: str) -> None:
    done = Market(tmp_path, CALM, [sent]).run("--symbols", exchange_info(tmp_path, BTC, ETH))

    assert done.reasons() == {sent["signal_id"]: reason}


def test_the_filters_of_an_exchange_info_answer_round(tmp_path: Path) -> None:
    signals = [
        buy("00:00", "1.239", "A", stop_loss="90.2", take_profit="110.3"),
        buy("00:00", "2.005", "B", order_type="limit", price="95.75"),
        sell("00:00", "2", "C", order_type="limit", price="104.25"),
    ]
    market = Market(tmp_path, {BTC: hourly("100 100 100 100", "100 105 95 100")}, signals)

    done = market.run("--symbols", exchange_info(tmp_path, BTC))

    assert done.fills("strategy_id", "price", "qty") == [
        ("A", D(100), D("1.23")),
        ("B", D("95.5"), D(2)),
        ("C", D("104.5"), D(2)),
    ]
    position = done.row("strategy_positions", strategy_id="A")
    assert (position["stop_loss_price"], position["take_profit_price"]) == ("90", "110.5")


def test_without_filters_a_tick_of_a_hundredth_holds(tmp_path: Path) -> None:
    signals = [
        buy("00:00", "1", order_type="limit", price="98.999"),
        sell("00:00", "1", order_type="limit", price="101.001"),
    ]
    prices = {BTC: hourly("100 100 100 100", "100 110 90 100")}

    assert Market(tmp_path, prices, signals).run().fills("price") == [(D("98.99"),), (D("101.01"),)]


def test_prices_of_a_symbol_without_filters_are_refused(tmp_path: Path) -> None:
    done = Market(tmp_path, CALM).try_run("--symbols", exchange_info(tmp_path, ETH))

    assert done.exit_code == 78
    assert "no trading rules of BTCUSDT" in done.stderr


# ---------------------------------------------------------------- configuration


def configuration(folder: Path, **settings: object) -> tuple[str, Path]:
    path = folder / "settings.json"
    path.write_text(json.dumps(settings))
    return "--config", path


def test_one_way_mode_reduces_the_senders_opposite_position(tmp_path: Path) -> None:
    signals = [buy("00:00", "2"), sell("01:00", "0.5"), sell("02:00", "9"), sell("01:00", "1", "B")]

    done = Market(tmp_path, {BTC: flat("100", "110", "120")}, signals).run(
        *configuration(tmp_path, POSITION_MODE="one-way")
    )

    assert done.fills("time", "strategy_id", "position_side", "side", "price", "qty") == [
        ("00:00", "A", "LONG", "BUY", D(100), D(2)),
        ("01:00", "A", "LONG", "SELL", D(110), D("0.5")),
        ("02:00", "A", "LONG", "SELL", D(120), D("1.5")),
    ]
    assert done.reasons()["B-sell-01:00"] == "opposite_direction"


def test_one_way_mode_flips_where_it_is_asked_to(tmp_path: Path) -> None:
    settings = configuration(tmp_path, POSITION_MODE="one-way", OPPOSITE_DIRECTION_CONFLICT_RESOLUTION="flip")

    done = Market(tmp_path, {BTC: flat("100", "110", "90")}, [buy("00:00", "2"), sell("01:00", "3")]).run(*settings)

    assert done.fills("position_side", "side", "price", "qty", "realized_pnl")[1:] == [
        ("LONG", "SELL", D(110), D(2), D(20)),
        ("SHORT", "SELL", D(110), D(3), D(0)),
    ]
    assert done.totals["unrealized_pnl"] == D(60)


@pytest.mark.parametrize(
    ("settings", "reasons"),
    [
        ({"SAME_DIRECTION_CONFLICT_RESOLUTION": "reject_duplicates"}, [None, "position_exists", "position_exists"]),
        ({"SAME_DIRECTION_CONFLICT_RESOLUTION": "strongest_wins"}, [None, "weaker_signal", None]),
        ({"MAX_ACCUMULATIONS_PER_POSITION": 0}, [None, None, "max_accumulations"]),
        ({"ACCUMULATION_COOLDOWN_SECONDS": 7201}, [None, None, "cooldown"]),
        ({"MAX_TOTAL_EXPOSURE_USD": "250"}, [None, None, "exposure_limit"]),
        ({"ALLOWED_SYMBOLS": "ETHUSDT"}, ["symbol_not_allowed"] * 3),
    ],
)
def test_the_configuration_holds_as_it_does_live(
    tmp_path: Path, settings: dict[str, object], reasons: list[str | None]
) -> None:
    signals = [buy("00:00"), buy("01:00", strategy="B"), buy("02:00")]

    done = Market(tmp_path, CALM, signals).run(*configuration(tmp_path, **settings))

    assert [reason for _, _, reason in done.decisions] == reasons


def test_the_configured_size_and_stop_hold_for_signals_that_bring_none(tmp_path: Path) -> None:
    settings = configuration(tmp_path, ORDER_SIZE_QUOTE="500", STOP_LOSS_PCT="0.1", TAKE_PROFIT_PCT="0.2")

    done = Market(tmp_path, CALM, [buy("00:00", None)]).run(*settings)

    assert done.trades() == [("00:00", "BUY", D(100), D(5))]
    position = done.row("strategy_positions")
    assert (position["stop_loss_price"], position["take_profit_price"]) == ("90", "120")


def test_an_order_is_cut_to_the_position_limit_and_says_so(tmp_path: Path) -> None:
    done = Market(tmp_path, CALM, [buy("00:00", "5")]).run(*configuration(tmp_path, MAX_POSITION_SIZE_USD="300"))

    assert done.trades() == [("00:00", "BUY", D(100), D(3))]
    assert done.document["decisions"][0]["detail"] == "cut from 5 to the position limit"
