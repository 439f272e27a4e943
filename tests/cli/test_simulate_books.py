"""What a simulation's positions cost, pay and are worth; every number is computed by hand."""

from pathlib import Path

import pytest

from tests.cli.simulating import BTC, ETH, D, Market, at, buy, close, dec, flat, hourly, sell

NO_FEES = ("--taker-fee", "0", "--maker-fee", "0")

# ---------------------------------------------------------------- several strategies, one position


def test_two_strategies_share_one_position_and_a_short_stands_beside_it(tmp_path: Path) -> None:
    signals = [
        buy("00:00", "0.001", "A", stop_loss="44000", take_profit="50000"),
        buy("01:00", "0.002", "B", stop_loss="43000"),
        sell("02:00", "0.004", "C", stop_loss="52000"),
    ]

    outcome = Market(tmp_path, {BTC: flat("45000", "46000", "46500", "47000")}, signals).run()

    assert [(name, result) for name, result, _ in outcome.decisions] == [
        ("A-buy-00:00", "accepted"),
        ("B-buy-01:00", "accepted"),
        ("C-sell-02:00", "accepted"),
    ]
    long = outcome.row("exchange_positions", side="LONG")
    assert (long["exchange_position_key"], long["current_quantity"]) == ("BTCUSDT_LONG", "0.003")
    assert dec(long["weighted_avg_price"]) == D("45666.666666666666666667")
    assert long["contributing_strategies"] == ["A", "B"]
    short = outcome.row("exchange_positions", side="SHORT")
    assert (short["current_quantity"], short["weighted_avg_price"]) == ("0.004", "46500")
    positions = {p["strategy_id"]: p for p in outcome.document["strategy_positions"]}
    assert {name: (p["side"], p["current_quantity"], p["entry_price"]) for name, p in positions.items()} == {
        "A": ("LONG", "0.001", "45000"),
        "B": ("LONG", "0.002", "46000"),
        "C": ("SHORT", "0.004", "46500"),
    }
    assert {name: (p["stop_loss_price"], p["take_profit_price"]) for name, p in positions.items()} == {
        "A": ("44000", "50000"),
        "B": ("43000", None),
        "C": ("52000", None),
    }
    contributions = [
        (c["strategy_id"], c["position_sequence"], c["exchange_quantity_before"], c["exchange_quantity_after"])
        for c in outcome.document["contributions"]
        if c["position_side"] == "LONG"
    ]
    assert contributions == [("A", 1, "0", "0.001"), ("B", 2, "0.001", "0.003")]
    # 0.001 × 2000 + 0.002 × 1000 - 0.004 × 500
    assert outcome.totals["unrealized_pnl"] == D(2)


def test_a_close_reduces_by_the_senders_share_and_touches_nobody_else(tmp_path: Path) -> None:
    signals = [
        buy("00:00", "0.001", "A", stop_loss="44000"),
        buy("01:00", "0.002", "B", stop_loss="43000"),
        sell("01:00", "0.004", "C", stop_loss="52000"),
        close("02:00", "A"),
    ]

    outcome = Market(tmp_path, {BTC: flat("45000", "46000", "47000", "47000")}, signals).run()

    assert outcome.trades(strategy_id="A") == [
        ("00:00", "BUY", D(45000), D("0.001")),
        ("02:00", "SELL", D(47000), D("0.001")),
    ]
    positions = {p["strategy_id"]: (p["status"], p["current_quantity"]) for p in outcome.document["strategy_positions"]}
    assert positions == {"A": ("closed", "0"), "B": ("open", "0.002"), "C": ("open", "0.004")}
    assert outcome.row("exchange_positions", side="LONG")["current_quantity"] == "0.002"
    assert outcome.row("exchange_positions", side="SHORT")["current_quantity"] == "0.004"
    stops = {
        o["strategy_id"]: (o["status"], o["quantity"])
        for o in outcome.document["orders"]
        if o["purpose"] == "stop_loss"
    }
    assert stops == {"A": ("cancelled", "0.001"), "B": ("open", "0.002"), "C": ("open", "0.004")}
    assert outcome.totals == {
        "realized_pnl": D(2),
        "unrealized_pnl": D(2 - 4),
        # (45 + 92 + 184 + 47) × 0.0005
        "fees": D("0.184"),
        "funding": D(0),
        "equity": D("9999.816"),
    }


def test_strategies_add_up_to_the_exchange_position(tmp_path: Path) -> None:
    signals = [
        buy("00:00", "0.7", "A"),
        buy("01:00", "0.3", "B"),
        buy("02:00", "0.11", "C"),
        close("03:00", "B", quantity="0.13"),
        close("04:00", "A"),
    ]
    funding = {BTC: [(at("02:00"), "0.00013"), (at("04:00"), "-0.00007")]}

    outcome = Market(tmp_path, {BTC: flat("101.7", "99.3", "103.1", "97.9", "100.9", "99.1")}, signals, funding).run()

    leg, positions = outcome.row("exchange_positions"), outcome.document["strategy_positions"]
    for whole, part in (
        ("current_quantity", "current_quantity"),
        ("commission_total", "commission_total"),
        ("funding_total", "funding_total"),
    ):
        assert sum(dec(p[part]) for p in positions) == dec(leg[whole]), whole
    assert dec(leg["realized_pnl"]) + dec(leg["unrealized_pnl"]) == (
        outcome.totals["realized_pnl"] + outcome.totals["unrealized_pnl"]
    )
    assert sum(dec(p["realized_pnl"]) for p in positions) == outcome.totals["realized_pnl"]
    assert sum(pnl for (pnl,) in outcome.fills("realized_pnl")) == outcome.totals["realized_pnl"]
    assert sum(fee for (fee,) in outcome.fills("fee")) == outcome.totals["fees"]


# ---------------------------------------------------------------- funding


@pytest.mark.parametrize(
    ("send", "rate", "paid"),
    [(buy, "0.001", "-0.22"), (buy, "-0.001", "0.22"), (sell, "0.001", "0.22"), (sell, "-0.001", "-0.22")],
)
def test_longs_pay_positive_funding_on_the_open_of_the_bar_that_starts_then(
    tmp_path: Path, send: object, rate: str, paid: str
) -> None:
    signals = [buy("00:00", "2") if send is buy else sell("00:00", "2")]
    bars = hourly("100 100 100 100", "110 140 90 130", "130 130 130 130")

    outcome = Market(tmp_path, {BTC: bars}, signals, {BTC: [(at("01:00"), rate)]}, fees=NO_FEES).run()

    # 2 × 110 × 0.001
    assert outcome.totals["funding"] == D(paid)
    assert outcome.row("strategy_positions")["funding_total"] == paid
    assert outcome.row("exchange_positions")["funding_total"] == paid


def test_funding_is_paid_by_what_is_held_into_its_time(tmp_path: Path) -> None:
    signals = [
        buy("00:00", "1", "held"),
        buy("00:00", "3", "closed"),
        close("02:00", "closed"),
        buy("02:00", "5", "opened"),
    ]

    outcome = Market(
        tmp_path, {BTC: flat("100", "100", "200", "100")}, signals, {BTC: [(at("02:00"), "0.01")]}, fees=NO_FEES
    ).run()

    paid = {p["strategy_id"]: p["funding_total"] for p in outcome.document["strategy_positions"]}
    assert paid == {"held": "-2", "closed": "-6", "opened": "0"}
    # realised 3 × 100, unrealised 1 × 0 + 5 × -100
    assert outcome.totals == {
        "realized_pnl": D(300),
        "unrealized_pnl": D(-500),
        "fees": D(0),
        "funding": D(-8),
        "equity": D(9792),
    }


def test_funding_counts_for_its_own_symbol_and_where_a_bar_starts(tmp_path: Path) -> None:
    prices = {BTC: hourly("100 100 100 100", "", "100 100 100 100", start=1), ETH: flat("10", "10", "10", "10", "10")}
    funding = {
        BTC: [(at(f"{hour:02}:00"), "0.01") for hour in range(5)],
        ETH: [("2026-01-04T00:00:00Z", "0.01"), (at("03:30"), "0.01"), ("2026-01-06T00:00:00Z", "0.01")],
    }
    signals = [buy("01:00", "1"), buy("01:00", "100", symbol=ETH, signal_id="eth")]

    outcome = Market(tmp_path, prices, signals, funding, fees=NO_FEES).run()

    # Only BTC's of 03:00: at 01:00 nothing is held yet, and at 00:00, 02:00 and 04:00 none of its bars starts.
    assert outcome.totals["funding"] == D(-1)
    assert "BTCUSDT-funding.csv: 3 settlements are not paid, because no bar of BTCUSDT starts" in outcome.stderr
    assert "ETHUSDT-funding.csv: 3 settlements are not paid" in outcome.stderr


@pytest.mark.parametrize(("recorded", "funding"), [("01:00:00.003", "-2"), ("01:00:00.999", "-2"), ("01:00:01", "0")])
def test_a_settlement_recorded_a_moment_late_counts_for_the_bar(tmp_path: Path, recorded: str, funding: str) -> None:
    market = Market(tmp_path, {BTC: flat("100", "200", "300")}, [buy("00:00")], {BTC: [(at(recorded), "0.01")]})

    assert market.run().document["totals"]["funding"] == funding


# ---------------------------------------------------------------- valuation


def test_open_positions_are_valued_at_the_last_close_of_their_symbol(tmp_path: Path) -> None:
    prices = {
        BTC: hourly("100 100 100 100", "101 120 90 107"),
        ETH: hourly("10 10 10 10", "10 10 10 10", "10 12 8 9", "9 9 8.5 8.75"),
    }
    signals = [buy("00:00", "2"), sell("01:00", "8", "B", symbol=ETH)]

    outcome = Market(tmp_path, prices, signals, fees=NO_FEES).run("--equity", "500")

    # 2 × (107 - 100) and 8 × (10 - 8.75)
    assert outcome.totals == {
        "realized_pnl": D(0),
        "unrealized_pnl": D(24),
        "fees": D(0),
        "funding": D(0),
        "equity": D(524),
    }
    assert [(p["symbol"], p["unrealized_pnl"]) for p in outcome.document["exchange_positions"]] == [
        (BTC, "14"),
        (ETH, "10"),
    ]


def test_equity_is_what_there_was_plus_everything_that_happened(tmp_path: Path) -> None:
    signals = [buy("00:00", "3", "A"), sell("00:00", "1", "B"), close("02:00", "A", quantity="2")]

    outcome = Market(tmp_path, {BTC: flat("100", "110", "120", "130")}, signals, {BTC: [(at("01:00"), "0.001")]}).run(
        "--slippage-bps", "10", "--equity", "1000"
    )

    # A in at 100.1, B in at 99.9, A out at 119.88; funding 110 × 0.001 × (3 - 1)
    fees = (3 * D("100.1") + D("99.9") + 2 * D("119.88")) * D("0.0005")
    realized = 2 * (D("119.88") - D("100.1"))
    unrealized = (D(130) - D("100.1")) - (D(130) - D("99.9"))
    assert outcome.totals == {
        "realized_pnl": realized,
        "unrealized_pnl": unrealized,
        "fees": fees,
        "funding": D("-0.22"),
        "equity": D(1000) + realized + unrealized - fees - D("0.22"),
    }
