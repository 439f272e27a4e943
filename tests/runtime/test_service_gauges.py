"""What a service shows of itself follows what it holds, decides and owns."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from shared.clock import SystemClock
from shared.settings import Settings
from tests.support.engines import eventually, make_signal, send
from tradeengine.runtime.service import Service
from tradeengine.venue.paper.instruments import DEMO_INSTRUMENTS

BY = {"strategy_id": "A", "symbol": "BTCUSDT", "position_side": "LONG"}


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    env = {"NATS_EMBEDDED": "off", "SHARDS": "2", "MAX_DAILY_LOSS_USD": "500", "RECONCILE_INTERVAL_SECONDS": "1"}
    made = Service(
        Settings.load(env | {"TRADEENGINE_DATA_DIR": str(tmp_path)}), SystemClock(), "0-test", DEMO_INSTRUMENTS
    )
    await made.start()
    try:
        await eventually(lambda: made.engine.trouble is None, "the engine to be ready")
        made.post_price("BTCUSDT", Decimal(50_000))
        yield made
    finally:
        await made.stop()


def shown(service: Service, name: str, /, **labels: str) -> float | None:
    return service.metrics.registry.get_sample_value(f"tradeengine_{name}", labels)


async def trade(service: Service, action: str, **fields: object) -> None:
    await send(service.engine, make_signal(action, "A", timestamp=service.clock.now_ms(), **fields))


async def test_positions_and_account_follow_the_price(service: Service) -> None:
    await trade(service, "buy", quantity="0.01", stop_loss="49000")
    await eventually(lambda: shown(service, "strategy_position_value_usd", **BY) == 500, "the position to be shown")
    await eventually(lambda: shown(service, "strategy_positions", cover="protected") == 1, "its stop to be seen")

    service.post_price("BTCUSDT", Decimal(51_000))
    await eventually(lambda: shown(service, "strategy_unrealized_pnl_usd", **BY) == 10, "its P&L to follow")
    assert shown(service, "unrealized_pnl_usd", symbol="BTCUSDT", position_side="LONG") == 10
    assert shown(service, "account_exposure_usd") == 510
    assert shown(service, "account_equity_usd") == float(service.engine.account.equity())
    assert shown(service, "account_limit_usd", limit="day_loss") == 500
    assert shown(service, "exchange_limit_used", limit="conditional_orders") == 1
    assert shown(service, "naked_position_seconds") == 0

    await trade(service, "close", quantity="0.01")
    await eventually(lambda: shown(service, "strategy_position_value_usd", **BY) is None, "the end to be shown")
    assert (shown(service, "strategy_gains_usd_total", **BY) or 0) > 0


async def test_shards_alerts_and_commits_are_shown(service: Service) -> None:
    await trade(service, "buy", quantity="0.01")
    await eventually(lambda: shown(service, "shards_working") == 2, "the shards to be shown")

    assert [shown(service, name) for name in ("shards", "shards_ownerless", "intake_ready")] == [2, 0, 1]
    assert (shown(service, "journal_records_total") or 0) >= (shown(service, "journal_commit_seconds_count") or 0) > 0
    assert shown(service, "signal_age_seconds_count") == 1
    await eventually(lambda: shown(service, "alert_standing", name="naked_position") == 0, "alerts to be looked at")


async def test_a_part_that_cannot_say_how_it_is_ends_no_watch(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    def fails() -> Decimal:
        nonlocal asked
        asked += 1
        raise RuntimeError("a defect")

    monkeypatch.setattr(service.engine.account, "equity", fails)
    await eventually(lambda: asked > 1, "a look after the one that failed")

    assert service.ended_jobs is None
