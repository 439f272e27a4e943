"""Headers, files and the documentation's page belong together."""

import re

import pytest

from tests.analytics.page import PAGE, page
from tradeengine.analytics.header import read_query
from tradeengine.analytics.library import find, queries
from tradeengine.analytics.parameters import Parameters
from tradeengine.analytics.query import ColumnKind, Query
from tradeengine.projection.tables import TABLES, Kind

GOOD = (
    "-- a: b?\n-- Columns\n--   x integer number\n-- Parameters\n--   symbol\n-- Nulls\n--   None.\n\nSELECT 1 AS x;\n"
)

EACH = pytest.mark.parametrize("query", [pytest.param(query, id=query.name) for query in queries().values()])


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == f"{page()}\n", "write it anew: python -m tests.analytics.page"


@EACH
def test_a_header_says_all(query: Query) -> None:
    assert find(query.name) is query
    assert query.question.endswith("?")
    assert query.nulls.endswith(".")
    assert query.columns
    assert len({column.name for column in query.columns}) == len(query.columns)
    assert query.command["comment"] == f"{query.name}: {query.question}"


@EACH
def test_a_statement_reads_the_parameters_of_its_header_and_no_others(query: Query) -> None:
    assert set(re.findall(r"@(\w+)", query.statement)) == query.parameters.keys()


@EACH
def test_parameters_are_columns_of_the_collection(query: Query) -> None:
    columns = TABLES[query.command["aggregate"]].columns
    for name, column in query.parameters.items():
        kind = Kind.TEXT if name in ("strategy_id", "symbol") else Kind.DATE if query.by_day else Kind.TIME
        assert columns[column] is kind


@EACH
def test_the_order_of_rows_is_settled(query: Query) -> None:
    """Both files sort, at last and by the same columns, which are exact."""
    ordered = query.statement.rpartition("ORDER BY ")[2]
    sql = [
        (word.split(".")[-1].removesuffix(" DESC"), -1 if word.endswith(" DESC") else 1) for word in ordered.split(", ")
    ]
    assert list(query.command["pipeline"][-1]["$sort"].items()) == sql
    rounded = {column.name for column in query.columns if column.kind is ColumnKind.RATIO}
    assert not rounded & {name for name, _ in sql}, "stores round at different places: sort by what is exact"


def test_an_unknown_name_is_answered_with_those_that_are_written_alike() -> None:
    with pytest.raises(LookupError, match="did you mean drawdowns"):
        find("drawdown")
    with pytest.raises(LookupError, match="tradeengine analytics list"):
        find("qqqq")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (GOOD.replace("a: b?", "a b?"), "first line"),
        (GOOD.replace("x integer number", "x whole number"), "a column must be"),
        (GOOD.replace("--   symbol", "--   side"), "a parameter must be"),
        (GOOD.replace("-- Nulls", "-- Zeros"), "line of no known form"),
    ],
)
def test_a_header_of_another_form_is_refused(text: str, told: str) -> None:
    assert read_query(GOOD, "{}").columns[0].name == "x"
    with pytest.raises(ValueError, match=told):
        read_query(text, "{}")


@pytest.mark.parametrize(
    ("name", "parameters", "told"),
    [
        ("exposure", Parameters(from_ms=0), "takes no from, only to, strategy_id, symbol"),
        ("strategy_performance", Parameters(symbol="BTCUSDT"), "takes no symbol"),
        ("daily_results", Parameters(from_ms=1), "whole days"),
        ("symbols", Parameters(from_ms=2, to_ms=2), "before to"),
    ],
)
def test_parameters_that_a_query_does_not_take_are_refused(name: str, parameters: Parameters, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parameters.check(find(name))
