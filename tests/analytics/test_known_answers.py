"""On a history that can be worked out by hand both stores answer what it says."""

import asyncio
from collections.abc import Iterator

import pymongo
import pymysql
import pytest
from bson import json_util
from pymysql.constants import CLIENT

from shared.mysql_address import MySqlAddress
from tests.analytics.history import MIDNIGHT, Story, small_history
from tests.analytics.known import KNOWN, cells_of
from tests.analytics.stores import STORES, Filled, filled
from tests.support.builders import instrument
from tradeengine.analytics import mongodb, mysql
from tradeengine.analytics.library import find, queries
from tradeengine.analytics.parameters import Parameters
from tradeengine.analytics.query import ColumnKind
from tradeengine.analytics.values import shown

NOTHING = Parameters()
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def stores() -> Iterator[Filled]:
    with filled(small_history()) as made:
        yield made


def test_every_query_has_a_known_answer() -> None:
    assert KNOWN.keys() == queries().keys()
    assert len(KNOWN) >= 16


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("name", sorted(KNOWN))
async def test_a_query_answers_what_was_worked_out(stores: Filled, store: str, name: str) -> None:
    query = find(name)
    rows = await stores.ask(store, query)
    assert cells_of([column.name for column in query.columns], rows) == KNOWN[name]


@pytest.mark.parametrize("store", STORES)
async def test_parameters_confine_the_answer(stores: Filled, store: str) -> None:
    async def closed(parameters: Parameters) -> list[object]:
        rows = await stores.ask(store, find("symbols"), parameters)
        return [(row["symbol"], row["closed"]) for row in rows]

    second = MIDNIGHT + 14 * HOUR_MS + 30 * 60_000 + 100
    assert await closed(Parameters(to_ms=second)) == [("BTCUSDT", 1)]
    assert await closed(Parameters(to_ms=second + 1)) == [("BTCUSDT", 2)]
    assert await closed(Parameters(from_ms=second)) == [("ETHUSDT", 2), ("BTCUSDT", 2)]
    assert await closed(Parameters(from_ms=second + 1)) == [("ETHUSDT", 2), ("BTCUSDT", 1)]
    assert await closed(Parameters(strategy_id="alpha")) == [("BTCUSDT", 2)]
    assert await closed(Parameters(strategy_id="Alpha")) == []
    assert await closed(Parameters(strategy_id="beta", symbol="BTCUSDT")) == [("BTCUSDT", 1)]
    assert await closed(Parameters(strategy_id="' OR 1 = 1 -- ")) == []


@pytest.mark.parametrize("store", STORES)
async def test_days_are_confined_by_days(stores: Filled, store: str) -> None:
    day = MIDNIGHT + 24 * HOUR_MS
    first = await stores.ask(store, find("daily_results"), Parameters(to_ms=day))
    second = await stores.ask(store, find("daily_results"), Parameters(from_ms=day))
    assert [row["day"] for row in first + second] == ["2026-01-01", "2026-01-01", "2026-01-02", "2026-01-02"]


@pytest.mark.parametrize("parameters", [NOTHING, Parameters(from_ms=MIDNIGHT, strategy_id="beta", symbol="ETHUSDT")])
async def test_the_texts_run_as_they_are(stores: Filled, parameters: Parameters) -> None:
    """As people run them: the SQL whole, the JSON through a parser of extended JSON and ``runCommand``."""
    address = MySqlAddress.parse(stores.mysql_uri)
    query = find("symbols")
    with (
        pymysql.connect(
            host=address.host,
            port=address.port,
            user=address.user,
            password=address.password,
            database=address.database,
            client_flag=CLIENT.MULTI_STATEMENTS,
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(mysql.script(query, parameters))
        results = [cursor.fetchall()]
        while cursor.nextset():
            results.append(cursor.fetchall())
        by_sql = results[-1]

    with pymongo.MongoClient[dict[str, object]](stores.mongodb_uri) as client:
        command = json_util.loads(mongodb.script(query, parameters))
        batch = client[stores.mongodb_database].command(command)["cursor"]["firstBatch"]

    for rows in (await stores.ask("mysql", query, parameters), await stores.ask("mongodb", query, parameters)):
        assert [row["symbol"] for row in rows] == [row[0] for row in by_sql] == [row["symbol"] for row in batch]
        assert [row["net_pnl"] for row in rows] == [shown(ColumnKind.DECIMAL, row["net_pnl"]) for row in batch]


def test_ties_are_rounded_away_from_zero() -> None:
    """Losses of 0.00000001 and 0.00000004 are 0.000000025 on average, and 0.000000005 if the second is nothing."""
    story = Story(instrument())
    for strategy, fees in (("three", ("0.00000001", "0.00000004")), ("one", ("0.00000001", "0"))):
        for fee in fees:
            story.trade("buy", strategy, "100", "0.1", signal_id=f"{strategy}-{fee}")
            story.trade("close", strategy, "100", fee=fee, signal_id=f"{strategy}-{fee}-close")
    story.cut()
    answers = {}
    with filled(story.records) as stores:
        for store in STORES:
            rows = asyncio.run(stores.ask(store, find("profit_factor")))
            answers[store] = [(row["strategy_id"], row["average_loss"], row["expectancy"]) for row in rows]
    expected = [("one", "0.00000001", "-0.00000001"), ("three", "0.00000003", "-0.00000003")]
    assert answers == {"mysql": expected, "mongodb": expected}
