"""Rows that a store refuses are put aside with an alert, and everything else goes on."""

from pathlib import Path
from typing import Any

import pytest

from scripts.devservices.probes import connect_mysql
from tests.outages.stores import Stores
from tests.outages.truth import until_no_lag
from tests.support.process import EngineProcess, signal_document
from tests.support.protecting import alerts, opened
from tests.support.rig import rig

pytestmark = pytest.mark.process


async def parked(stores: Stores, copy: str) -> list[tuple[str, str]]:
    """Table and key of what a copy has put aside."""
    async with stores.copies() as copies:
        return [(row.table, row.key) for row in (await copies[copy].parked(10)).first]


async def decided(engine: EngineProcess, signal_id: str, **fields: Any) -> None:
    answer = await engine.send(signal_document("hold", "A", signal_id=signal_id, **fields))
    assert answer.json()["outcome"] == "held", answer.text


async def test_i97_i105_a_row_that_mysql_refuses_is_put_aside_with_an_alert(
    tmp_path: Path, copied_stores: Stores
) -> None:
    """Somebody has given a column too little room."""
    assert copied_stores.mysql
    database = copied_stores.mysql.rpartition("/")[2]
    with connect_mysql(copied_stores.mysql, database=database) as connection, connection.cursor() as cursor:
        cursor.execute("ALTER TABLE decisions MODIFY timeframe VARCHAR(2)")
    async with rig(tmp_path, **copied_stores.settings()) as made:
        await decided(made.engine, "before", timeframe="5m")
        await decided(made.engine, "refused", timeframe="15m")
        await decided(made.engine, "after", timeframe="1h")
        await opened(made)
        await until_no_lag(copied_stores)
        assert await made.until(lambda: alerts(made, "row_parked"), "the alert") == 1
        assert await parked(copied_stores, "MySQL") == [("decisions", "refused/A/BTCUSDT")]
        shown = {row["signal_id"] for row in await made.engine.rows("/decisions")}
        assert {"before", "refused", "after"} <= shown, "the other copy has them all"
        async with copied_stores.copies() as copies:
            page = await copies["MySQL"].query("decisions", filters={}, sort=None, cursor=None, limit=10)
            assert {row["signal_id"] for row in page.rows} == shown - {"refused"}
        await made.engine.stop()


async def test_i97_i110_a_document_that_mongodb_refuses_is_put_aside_with_an_alert(
    tmp_path: Path, stores: Stores
) -> None:
    """Somebody has made an index that allows one position a symbol: the second has its stop all the same."""
    async with stores.client() as store:
        await store.collection("positions").create_index("symbol", unique=True)
    async with rig(tmp_path, **stores.settings()) as made:
        await opened(made, "buy", "A")
        await opened(made, "sell", "B")
        await until_no_lag(stores)
        await made.until(lambda: alerts(made, "row_parked"), "the alert")
        (refused,) = {table for table, _ in await parked(stores, "MongoDB")}
        assert refused == "positions"
        async with stores.copies() as copies:
            page = await copies["MongoDB"].query("positions", filters={}, sort=None, cursor=None, limit=10)
            assert [row["strategy_id"] for row in page.rows] == ["A"]
        assert len(await made.engine.rows("/strategy-positions")) == 2
        await made.engine.stop()
