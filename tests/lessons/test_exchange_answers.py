"""Exchange API contract mistakes: answers that lack something, or write figures otherwise."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.lessons.lesson import Lesson, begin, school
from tests.support.process import READ
from tests.support.protecting import ALGO_ORDER, OPEN_ALGO_ORDERS

pytestmark = pytest.mark.process

NO_SUCH_PATH = {"status": 404, "msg": "Path /fapi/v1/openAlgoOrders, Method GET is invalid"}
FIGURES = ("positionAmt", "entryPrice", "price", "qty", "quantity", "triggerPrice", "commission", "markPrice")


async def test_i47_an_exchange_without_the_list_of_stops_is_degraded_and_gets_no_orphans(tmp_path: Path) -> None:
    """The list of conditional orders is missing: that is announced, and opening and closing leaves no order behind."""
    async with school(tmp_path, ["I47USDT"]) as made:
        lesson = await begin(made, "I47USDT")
        await made.exchange.fault(NO_SUCH_PATH, None, method="GET", path=OPEN_ALGO_ORDERS)
        await made.until(lambda: _component(lesson, "venue", "reason"), "the announcement")
        assert "openAlgoOrders" in str(await _component(lesson, "venue", "reason"))
        for number in range(3):
            await _cycled(lesson, f"S{number}")
        await made.exchange.heal()
        assert await lesson.stops() == []
        placed = [row for row in await lesson.sent("POST", ALGO_ORDER) if row["status"] == 200]
        cancelled = [row for row in await lesson.sent("DELETE", ALGO_ORDER) if row["status"] == 200]
        assert len(placed) == len(cancelled)


@pytest.mark.slow
async def test_i53_an_account_that_lacks_a_field_is_read_otherwise_or_said_to_be_unknown(tmp_path: Path) -> None:
    """A missing total is read from the asset; without that, health and an alert say so and orders go on afterwards."""
    missing: list[str] = ["availableBalance", "totalWalletBalance"]

    def lacking(document: Any) -> Any:
        return {name: value for name, value in document.items() if name not in missing}

    async with school(tmp_path, ["I53USDT"], lies={"/fapi/v3/account": lacking}) as made:
        lesson = await begin(made, "I53USDT")
        await lesson.accepted(position_size_pct="0.01")
        await lesson.until_held(10)
        account = (await made.engine.request("GET", "/account", headers=READ)).json()["data"]
        assert 99_000 < Decimal(account["equity"]) < 101_000

        missing.append("assets")
        await made.until(lambda: _component(lesson, "reconciliation", "reason"), "health to say why")
        assert "account" in str(await _component(lesson, "reconciliation", "reason"))
        await made.engine.until_not_ready("account")
        told = {"name": "exchange_unknown", "severity": "critical"}
        await made.until(lambda: made.engine.metric("tradeengine_alerts_total", **told), "an alert")
        missing.clear()
        await made.engine.until_ready()
        await lesson.opened("B")


async def test_i58_figures_are_read_exactly_however_they_are_written(tmp_path: Path) -> None:
    """Figures come as numbers, with exponents, with more zeros: positions, prices and stops are exact."""
    spellings: dict[str, Callable[[str], Any]] = {
        "NUMBERUSDT": float,
        "EXPONENTUSDT": lambda figure: f"{Decimal(figure):E}",
        "ZEROSUSDT": lambda figure: f"{figure}000",
    }

    def told(document: Any) -> Any:
        if isinstance(document, list):
            return [told(part) for part in document]
        if not isinstance(document, dict):
            return document
        spelled = spellings.get(document.get("symbol", ""), str)
        return {name: spelled(part) if _is_figure(name, part) else told(part) for name, part in document.items()}

    paths = ("/positionRisk", "/userTrades", "/openAlgoOrders", "/algoOrder", "/premiumIndex", "/order")
    async with school(tmp_path, spellings, lies=dict.fromkeys(paths, told)) as made:
        lessons = [await begin(made, symbol) for symbol in spellings]
        # What the stream does not tell is read in the other spelling.
        for event in ("ORDER_TRADE_UPDATE", "TRADE_LITE"):
            await made.exchange.fault({"swallow_event": True}, None, event=event)
        for lesson in lessons:
            await lesson.accepted(quantity="0.123")
        for lesson in lessons:
            await lesson.until_protected("A")
            (fill,) = await lesson.fills()
            assert (fill["price"], fill["quantity"], fill["fee"]) == ("100.1", "0.123", "0.00615615")
            triggers = sorted(Decimal(row["triggerPrice"]) for row in await lesson.stops())
            assert triggers == [Decimal("98.1"), Decimal("104.1")]
        assert (await made.engine.request("GET", "/reconciliation", headers=READ)).json()["data"] == []


async def _cycled(lesson: Lesson, strategy: str) -> None:
    """Open a position and close it again, watching the exchange by other means than its list of stops."""

    async def resting() -> bool:
        rows = await lesson.orders(strategy_id=strategy, status="open")
        return sorted(row["purpose"] for row in rows) == ["stop_loss", "take_profit"]

    async def ended() -> bool:
        rows = await lesson.orders(strategy_id=strategy)
        return len(rows) == 4 and all(row["status"] in ("filled", "cancelled") for row in rows)

    await lesson.accepted("buy", strategy, quantity="1")
    await lesson.rig.until(resting, f"stop and target of {strategy}")
    await lesson.accepted("close", strategy)
    await lesson.rig.until(ended, f"the end of all orders of {strategy}")


async def _component(lesson: Lesson, name: str, field: str) -> Any:
    health = (await lesson.rig.engine.request("GET", "/health", headers=READ)).json()
    return health["components"][name].get(field)


def _is_figure(name: str, value: Any) -> bool:
    return name in FIGURES and isinstance(value, str) and value != ""
