"""Events of the user data stream (Binance docs, user-data-streams)."""

from decimal import Decimal
from itertools import permutations

import pytest

from tests.simulator.conformance.documents import (
    Shape,
    either,
    is_decimal,
    is_flag,
    is_integer,
    is_null,
    is_text,
    listed,
    number,
    one_of,
    shape,
)
from tests.simulator.conformance.sim import BTC, Sim
from tests.simulator.conformance.wire import ok

ENVELOPE: Shape = {"e": is_text, "E": is_integer, "T": is_integer}
EXTRA: Shape = {"st": is_integer}
ORDER: Shape = {
    **dict.fromkeys(("s", "c", "S", "o", "f", "x", "X", "wt", "ot", "ps"), is_text),
    **dict.fromkeys(("q", "p", "ap", "l", "z", "L", "b", "a", "rp"), is_decimal),
    **dict.fromkeys(("i", "T", "t"), is_integer),
    **dict.fromkeys(("m", "R", "cp"), is_flag),
}
ORDER_OPTIONAL: Shape = {
    "sp": either(is_decimal, is_null),
    "N": either(is_text, is_null),
    "n": either(is_decimal, is_null),
    "V": either(is_text, is_null),
    "AP": either(is_decimal, is_null),
    "cr": either(is_decimal, is_null),
    "pP": is_flag,
    "si": is_integer,
    "ss": is_integer,
    "pm": is_text,
    "gtd": is_integer,
    "er": is_text,
    "M": is_integer,
    "psd": is_text,
}
POSITION: Shape = {
    "s": is_text,
    "ps": one_of("LONG", "SHORT", "BOTH"),
    "mt": one_of("cross", "isolated"),
    **dict.fromkeys(("pa", "ep", "bep", "cr", "up", "iw"), is_decimal),
}


def test_a_resting_order_is_announced(sim: Sim) -> None:
    with sim.user_stream() as stream:
        order = ok(sim.order("BUY", "LONG", "0.010", "49000", newClientOrderId="rests"))
        (event,) = stream.events()
    shape(event, {**ENVELOPE, "o": lambda o: isinstance(o, dict)}, EXTRA)
    assert event["e"] == "ORDER_TRADE_UPDATE"
    shape(event["o"], ORDER, ORDER_OPTIONAL)
    told = {name: event["o"][name] for name in ("s", "c", "S", "o", "f", "x", "X", "i", "ps", "t", "ot", "cp")}
    assert told == {
        "s": BTC,
        "c": "rests",
        "S": "BUY",
        "o": "LIMIT",
        "f": "GTC",
        "x": "NEW",
        "X": "NEW",
        "i": order["orderId"],
        "ps": "LONG",
        "t": 0,
        "ot": "LIMIT",
        "cp": False,
    }
    assert [number(event["o"][name]) for name in ("q", "p", "z", "l")] == [Decimal("0.01"), 49000, 0, 0]


def test_a_fill_is_told_three_times(sim: Sim) -> None:
    with sim.user_stream() as stream:
        order = ok(sim.order("BUY", "LONG", "0.010", newClientOrderId="fills"))
        events = stream.events()
    new, *rest = events
    assert (new["e"], new["o"]["x"]) == ("ORDER_TRADE_UPDATE", "NEW")
    by_kind = {event["e"]: event for event in rest}
    assert sorted(by_kind) == ["ACCOUNT_UPDATE", "ORDER_TRADE_UPDATE", "TRADE_LITE"]
    assert len(rest) == 3
    assert len({event["T"] for event in rest}) == 1, "the three of one fill have one T"

    fill = by_kind["ORDER_TRADE_UPDATE"]["o"]
    shape(fill, ORDER, ORDER_OPTIONAL)
    (trade,) = sim.trades()
    assert (fill["x"], fill["X"], fill["t"], fill["i"], fill["m"]) == (
        "TRADE",
        "FILLED",
        trade["id"],
        order["orderId"],
        False,
    )
    figures = {name: number(fill[name]) for name in ("l", "z", "L", "ap", "n", "rp")}
    assert figures == {
        "l": Decimal("0.01"),
        "z": Decimal("0.01"),
        "L": 50000,
        "ap": 50000,
        "n": Decimal("0.25"),
        "rp": 0,
    }
    assert fill["N"] == "USDT"

    lite = by_kind["TRADE_LITE"]
    decimals = dict.fromkeys(("q", "p", "L", "l"), is_decimal)
    shape(
        lite,
        {
            **ENVELOPE,
            **decimals,
            "s": is_text,
            "m": is_flag,
            "c": is_text,
            "S": is_text,
            "t": is_integer,
            "i": is_integer,
        },
        EXTRA,
    )
    assert (lite["t"], lite["i"], lite["c"], number(lite["L"])) == (trade["id"], order["orderId"], "fills", 50000)


def test_a_fill_moves_balance_and_position(sim: Sim) -> None:
    with sim.user_stream() as stream:
        ok(sim.order("BUY", "LONG", "0.010"))
        (event,) = stream.of("ACCOUNT_UPDATE")
    shape(event, {**ENVELOPE, "a": lambda a: isinstance(a, dict)}, EXTRA)
    are_objects = listed(lambda one: isinstance(one, dict))
    shape(event["a"], {"m": one_of("ORDER"), "B": are_objects, "P": are_objects}, {"S": is_text})
    (balance,) = event["a"]["B"]
    shape(balance, {"a": one_of("USDT"), **dict.fromkeys(("wb", "cw", "bc"), is_decimal)})
    assert (number(balance["wb"]), number(balance["bc"])) == (Decimal("99999.75"), 0)
    rows = {row["ps"]: row for row in event["a"]["P"]}
    assert set(rows) <= {"LONG", "BOTH"}, "only changed rows appear"
    for row in rows.values():
        shape(row, POSITION, {"ma": is_text})
    assert (number(rows["LONG"]["pa"]), number(rows["LONG"]["ep"])) == (Decimal("0.01"), 50000)


def test_a_short_is_told_as_a_negative_amount(sim: Sim) -> None:
    with sim.user_stream() as stream:
        ok(sim.order("SELL", "SHORT", "0.010"))
        (event,) = stream.of("ACCOUNT_UPDATE")
    (row,) = [row for row in event["a"]["P"] if row["ps"] == "SHORT"]
    assert number(row["pa"]) == Decimal("-0.01")


def test_a_flat_row_of_both_may_be_told_in_hedge_mode(sim: Sim) -> None:
    sim.reset(options={"both_row_in_hedge": True})
    with sim.user_stream() as stream:
        ok(sim.order("BUY", "LONG", "0.010"))
        (event,) = stream.of("ACCOUNT_UPDATE")
    rows = {row["ps"]: number(row["pa"]) for row in event["a"]["P"]}
    assert rows == {"LONG": Decimal("0.01"), "BOTH": 0}


def test_accumulated_profit_is_told_before_fees(sim: Sim) -> None:
    ok(sim.order("BUY", "LONG", "0.010"))
    sim.mark(BTC, "51000", bid="51000", ask="51000.1")
    with sim.user_stream() as stream:
        ok(sim.order("SELL", "LONG", "0.004"))
        (event,) = stream.of("ACCOUNT_UPDATE")
    (row,) = [row for row in event["a"]["P"] if row["ps"] == "LONG"]
    assert (number(row["pa"]), number(row["cr"]), number(row["up"])) == (Decimal("0.006"), 4, 6)


@pytest.mark.parametrize("order", list(permutations(("TRADE_LITE", "ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE"))))
def test_the_messages_of_a_fill_come_in_any_order(sim: Sim, order: tuple[str, ...]) -> None:
    sim.reset(options={"event_order": list(order)})
    with sim.user_stream() as stream:
        ok(sim.order("BUY", "LONG", "0.010"))
        assert tuple(event["e"] for event in stream.events()[1:]) == order


def test_cross_funding_tells_the_balance_only(sim: Sim) -> None:
    ok(sim.order("BUY", "LONG", "0.010"))
    with sim.user_stream() as stream:
        sim.funding(BTC, "0.0001")
        (event,) = stream.events()
    assert (event["e"], event["a"]["m"], event["a"]["P"]) == ("ACCOUNT_UPDATE", "FUNDING_FEE", [])
    (balance,) = event["a"]["B"]
    assert (number(balance["wb"]), number(balance["bc"])) == (Decimal("99999.70"), Decimal("-0.05"))
    assert event["a"].get("S", BTC) == BTC


def test_isolated_funding_tells_the_one_position(sim: Sim) -> None:
    ok(sim.wire.post("/fapi/v1/marginType", symbol=BTC, marginType="ISOLATED"))
    ok(sim.order("BUY", "LONG", "0.010"))
    with sim.user_stream() as stream:
        sim.funding(BTC, "0.0001")
        (event,) = stream.events()
    (row,) = event["a"]["P"]
    assert (event["a"]["m"], row["s"], row["ps"], row["mt"]) == ("FUNDING_FEE", BTC, "LONG", "isolated")
    (balance,) = event["a"]["B"]
    asset = sim.asset()
    assert (balance["wb"], balance["cw"]) == (asset["walletBalance"], asset["crossWalletBalance"])
    assert number(balance["wb"]) - number(balance["cw"]) == number(row["iw"])


def test_a_change_of_margin_type_is_told(sim: Sim) -> None:
    with sim.user_stream() as stream:
        ok(sim.wire.post("/fapi/v1/marginType", symbol=BTC, marginType="ISOLATED"))
        events = stream.of("ACCOUNT_UPDATE")
    assert [event["a"]["m"] for event in events] in (["MARGIN_TYPE_CHANGE"], [])


def test_margin_transfers_are_told(sim: Sim) -> None:
    ok(sim.wire.post("/fapi/v1/marginType", symbol=BTC, marginType="ISOLATED"))
    ok(sim.order("BUY", "LONG", "0.010"))
    with sim.user_stream() as stream:
        ok(sim.wire.post("/fapi/v1/positionMargin", symbol=BTC, positionSide="LONG", amount="10", type=1))
        (event,) = stream.of("ACCOUNT_UPDATE")
    assert event["a"]["m"] == "MARGIN_TRANSFER"
    (row,) = [row for row in event["a"]["P"] if row["ps"] == "LONG"]
    assert (number(row["iw"]), row["mt"]) == (35, "isolated")


def test_margin_is_called_before_liquidation(sim: Sim) -> None:
    sim.reset(wallet="1000", positions=[{"symbol": BTC, "positionSide": "LONG", "qty": "0.2", "entryPrice": "50000"}])
    with sim.user_stream() as stream:
        sim.mark(BTC, "45200")
        (event,) = stream.of("MARGIN_CALL")
    shape(event, {"e": is_text, "E": is_integer, "p": lambda p: isinstance(p, list)}, {"cw": is_decimal})
    (row,) = event["p"]
    decimals = dict.fromkeys(("pa", "iw", "mp", "up", "mm"), is_decimal)
    shape(row, {"s": one_of(BTC), "ps": one_of("LONG"), "mt": one_of("CROSSED"), **decimals})


def test_a_burst_arrives_whole_and_in_order(sim: Sim) -> None:
    with sim.user_stream() as stream:
        placed = [ok(sim.order("BUY", "LONG", "0.010", "49000"))["orderId"] for _ in range(150)]
        assert [event["o"]["i"] for event in stream.events()] == placed


def test_times_are_the_exchange_s(virtual: Sim) -> None:
    with virtual.user_stream() as stream:
        ok(virtual.order("BUY", "LONG", "0.010"))
        for event in stream.events():
            assert event["E"] == virtual.now_ms
            assert event["T"] <= event["E"]
