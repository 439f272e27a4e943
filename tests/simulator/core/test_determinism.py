"""Same seed and same inputs, same bytes; a snapshot is the whole state; the books add up after any order flow."""

import json
from decimal import Decimal
from typing import Any

from hypothesis import given, note
from hypothesis import strategies as st

from tests.simulator.core.driver import BTC, CLOSING, ETH, OPENING, START_MS, Driver
from tradeengine.simulator.errors import ApiError
from tradeengine.simulator.exchange import Exchange
from tradeengine.simulator.prices import PricePath

PATH = PricePath.parse(ETH, f"time,open,high,low,close\n{START_MS + 60_000},3000,3100,2900,3050\n")

quantities = st.integers(1, 400).map(lambda steps: Decimal(steps) / 1000)
prices = st.integers(-40, 40).map(lambda step: Decimal(50_000 + 25 * step))
legs = st.sampled_from(["LONG", "SHORT"])
steps = st.one_of(
    st.tuples(st.just("open"), legs, quantities),
    st.tuples(st.just("close"), legs, quantities),
    st.tuples(st.just("rest"), legs, quantities, prices, st.sampled_from(["GTC", "IOC", "FOK", "GTX"]), st.booleans()),
    st.tuples(st.just("stop"), legs, st.one_of(st.none(), quantities), prices, st.booleans()),
    st.tuples(st.just("trail"), legs, quantities, st.sampled_from(["0.1", "1"])),
    st.tuples(st.just("amend"), quantities, prices),
    st.tuples(st.just("cancel"), st.booleans()),
    st.tuples(st.just("mark"), prices),
    st.tuples(st.just("wait"), st.integers(1, 4 * 3_600_000)),
    st.tuples(st.just("funding"), st.sampled_from(["0.001", "-0.001"])),
    st.tuples(st.just("deleverage"), legs, st.integers(1, 4), prices),
    st.tuples(st.just("settle"), prices, st.sampled_from(["SETTLING", "CLOSE"])),
)
setups = st.fixed_dictionaries(
    {
        "marginType": st.sampled_from([{}, {BTC: "ISOLATED"}]),
        "wallet": st.sampled_from([3_000, 100_000]),
        "fundingIntervalHours": st.sampled_from([{}, {BTC: 1}]),
        "options": st.fixed_dictionaries(
            {
                "depth": st.sampled_from([None, "0.050"]),
                "levels": st.sampled_from([2, 20]),
                "latency_ms": st.sampled_from([0, 5]),
                "closing_overflow": st.sampled_from(["reject", "cut"]),
                "forced_messages": st.sampled_from(["captured", "announced"]),
            }
        ),
    }
)


def start(setup: dict[str, Any], seed: int = 7) -> Driver:
    driver = Driver(seed=seed, **setup)
    driver.exchange.play(PATH)
    return driver


def run(driver: Driver, flow: list[tuple[Any, ...]]) -> list[int]:
    """Do what the steps say; refusals are part of it."""
    refusals = []
    for step in flow:
        try:
            do(driver, *step)
        except ApiError as error:
            refusals.append(error.code)
        check_invariants(driver)
    return refusals


def do(driver: Driver, what: str, *values: Any) -> None:
    match what, *values:
        case "open", leg, quantity:
            driver.order(OPENING[leg], leg, quantity)
        case "close", leg, quantity:
            driver.order(CLOSING[leg], leg, quantity)
        case "rest", leg, quantity, price, time_in_force, opens:
            side = (OPENING if opens else CLOSING)[leg]
            driver.order(side, leg, quantity, price, timeInForce=time_in_force)
        case "stop", leg, quantity, price, is_stop:
            kind = "STOP_MARKET" if is_stop else "TAKE_PROFIT_MARKET"
            how = {"closePosition": True} if quantity is None else {"quantity": quantity}
            driver.algo(CLOSING[leg], leg, kind, price, **how)
        case "trail", leg, quantity, rate:
            driver.algo(CLOSING[leg], leg, "TRAILING_STOP_MARKET", quantity=quantity, callbackRate=rate)
        case "amend", quantity, price:
            for row in driver.call("GET", "v1/openOrders")[:1]:
                driver.call(
                    "PUT",
                    "v1/order",
                    symbol=BTC,
                    orderId=row["orderId"],
                    side=row["side"],
                    quantity=quantity,
                    price=price,
                )
        case "cancel", conditional:
            driver.call("DELETE", "v1/algoOpenOrders" if conditional else "v1/allOpenOrders", symbol=BTC)
        case "mark", price:
            driver.mark(price)
        case "wait", milliseconds:
            driver.advance(milliseconds)
        case "funding", rate:
            driver.exchange.settle_funding(BTC, Decimal(rate))
        case "deleverage", leg, parts, price:
            held = abs(driver.amount(leg))
            if held:
                part = held if parts == 1 else (held / parts).quantize(Decimal("0.001"), "ROUND_UP")
                driver.exchange.deleverage(BTC, leg, part, price)
        case "settle", price, status:
            driver.exchange.settle_symbol(BTC, price, status)
            assert not driver.amount("LONG")
            assert not driver.amount("SHORT")


def check_invariants(driver: Driver) -> None:
    state = driver.exchange.state
    wallet = state.wallet
    start_balance = wallet.balance - sum((row.amount for row in wallet.history), Decimal(0))
    assert start_balance in {Decimal(3_000), Decimal(100_000)}
    contract = state.contracts[BTC]
    kept = Decimal(0)
    for leg in contract.legs():
        trades = [trade for trade in contract.trades if trade.position_side == leg.position_side]
        net = sum((one.quantity if one.side == "BUY" else -one.quantity for one in trades), Decimal(0))
        assert leg.amount == net
        assert leg.amount >= 0 if leg.position_side == "LONG" else leg.amount <= 0
        assert (leg.entry > 0) == (leg.amount != 0)
        assert leg.isolated_wallet == 0 or (contract.isolated and leg.amount)
        kept += leg.isolated_wallet
        for side in ("BUY", "SELL"):
            resting = [order for order in contract.orders.closing(leg.position_side, side) if not order.unmatched]
            assert sum((order.remaining for order in resting), Decimal(0)) <= leg.room_for(side)
    assert sum((trade.realized for trade in contract.trades), Decimal(0)) == booked(driver, "REALIZED_PNL")
    assert -sum((trade.commission for trade in contract.trades), Decimal(0)) == booked(driver, "COMMISSION")
    for order in contract.orders.history:
        filled = sum((one.quantity for one in contract.trades if one.order_id == order.order_id), Decimal(0))
        assert order.executed == filled <= order.quantity
        assert (order.status == "FILLED") == (order.executed == order.quantity)
    for algo in contract.algos:
        assert not algo.lives_with_leg or contract.leg(algo.position_side).room_for(algo.side)
    asset = driver.call("GET", "v3/account")["assets"][0]
    assert Decimal(asset["walletBalance"]) == Decimal(asset["crossWalletBalance"]) + kept


def booked(driver: Driver, kind: str) -> Decimal:
    history = driver.exchange.state.wallet.history
    return sum((row.amount for row in history if row.kind == kind and row.symbol == BTC), Decimal(0))


def events(driver: Driver) -> list[str]:
    return [json.dumps([one.user, one.stream, one.payload]) for one in driver.exchange.take_events()]


@given(setups, st.lists(steps, max_size=30))
def test_the_books_add_up(setup: dict[str, Any], flow: list[tuple[Any, ...]]) -> None:
    refusals = run(start(setup), flow)
    note(f"refusals: {refusals}")


@given(setups, st.lists(steps, max_size=15), st.lists(steps, max_size=15))
def test_a_snapshot_is_the_whole_state(
    setup: dict[str, Any], before: list[tuple[Any, ...]], after: list[tuple[Any, ...]]
) -> None:
    first = start(setup)
    run(first, before)
    text = json.dumps(first.exchange.snapshot())
    second = start(setup, seed=1)
    second.exchange = Exchange.restore(json.loads(text))
    assert json.dumps(second.exchange.snapshot()) == text
    assert run(first, after) == run(second, after)
    assert events(first) == events(second)
    assert json.dumps(first.exchange.snapshot()) == json.dumps(second.exchange.snapshot())


@given(setups, st.lists(steps, max_size=20))
def test_same_seed_and_same_inputs_give_the_same_bytes(setup: dict[str, Any], flow: list[tuple[Any, ...]]) -> None:
    first, second = start(setup), start(setup)
    assert run(first, flow) == run(second, flow)
    assert events(first) == events(second)
    assert json.dumps(first.exchange.snapshot()) == json.dumps(second.exchange.snapshot())


def test_the_seed_makes_the_ids() -> None:
    ids = [Driver(seed=seed).order("BUY", "LONG", "0.010")["clientOrderId"] for seed in (1, 1, 2)]
    assert ids[0] == ids[1] != ids[2]


def test_a_document_that_is_no_snapshot_is_refused() -> None:
    import pytest

    document = Driver().exchange.snapshot()
    for broken in ({}, {**document, "version": 99}, {**document, "contracts": 1}):
        with pytest.raises(ValueError, match="snapshot"):
            Exchange.restore(broken)


def test_time_never_goes_back() -> None:
    driver = Driver()
    driver.exchange.advance_to(START_MS + 5)
    driver.exchange.advance_to(START_MS)
    assert driver.exchange.now_ms == START_MS + 5
