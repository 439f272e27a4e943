"""The faults that tests put between parts are the faults that they are called."""

import pymysql
import pytest

from scripts.devservices.probes import connect_mysql, why_not_mongodb, why_not_mysql
from scripts.devservices.waiting import wait_until
from tests.support.deadline import PATIENCE_S
from tests.support.toxiproxy import Toxiproxy

_ANSWER_S = 3
"""How long an answer is waited for: enough for one that comes, and soon over where none does."""


def value_of(connection: "pymysql.Connection[pymysql.cursors.Cursor]", sql: str) -> object:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        row = cursor.fetchone()
    return row[0] if row else None


def test_it_passes_everything_on(toxiproxy: Toxiproxy, mongodb_uri: str, mysql_uri: str) -> None:
    assert why_not_mongodb(toxiproxy.proxy(mongodb_uri).url) is None
    assert why_not_mysql(toxiproxy.proxy(mysql_uri).url) is None


def test_down_refuses_and_up_lets_through_again(toxiproxy: Toxiproxy, mysql_uri: str) -> None:
    proxy = toxiproxy.proxy(mysql_uri)
    url = proxy.url
    with connect_mysql(url) as connection:
        proxy.down()
        with pytest.raises(pymysql.OperationalError, match="Lost connection"):
            value_of(connection, "SELECT 1")

    assert "refused" in str(why_not_mysql(url))
    proxy.up()
    assert why_not_mysql(url) is None


def test_a_blackhole_accepts_and_never_answers(toxiproxy: Toxiproxy, mysql_uri: str) -> None:
    proxy = toxiproxy.proxy(mysql_uri)
    with connect_mysql(proxy.url, seconds=_ANSWER_S) as connection:
        proxy.timeout()
        with pytest.raises(pymysql.OperationalError, match="timed out"):
            value_of(connection, "SELECT 1")

    assert "timed out" in str(why_not_mysql(proxy.url, seconds=_ANSWER_S))
    proxy.clear()
    assert why_not_mysql(proxy.url) is None


@pytest.mark.parametrize(("direction", "done"), [("upstream", 0), ("downstream", 1)])
def test_one_direction_decides_whether_it_was_done(
    toxiproxy: Toxiproxy, mysql_uri: str, direction: str, done: int
) -> None:
    proxy = toxiproxy.proxy(mysql_uri)
    database = mysql_uri.rpartition("/")[2]
    with connect_mysql(mysql_uri, database=database) as direct:
        value_of(direct, "CREATE TABLE things (id INT PRIMARY KEY)")
        with connect_mysql(proxy.url, database=database, seconds=_ANSWER_S) as connection:
            proxy.timeout("upstream" if direction == "upstream" else "downstream")
            with pytest.raises(pymysql.OperationalError, match="timed out"):
                value_of(connection, "INSERT INTO things VALUES (1)")

        wait_until(
            lambda: value_of(direct, "SELECT COUNT(*) FROM things") == done, what="the outcome", seconds=PATIENCE_S
        )


def test_latency_delays_each_answer(toxiproxy: Toxiproxy, mysql_uri: str) -> None:
    proxy = toxiproxy.proxy(mysql_uri)
    with connect_mysql(proxy.url, seconds=_ANSWER_S) as connection:
        assert value_of(connection, "SELECT 1") == 1
        proxy.latency(30_000)
        with pytest.raises(pymysql.OperationalError, match="timed out"):
            value_of(connection, "SELECT 1")


def test_reset_peer_resets(toxiproxy: Toxiproxy, mysql_uri: str) -> None:
    proxy = toxiproxy.proxy(mysql_uri)
    proxy.reset_peer()

    assert why_not_mysql(proxy.url, seconds=_ANSWER_S) is not None
    proxy.clear()
    assert why_not_mysql(proxy.url) is None


def test_limited_data_end_in_the_middle(toxiproxy: Toxiproxy, mysql_uri: str) -> None:
    proxy = toxiproxy.proxy(mysql_uri)
    with connect_mysql(proxy.url) as connection:
        proxy.limit_data("downstream", 100)
        with pytest.raises(pymysql.OperationalError, match="Lost connection"):
            value_of(connection, "SELECT REPEAT('x', 1000)")
