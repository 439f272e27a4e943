"""How positions are protected is read from what rests at the exchange, and looking changes nothing."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.process import READ
from tests.support.protecting import (
    ALGO_ORDER,
    OPEN_ALGO_ORDERS,
    QUICK,
    STOP,
    TARGET,
    UNAVAILABLE,
    alerts,
    cancel_by_hand,
    changes,
    closed,
    looks,
    one,
    opened,
    resting,
)
from tests.support.rig import Rig, rig

pytestmark = pytest.mark.process


def covers(*wanted: str) -> Callable[[list[dict[str, Any]]], bool]:
    """Whether the engine tells these covers, whatever the order."""
    return lambda rows: sorted(row["cover"] for row in rows) == sorted(wanted)


async def test_i12_protection_is_judged_by_live_orders_and_not_by_stored_ids(tmp_path: Path) -> None:
    """Prices stand where ids of orders should be stored: the report is right, and no order is touched."""
    async with rig(tmp_path, **QUICK) as made:
        orders = await opened(made)
        await made.engine.until_rows("/strategy-positions", lambda rows: bool(rows[0]["sl_order_id"]))
        await made.engine.stop()
        with closing(sqlite3.connect(made.engine.data / "readmodel.sqlite")) as store, store:
            store.execute("UPDATE strategy_positions SET sl_order_id = '2022.6338', tp_order_id = '0.171'")
            store.execute("UPDATE positions SET stop_loss_order_id = '2022.6338'")
        before = len(await changes(made.exchange))
        await made.engine.start()
        (stored,) = await made.engine.rows("/strategy-positions")
        assert stored["sl_order_id"] == "2022.6338"
        (row,) = await made.engine.until_protection(covers("protected"), "the position to be protected")
        assert row["stop"]["client_order_id"] == one(orders)["clientAlgoId"]
        assert row["target"]["client_order_id"] == one(orders, TARGET)["clientAlgoId"]
        await looks(made)
        assert len(await changes(made.exchange)) == before


async def test_i30_a_position_that_only_the_books_know_is_a_ghost(tmp_path: Path) -> None:
    """The exchange lost the position and its orders: never told as protected, booked as a ghost, with an alert."""
    async with rig(tmp_path, **QUICK) as made:
        await opened(made)
        made.engine.kill()
        await made.exchange.reset()
        await made.engine.start()
        (found,) = await made.engine.until_rows("/differences", bool, kind="ghost")
        assert (found["books_quantity"], found["exchange_quantity"]) == ("0.01", "0")
        await closed(made)
        assert await alerts(made, "difference_ghost") == 1
        assert "protected" not in [row["cover"] for row in await made.engine.protection()]
        assert await made.exchange.stops() == []


async def test_i30_a_ghost_that_is_not_repaired_is_told_as_one(tmp_path: Path) -> None:
    """Where differences halt the symbol, the position stays in the books, and is told as a ghost."""
    async with rig(tmp_path, DIFFERENCE_POLICY="halt", **QUICK) as made:
        await opened(made)
        made.engine.kill()
        await made.exchange.reset()
        await made.engine.start()
        (row,) = await made.engine.until_protection(covers("ghost"), "a ghost")
        assert row["stop"] is None
        await looks(made)
        assert covers("ghost")(await made.engine.protection())
        (halt,) = await made.engine.rows("/symbol-halts")
        assert halt["halted"] is True


async def test_i34_when_both_orders_vanish_there_is_one_exit(tmp_path: Path) -> None:
    """The stop fills and the target ends unheard: one exit with the right reason, price and P&L."""
    async with rig(tmp_path, **QUICK) as made:
        orders = await opened(made)
        await made.exchange.fault("swallow_event", times=None)
        await made.exchange.mark("BTCUSDT", 48_900)
        await cancel_by_hand(made.exchange, one(orders, TARGET))
        row = await closed(made)
        await looks(made)
        (trade,) = [t for t in await _trades(made) if t["side"] == "SELL"]
        assert row["close_reason"] == "stop_loss"
        assert Decimal(row["exit_price"]) == Decimal(trade["price"])
        assert Decimal(row["realized_pnl"]) == Decimal(trade["realizedPnl"])
        exits = [fill for fill in await made.engine.rows("/fills") if not fill["opening"]]
        assert [fill["trade_id"] for fill in exits] == [str(trade["id"])]
        assert await made.exchange.stops() == []


async def _trades(made: Rig) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = await made.exchange.signed("GET", "/fapi/v1/userTrades", symbol="BTCUSDT")
    return rows


async def test_i37_a_list_of_orders_that_fails_flattens_nothing(tmp_path: Path) -> None:
    """While conditional orders cannot be listed, no order is placed, cancelled or closed."""
    async with rig(tmp_path, **QUICK) as made:
        await opened(made)
        before = await changes(made.exchange)
        refusal: dict[str, Any] = {"status": 400, "code": -1121, "msg": "Invalid symbol."}
        listing: dict[str, Any] = {"method": "GET", "path": OPEN_ALGO_ORDERS, "params": {"recvWindow": "2000"}}
        for count, effect in enumerate((UNAVAILABLE, refusal, {"html_503": True}), 1):
            await made.exchange.fault(effect, **listing)
            await made.until(partial(_faulted, made, count), f"look {count} that fails")
        await looks(made)
        assert await changes(made.exchange) == before
        assert covers("protected")(await made.engine.protection())
        assert await made.exchange.held() == Decimal("0.01")


async def _faulted(made: Rig, count: int) -> bool:
    return sum(bool(row["faults"]) for row in await made.exchange.requests("GET", OPEN_ALGO_ORDERS)) >= count


async def test_i37_the_documented_name_of_the_type_is_understood_as_well_as_the_other(tmp_path: Path) -> None:
    """Conditional orders whose type is called ``type`` are taken for what they are."""

    def renamed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{"type" if key == "orderType" else key: value for key, value in row.items()} for row in rows]

    async with rig(tmp_path, lies={OPEN_ALGO_ORDERS: renamed}, **QUICK) as made:
        await opened(made)
        before = await changes(made.exchange)
        await looks(made)
        (row,) = await made.engine.until_protection(covers("protected"), "the position to be protected")
        assert (row["stop"]["kind"], row["target"]["kind"]) == (STOP, TARGET)
        assert await changes(made.exchange) == before


async def test_i40_reading_changes_nothing(tmp_path: Path) -> None:
    """Every GET route is asked while a position is naked: neither exchange nor books change."""
    async with rig(tmp_path, UNPROTECTED_POLICY="hold", RECONCILE_INTERVAL_SECONDS="60") as made:
        await opened(made)
        await made.exchange.fault(UNAVAILABLE, times=None, method="POST", path=ALGO_ORDER)
        await made.exchange.fault("swallow_event", event="ALGO_UPDATE", X="CANCELED")
        await cancel_by_hand(made.exchange, one(await made.exchange.stops()))
        routes = (await made.engine.request("GET", "/openapi.json")).json()["paths"]
        readable = [path for path, methods in routes.items() if "get" in methods]
        assert {"/positions/protection", "/reconciliation", "/strategy-positions"} <= set(readable)
        (order,) = await made.engine.rows("/orders", purpose="open")
        names = {"symbol": "BTCUSDT", "id": order["order_id"], "signal_id": order["signal_id"]}

        before = await _everything(made)
        for path in readable:
            answer = await made.engine.request("GET", path.format(**names), headers=READ)
            assert answer.status_code == 200, (path, answer.text)
        assert await _everything(made) == before


async def _everything(made: Rig) -> dict[str, Any]:
    """What the exchange holds, what was asked of it but for looks, and every table."""
    await made.engine.until_projected()
    held = {kind: await made.exchange.signed("GET", kind, symbol="BTCUSDT") for kind in (OPEN_ALGO_ORDERS, _POSITIONS)}
    for row in held[_POSITIONS]:
        row.pop("updateTime")
    with closing(sqlite3.connect(f"file:{made.engine.data}/readmodel.sqlite?mode=ro", uri=True)) as store:
        tables = [name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        stored = {name: store.execute(f"SELECT * FROM {name}").fetchall() for name in tables}
    journal = [(made.engine.data / name).stat().st_size for name in ("journal.sqlite", "journal.sqlite-wal")]
    return {"held": held, "changes": await changes(made.exchange), "stored": stored, "journal": journal}


_POSITIONS = "/fapi/v3/positionRisk"


async def test_after_a_restart_orders_are_found_again(tmp_path: Path) -> None:
    """Killed and started again beside live positions, the engine finds its orders by their ids and sends nothing."""
    async with rig(tmp_path, **QUICK) as made:
        await opened(made, "buy", "A")
        await opened(made, "sell", "B")
        names = {order["clientAlgoId"] for order in await made.exchange.stops()}
        before = await changes(made.exchange)
        for _ in range(2):
            made.engine.kill()
            await made.engine.start()
            rows = await made.engine.until_protection(covers("protected", "protected"), "both to be protected")
            assert {row[leg]["client_order_id"] for row in rows for leg in ("stop", "target")} == names
        await looks(made)
        assert await changes(made.exchange) == before
        assert len(await resting(made, 4)) == 4
