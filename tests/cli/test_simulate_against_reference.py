"""The simulation against a second one that shares no code with it, over random markets."""

import random
from decimal import Context, Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest

from tests.cli.reference import Reference
from tests.cli.simulating import BTC, ETH, MAKER, TAKER, Market, Row, at, buy, close, sell

HOURS = 24
NEAR = Decimal("1e-12")


def walk(source: random.Random, start: Decimal, hours: range) -> list[tuple[str, ...]]:
    """Bars of a wild price, with gaps between them."""
    bars, price = [], start
    for hour in hours:
        steps = [price := _moved(source, price) for _ in range(4)]
        bars.append((at(f"{hour:02}:00"), *map(str, (steps[0], max(steps), min(steps), steps[-1]))))
    return bars


def _moved(source: random.Random, price: Decimal) -> Decimal:
    return (price * (1 + Decimal(source.randint(-400, 400)) / 10_000)).quantize(Decimal("0.01"))


def signals(source: random.Random) -> list[Row]:
    """Signals of two strategies with stops and targets, and of two without that use limits; none before 02:00."""
    made: list[Row] = []
    for hour in range(2, HOURS):
        for symbol, strategy in [(s, t) for s in (BTC, ETH) for t in ("P", "Q", "U", "V")]:
            if source.random() < 0.6:
                continue
            fields: dict[str, Any] = {"symbol": symbol, "signal_id": f"{symbol}-{strategy}-{hour}"}
            if strategy in "PQ":
                fields |= {
                    "stop_loss_pct": f"0.0{source.randint(1, 6)}",
                    "take_profit_pct": f"0.0{source.randint(1, 9)}",
                }
            elif source.random() < 0.5:
                price = source.randint(9_000, 11_000) if symbol == BTC else source.randint(270_000, 330_000)
                fields |= {"order_type": "limit", "price": f"{price // 100}.{price % 100:02}"}
            time = source.choice((f"{hour:02}:00", f"{hour - 1:02}:20", f"{hour - 1:02}:59:59.999"))
            quantity = f"{source.randint(1, 9)}.{source.randint(0, 99_999):05}"
            made.append(_one(source, time, quantity, strategy, fields))
    source.shuffle(made)
    return made


def _one(source: random.Random, time: str, quantity: str, strategy: str, fields: Row) -> Row:
    match source.randint(0, 4):
        case 0 | 1:
            return buy(time, quantity, strategy, **fields)
        case 2 | 3:
            return sell(time, quantity, strategy, **fields)
        case _:
            part = {"quantity": quantity} if source.random() < 0.5 else {}
            return close(time, strategy, symbol=fields["symbol"], signal_id=fields["signal_id"], **part)


@pytest.mark.parametrize("seed", range(20))
def test_random_markets_end_the_same(tmp_path: Path, seed: int) -> None:
    source = random.Random(seed)
    prices = {BTC: walk(source, Decimal(100), range(HOURS)), ETH: walk(source, Decimal(3000), range(1, HOURS - 3))}
    funding = {s: [(row[0], str(Decimal(source.randint(-99, 99)) / 100_000)) for row in prices[s][::4]] for s in prices}
    sent, bps = signals(source), source.choice(("0", "2.5", "30"))
    with localcontext(Context(prec=60)):
        expected = Reference(prices, funding, Decimal(TAKER), Decimal(MAKER), Decimal(bps))
        expected.run(sent)
        totals = {
            "realized_pnl": expected.realized,
            "unrealized_pnl": expected.unrealized(),
            "fees": expected.fees,
            "funding": expected.paid,
            "equity": 10_000 + expected.realized + expected.unrealized() - expected.fees + expected.paid,
        }

    outcome = Market(tmp_path, prices, sent, funding).run("--slippage-bps", bps)

    fields = ("time", "strategy_id", "symbol", "position_side", "side", "price", "qty")
    assert sorted(outcome.fills(*fields)) == sorted(expected.fills)
    assert len(expected.fills) > 40
    off = {name: value - outcome.totals[name] for name, value in totals.items()}
    assert not {name: value for name, value in off.items() if abs(value) > NEAR}
