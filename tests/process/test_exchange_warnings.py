"""What the exchange warns of reaches people as alerts: a margin call, and a symbol that is not open for trading."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.deadline import PATIENCE_S
from tests.support.process import NO_NATS, EngineProcess, signal_document
from tests.support.protecting import alerts, flat, resting
from tests.support.rig import ROOMY, Rig, rig, settings_for

pytestmark = pytest.mark.process

HELD = {"symbol": "ETHUSDT", "positionSide": "LONG", "qty": "1", "entryPrice": "3000"}


async def told(made: Rig, name: str) -> list[dict[str, Any]]:
    return [row for row in await made.engine.rows("/alerts") if row["name"] == name]


async def test_a_margin_call_is_a_critical_alert_of_its_leg(tmp_path: Path) -> None:
    setup = {"wallet": "100", "marks": {"ETHUSDT": "3000"}, "positions": [HELD]}
    async with rig(tmp_path, setup=setup, BINANCE_LEVERAGE="20", STOP_LOSS_PCT="0.05") as made:
        # The margin balance is 14, and 1 ETH needs 11.66 at least.
        await made.exchange.mark("ETHUSDT", "2914")
        (alert,) = await made.until(lambda: told(made, "margin_call"), "the alert")
        assert (alert["severity"], alert["symbol"], alert["position_side"]) == ("critical", "ETHUSDT", "LONG")
        assert "its unrealised P&L is -86" in alert["text"]
        assert "add margin or reduce positions" in alert["text"]
        assert await made.exchange.held("ETHUSDT") == 1, "the engine closes nothing because of it"
        assert await alerts(made, "margin_call") == 1


async def test_a_symbol_that_is_not_open_for_trading_is_an_alert_until_it_is(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        assert await alerts(made, "symbol_closed", "warning") == 0
        await made.exchange.post("settle", {"symbol": "ETHUSDT", "price": "3000"})
        await made.engine.stop()
        await made.engine.start()
        await made.engine.until_metric("tradeengine_alerts_total", 1, name="symbol_closed", severity="warning")
        health = (await made.engine.request("GET", "/health/detailed")).json()
        (why,) = health["components"]["venue"]["blocked_symbols"].values()
        assert "ETHUSDT is not open for trading" in why
        answer = (await made.engine.send(signal_document("buy", "A", symbol="ETHUSDT", quantity="0.1"))).json()
        assert answer["outcome"] == "rejected"
        await made.engine.accept(signal_document("buy", "A", quantity="0.01"))
        assert await made.until(lambda: made.exchange.held("BTCUSDT"), "what others trade") == Decimal("0.01")


@pytest.mark.parametrize("rests", [False, True])
async def test_i56_a_symbol_that_is_listed_no_more_keeps_no_other_from_being_traded(
    tmp_path: Path, rests: bool
) -> None:
    """The books know the symbol for good, with an order that rests or without, and the exchange tells nothing of it."""
    async with rig(tmp_path) as made:
        entry = {"order_type": "limit", "target_price": "2900"} if rests else {}
        await made.engine.accept(signal_document("buy", "A", symbol="ETHUSDT", quantity="0.1", **entry))
        if rests:
            await made.until(lambda: made.engine.rows("/orders", status="open"), "an order that rests")
        else:
            await resting(made, 2, "ETHUSDT")
            await made.engine.accept(signal_document("close", "A", symbol="ETHUSDT"))
            await flat(made, "ETHUSDT")
            await resting(made, 0, "ETHUSDT")
        (bitcoin,) = [
            c["entry"] for c in (await made.exchange.state())["contracts"] if c["entry"]["symbol"] == "BTCUSDT"
        ]
        await made.engine.stop()

        await made.exchange.reset(symbols=[bitcoin], options=ROOMY)
        assert (await made.exchange.signed("GET", "/fapi/v1/openOrders", symbol="ETHUSDT"))["code"] == -1121
        env = settings_for(made.exchange, ALLOWED_SYMBOLS="BTCUSDT")
        async with httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False) as client:
            engine = EngineProcess(made.engine.data, client, nats_url=NO_NATS, settings=env)
            try:
                await engine.start()
                await engine.accept(signal_document("buy", "A", quantity="0.01"))
                await resting(made, 2)
            finally:
                engine.close()
