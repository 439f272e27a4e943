"""What watches over protection runs in every configuration, sees what lies at the exchange, acts, and says so."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.support.process import READ
from tests.support.protecting import (
    ALGO_ORDER,
    POSITIONS,
    QUICK,
    STOP,
    UNAVAILABLE,
    alerts,
    cancel_by_hand,
    looks,
    of,
    one,
    opened,
    resting,
    trigger,
)
from tests.support.rig import Exchange, rig

pytestmark = pytest.mark.process

LONG = {"symbol": "BTCUSDT", "positionSide": "LONG", "qty": "0.02", "entryPrice": "50000"}
FLAGS = {
    "older-names": {
        "BINANCE_TESTNET": "true",
        "HEDGE_MODE_ENABLED": "true",
        "POSITION_MODE_AWARE_CONFLICTS": "true",
        "UNPROTECTED_POLICY": "hold",
    },
    "halting": {"DIFFERENCE_POLICY": "halt", "ENVIRONMENT": "production", "SIMULATION_ENABLED": "true", "SHARDS": "1"},
}


@pytest.mark.parametrize("flags", FLAGS.values(), ids=FLAGS)
async def test_i05_the_watchdog_runs_whatever_the_flags(tmp_path: Path, flags: dict[str, Any]) -> None:
    """With every plausible combination of flags the exchange is looked at again and again."""
    async with rig(tmp_path, **QUICK, **flags) as made:
        await looks(made, 2)

        async def fresh() -> bool:
            return await made.engine.metric("tradeengine_reconciliation_age_seconds") < 5

        await made.until(fresh, "a look of the last 5 s")


@pytest.mark.slow
async def test_i05_a_watchdog_that_sees_nothing_makes_the_engine_not_ready(tmp_path: Path) -> None:
    """While looks fail, /ready says so after two of them at the latest, with an alert; and it is over by itself."""
    async with rig(tmp_path, **QUICK) as made:
        await made.exchange.fault(UNAVAILABLE, times=None, method="GET", path=POSITIONS)
        await made.engine.until_not_ready("what the exchange holds is unknown", 20)
        await made.until(lambda: alerts(made, "engine_trouble"), "the alert", 5)
        await made.exchange.heal()
        await made.engine.until_ready()


async def test_i06_with_default_settings_a_naked_position_is_protected(tmp_path: Path) -> None:
    """A position that the engine finds at the exchange, and one whose stop vanished, get a stop within 60 s."""
    setup = {"positions": [LONG]}
    async with rig(tmp_path, setup=setup) as made:
        (found, _) = await resting(made, 2, seconds=60)
        assert (found["positionSide"], Decimal(found["quantity"])) == ("LONG", Decimal("0.02"))
        await opened(made, "sell", symbol="ETHUSDT")
        await made.exchange.fault("swallow_event", event="ALGO_UPDATE", X="CANCELED")
        await cancel_by_hand(made.exchange, one(await made.exchange.stops("ETHUSDT")))
        await made.until(_stop_of_ether(made.exchange), "a new stop", 60)


def _stop_of_ether(exchange: Exchange) -> Callable[[], Awaitable[bool]]:
    async def rests() -> bool:
        return bool(of(await exchange.stops("ETHUSDT"), STOP))

    return rests


async def test_i07_a_setting_that_nobody_reads_refuses_the_start(tmp_path: Path) -> None:
    """An unknown name with the engine's prefix ends the start; what is in force is seen at the API and in metrics."""
    (tmp_path / "wrong").mkdir()
    unknown: dict[str, Any] = {"TRADEENGINE_NAKED_POSITION_REMEDIATION_MODE": "auto"}
    async with rig(tmp_path / "wrong", started=False, **QUICK, **unknown) as made:
        made.engine.spawn()
        assert await made.engine.ended() != 0
        assert "TRADEENGINE_NAKED_POSITION_REMEDIATION_MODE is no setting" in made.engine.log()

    (tmp_path / "right").mkdir()
    async with rig(tmp_path / "right", UNPROTECTED_POLICY="hold", **QUICK) as made:
        answer = await made.engine.request("GET", "/api/v1/config/settings", headers=READ)
        shown = {row["name"]: (row["value"], row["source"]) for row in answer.json()["data"]}
        assert shown["UNPROTECTED_POLICY"] == ("hold", "env")
        assert shown["CROSSED_STOP_POLICY"] == ("close", "default")
        policies = {"unprotected": "hold", "crossed_stop": "close", "trading_mode": "testnet"}
        assert await made.engine.metric("tradeengine_policies_info", **policies) == 1


async def test_i10_twelve_positions_without_stops_are_reported_and_repaired(tmp_path: Path) -> None:
    """All stops are removed at the exchange: the report says twelve within 10 s, and all rest again in the end."""
    places = [(action, symbol) for action in ("buy", "sell") for symbol in ("BTCUSDT", "ETHUSDT")]
    # Closing them is the other answer to stops that cannot be had.
    async with rig(tmp_path, RECONCILE_INTERVAL_SECONDS="1", UNPROTECTED_POLICY="hold") as made:
        for number in range(12):
            action, symbol = places[number % 4]
            await opened(made, action, f"S{number}", symbol=symbol)
        await made.exchange.fault(UNAVAILABLE, times=None, method="POST", path=ALGO_ORDER)
        for symbol in ("BTCUSDT", "ETHUSDT"):
            await made.exchange.signed("DELETE", "/fapi/v1/algoOpenOrders", symbol=symbol)
        naked = await made.engine.until_protection(
            lambda rows: [row["cover"] for row in rows] == ["naked"] * 12, "twelve naked positions", 10
        )
        assert all(row["naked_since"] for row in naked)
        await made.engine.until_metric("tradeengine_naked_positions", 12, seconds=5)
        await made.until(lambda: alerts(made, "naked_position"), "the alert", 10)
        await made.exchange.heal()
        for symbol in ("BTCUSDT", "ETHUSDT"):
            await resting(made, 12, symbol, seconds=30)
        await made.engine.until_protection(
            lambda rows: [row["cover"] for row in rows] == ["protected"] * 12, "twelve protected positions"
        )
        await made.until(lambda: alerts(made, "naked_position", "info"), "the end of the alert", 5)


async def test_i14_a_stop_that_vanished_is_a_difference(tmp_path: Path) -> None:
    """Only the stop is gone, and nobody was told: within an interval there is an unhedged difference for the symbol."""
    async with rig(tmp_path, **QUICK) as made:
        orders = await opened(made)
        await made.exchange.fault("swallow_event", event="ALGO_UPDATE", X="CANCELED")
        await cancel_by_hand(made.exchange, one(orders))
        (found,) = await made.engine.until_rows("/differences", bool, seconds=5)
        assert (found["kind"], found["symbol"], found["position_side"]) == ("unhedged", "BTCUSDT", "LONG")
        assert found["order_id"] == one(orders)["clientAlgoId"]
        assert await alerts(made, "difference_unhedged") == 1
        assert trigger(one(await resting(made, 2))) == trigger(one(orders))


async def test_i38_old_positions_are_measured_and_told(tmp_path: Path) -> None:
    """The age of the oldest position is a metric, and an alert stands from the age that is set."""
    async with rig(tmp_path, STALE_POSITION_SECONDS="2", **QUICK) as made:
        await opened(made)

        async def old() -> bool:
            return await made.engine.metric("tradeengine_oldest_position_seconds") >= 2

        await made.until(old, "the age of the oldest position")
        await made.until(lambda: alerts(made, "stale_position", "warning"), "the alert", 5)
