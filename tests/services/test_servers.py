"""The servers of tests keep their promises: what was acknowledged survives, ports and data stay, nothing is left."""

import os
import subprocess
import sys
from pathlib import Path

import pymongo
import pymysql
import pytest

from scripts.devservices.mysql import DATABASE
from scripts.devservices.ports import reserve
from scripts.devservices.probes import connect_mysql, why_not_mongodb, why_not_mysql
from scripts.devservices.processes import started_at
from scripts.devservices.waiting import wait_until
from shared.errors import ConfigError
from shared.mysql_address import MySqlAddress
from tests.support.deadline import PATIENCE_S
from tests.support.services import MongoServer, MySqlServer, NatsServer

ROOT = Path(__file__).resolve().parents[2]


def test_what_mongodb_acknowledged_survives_a_kill(mongo_server: MongoServer) -> None:
    url = mongo_server.url
    with pymongo.MongoClient[dict[str, object]](url, w="majority", journal=True) as client:
        client.test.things.insert_one({"_id": 1})
        mongo_server.kill()
        mongo_server.start()

        assert mongo_server.url == url
        assert client.test.things.count_documents({}) == 1


def test_what_mysql_committed_survives_a_kill(mysql_server: MySqlServer) -> None:
    with connect_mysql(mysql_server.url, database=DATABASE) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE things (id INT PRIMARY KEY)")
        cursor.execute("INSERT INTO things VALUES (1)")
    mysql_server.kill()
    mysql_server.start()

    with connect_mysql(mysql_server.url, database=DATABASE) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM things")
        assert cursor.fetchall() == ((1,),)


def test_a_frozen_server_accepts_and_does_not_answer(mysql_server: MySqlServer, mongo_server: MongoServer) -> None:
    mysql_server.freeze()
    mongo_server.freeze()

    assert why_not_mysql(mysql_server.url, seconds=3) is not None
    assert why_not_mongodb(mongo_server.url, seconds=3) is not None

    mysql_server.thaw()
    mongo_server.thaw()
    wait_until(mysql_server.answers, what="MariaDB answers again", seconds=PATIENCE_S)
    wait_until(mongo_server.answers, what="MongoDB answers again", seconds=PATIENCE_S)


def test_mysql_takes_values_as_mysql_8_does(mysql_uri: str) -> None:
    name = MySqlAddress.parse(mysql_uri).database
    with connect_mysql(mysql_uri, database=name) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE strict (short VARCHAR(2), number DECIMAL(4, 2))")
        for statement in ("INSERT INTO strict (short) VALUES ('abc')", "INSERT INTO strict (number) VALUES (100)"):
            with pytest.raises(pymysql.DataError):
                cursor.execute(statement)
        cursor.execute("SELECT @@character_set_database, @@innodb_flush_log_at_trx_commit, @@tx_isolation")
        assert cursor.fetchone() == ("utf8mb4", 1, "REPEATABLE-READ")


def test_a_fresh_database_is_empty_and_no_other_test_has_it(
    mysql_uri: str, mongodb_uri: str, mongodb_database: str
) -> None:
    with pymongo.MongoClient[dict[str, object]](mongodb_uri) as client:
        assert mongodb_database not in client.list_database_names()
    name = MySqlAddress.parse(mysql_uri).database
    with connect_mysql(mysql_uri, database=name) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW TABLES")
        assert cursor.fetchall() == ()
    assert name != mongodb_database


def test_a_reserved_port_is_not_given_twice() -> None:
    first = reserve()
    try:
        with pytest.raises(ConfigError, match=f"port {first.number} on 127.0.0.1 is in use"):
            reserve(first.number, seconds=0.1)
    finally:
        first.release()

    again = reserve(first.number)
    again.release()


def test_a_folder_that_mariadb_cannot_reach_is_refused_by_name(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = MySqlServer(closed / "mysql")
    try:
        if os.geteuid() == 0:
            with pytest.raises(ConfigError, match=r"is closed to the user '(mysql|nobody)'"):
                server.start()
        else:
            assert server.start().answers()
    finally:
        server.close()


def test_a_server_that_cannot_start_says_why(server_folder: Path) -> None:
    with pytest.raises(ConfigError, match="no_such_option"):
        MySqlServer(server_folder, options=("--no_such_option",)).start()


def test_servers_die_with_the_process_that_started_them(server_folder: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path\n"
        "from tests.support.services import MySqlServer, NatsServer\n"
        f"servers = [kind(Path({str(server_folder)!r}) / kind.name).start() for kind in (MySqlServer, NatsServer)]\n"
        "print(*(server.pid for server in servers), flush=True); sys.stdin.read()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None
        pids = [int(word) for word in child.stdout.readline().split()]
        assert len(pids) == 2
        assert all(started_at(pid) for pid in pids)
        child.kill()

    wait_until(lambda: not any(started_at(pid) for pid in pids), what="the servers end", seconds=PATIENCE_S)


def test_a_nats_server_is_started_again_on_its_port(server_folder: Path) -> None:
    server = NatsServer(server_folder)
    try:
        url = server.start().url
        server.restart()
        assert server.url == url
        assert server.answers()
    finally:
        server.close()
