"""State truth: an operator sees what differs, says whether it is repaired, and gets the symbol's own settings."""

import asyncio
from decimal import Decimal
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.lessons.lesson import begin, school
from tests.simulator.conformance.symbols import symbol as listed
from tests.support.process import READ, READER_KEY, tradeengine
from tests.support.protecting import ORDER
from tests.support.rig import OPERATOR_KEY, Rig

pytestmark = pytest.mark.process


async def test_reconcile_shows_what_differs_and_repairs_it_when_told_to(tmp_path: Path) -> None:
    """With DIFFERENCE_POLICY=halt a foreign position halts its symbol until ``reconcile --repair`` adopts it."""
    held = [{"symbol": "HALTUSDT", "positionSide": "LONG", "qty": "2", "entryPrice": "99"}]
    async with school(tmp_path, ["HALTUSDT"], setup={"positions": held}, DIFFERENCE_POLICY="halt") as made:
        lesson = await begin(made, "HALTUSDT")
        told = {"name": "difference_foreign_position", "severity": "critical"}
        await made.until(lambda: made.engine.metric("tradeengine_alerts_total", **told), "an alert")
        assert await lesson.refused(quantity="1") == "symbol_halted"
        assert await lesson.booked() == 0

        shown = await _reconcile(made)
        assert shown.returncode == 1
        for text in ("HALTUSDT", "LONG", "foreign_position", "stays halted"):
            assert text in " ".join(shown.stdout.split()), shown.stdout
        assert await lesson.booked() == 0
        (difference,) = (await made.engine.request("GET", "/reconciliation", headers=READ)).json()["data"]
        assert [Decimal(difference[name]) for name in ("books", "exchange")] == [0, 2]

        refused = await _reconcile(made, "--repair", "--yes", key=READER_KEY)
        assert refused.returncode == 1
        assert "operator" in refused.stderr
        assert await lesson.booked() == 0

        repaired = await _reconcile(made, "--repair", "--yes")
        assert repaired.returncode == 0, repaired.stdout + repaired.stderr
        await lesson.until_booked(2)
        (row,) = await made.engine.rows("/strategy-positions", status="open")
        assert row["strategy_id"] == "external"
        assert [row for row in await lesson.changes() if row["path"] == ORDER] == []
        agreed = await _reconcile(made)
        assert (agreed.returncode, agreed.stdout) == (0, "books and exchange agree\n")


async def test_i102_each_symbol_trades_by_its_own_rules_and_rows(tmp_path: Path) -> None:
    """Two symbols with other steps, ticks and least sizes: each gets its own, and a filter gives that symbol's rows."""
    coarse = listed(
        "COARSEUSDT",
        filters={
            "PRICE_FILTER": {"minPrice": "1", "tickSize": "1"},
            "LOT_SIZE": {"minQty": "1", "stepSize": "1"},
            "MARKET_LOT_SIZE": {"minQty": "1", "stepSize": "1"},
        },
    )
    async with school(tmp_path, ["FINEUSDT"], more=[coarse]) as made:
        fine, rough = await begin(made, "FINEUSDT"), await begin(made, "COARSEUSDT")
        await fine.accepted(quantity="1.2345")
        await rough.accepted(quantity="1.2345")
        await fine.until_stops(2)
        await rough.until_stops(2)
        assert (await fine.held(), await rough.held()) == (Decimal("1.234"), Decimal(1))
        triggers = [{Decimal(row["triggerPrice"]) for row in await lesson.stops()} for lesson in (fine, rough)]
        # 98.098 and 104.104 of 100.1; 98.98 and 105.04 of 101: a stop is never farther, a target never nearer.
        assert triggers[0] == {Decimal("98.1"), Decimal("104.1")}
        assert triggers[1] == {Decimal(99), Decimal(105)}

        await fine.accepted("close")
        await fine.until_held(0)
        await fine.until_booked(0)
        for path in ("/positions", "/strategy-positions", "/orders", "/fills", "/decisions", "/contributions"):
            rows = await made.engine.rows(path, symbol="COARSEUSDT")
            assert {row["symbol"] for row in rows} == {"COARSEUSDT"}, path
        assert [row["symbol"] for row in await made.engine.rows("/positions", status="open")] == ["COARSEUSDT"]
        unknown = await made.engine.request("GET", "/positions", params={"sybmol": "COARSEUSDT"}, headers=READ)
        assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_filter")


async def _reconcile(made: Rig, *options: str, key: str = OPERATOR_KEY) -> CompletedProcess[str]:
    """Run the command against the rig's engine."""
    url = made.engine.url
    assert url
    arguments = ("reconcile", "--url", url, "--key", key, *options)
    return await asyncio.to_thread(tradeengine, *arguments, env={"COLUMNS": "300"})
