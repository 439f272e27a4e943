"""What reduces risk always passes: no rule that keeps positions from being opened keeps one from being closed."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from contracts.values import iso_millis
from shared.clock import SystemClock
from tests.support.process import signal_document
from tests.support.protecting import QUICK, flat, opened
from tests.support.rig import rig

pytestmark = pytest.mark.process

GUARDS: dict[str, Any] = {
    "ACCUMULATION_COOLDOWN_SECONDS": "3600",
    "MAX_ACCUMULATIONS_PER_POSITION": "5",
    "MAX_DAILY_LOSS_USD": "4",
    "MAX_TOTAL_EXPOSURE_USD": "5000",
    "MIN_CONFIDENCE": "0.5",
}


async def test_i94_a_close_passes_every_guard_that_refuses_openings(tmp_path: Path) -> None:
    """Too old, too unsure, too soon, too much, too much lost: an opening is refused for each, a close for none."""
    old = iso_millis(SystemClock().now_ms() - 3_600_000)

    def late_close(signal_id: str, **fields: Any) -> dict[str, Any]:
        return signal_document("close", "A", signal_id=signal_id, timestamp=old, confidence="0", **fields)

    async with rig(tmp_path, **QUICK, **GUARDS) as made:

        async def refused(strategy: str, **fields: Any) -> str:
            answer = await made.engine.send(signal_document("buy", strategy, **{"quantity": "0.01", **fields}))
            decision = answer.json()
            assert decision["outcome"] == "rejected", decision
            return str(decision["reason"])

        await opened(made, "buy", "A", quantity="0.03")
        assert await refused("A") == "cooldown"
        assert await refused("B", timestamp=old) == "stale_signal"
        assert await refused("B", confidence="0.1") == "low_confidence"
        assert await refused("B", quantity="1") == "exposure_limit"

        # Half a percent of what is closed is lost: five of the four that a day may lose.
        await made.exchange.mark("BTCUSDT", 49_750)
        await made.engine.accept(late_close("1", quantity="0.02"))

        # Before its fill is booked nothing is lost yet, and B may open.
        await made.engine.until_rows(
            "/strategy-positions",
            lambda rows: [Decimal(row["current_quantity"]) for row in rows] == [Decimal("0.01")],
            strategy_id="A",
        )
        assert await refused("B") == "daily_loss_limit"
        await made.engine.accept(late_close("2"))
        await flat(made)
