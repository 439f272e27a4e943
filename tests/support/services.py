"""Real servers for tests: one of each kind for the session, or one of its own for a test that ends or freezes it.

``mongodb_uri()``, ``mysql_uri()`` and ``nats_url()`` use the server that MONGODB_URI, MYSQL_URI or NATS_URL names, and
start one for this process where it names none: it dies with the process, however that ends. ``make test`` starts them
once for all workers. Tests share these servers, so each takes a database of its own by the fixtures of
``tests/conftest.py``: ``mongodb_uri`` and ``mongodb_database``, ``mysql_uri``.

Whoever kills or freezes a server takes a private one: fixtures ``mongo_server``, ``mysql_server``, ``server_folder``.
"""

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pymongo

from scripts.devservices.folders import throw_away_folder
from scripts.devservices.mongodb import MongoServer
from scripts.devservices.mysql import MySqlServer
from scripts.devservices.nats import NatsServer
from scripts.devservices.probes import connect_mysql
from scripts.devservices.server import Server

__all__ = [
    "MongoServer",
    "MySqlServer",
    "NatsServer",
    "fresh_mongodb_database",
    "fresh_mysql_database",
    "fresh_name",
    "mongodb_uri",
    "mysql_uri",
    "nats_url",
    "throw_away_folder",
]


@lru_cache(maxsize=1)
def mongodb_uri() -> str:
    """Address of a MongoDB that the tests share."""
    return os.environ.get("MONGODB_URI") or _started(MongoServer)


@lru_cache(maxsize=1)
def mysql_uri() -> str:
    """Address of a MySQL that the tests share, with a user that may make databases."""
    return os.environ.get("MYSQL_URI") or _started(MySqlServer)


@lru_cache(maxsize=1)
def nats_url() -> str:
    """Address of a nats-server that the tests share: streams on it need names of the test's own."""
    return os.environ.get("NATS_URL") or _started(NatsServer)


def fresh_name() -> str:
    """Name that no other test, worker or run gives to its database."""
    return f"test_{uuid4().hex[:16]}"


@contextmanager
def fresh_mongodb_database(uri: str) -> Iterator[str]:
    """Name of a database that is dropped in the end, if the server still answers."""
    name = fresh_name()
    try:
        yield name
    finally:
        with pymongo.MongoClient[dict[str, object]](uri, serverSelectionTimeoutMS=5000, timeoutMS=20_000) as client:
            client.drop_database(name)


@contextmanager
def fresh_mysql_database(uri: str) -> Iterator[str]:
    """URI of a database that is made now and dropped in the end."""
    name = fresh_name()
    _execute(uri, f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
    try:
        yield urlunsplit(urlsplit(uri)._replace(path=f"/{name}"))
    finally:
        _execute(uri, f"DROP DATABASE IF EXISTS `{name}`")


def _execute(uri: str, sql: str) -> None:
    with connect_mysql(uri) as connection, connection.cursor() as cursor:
        cursor.execute(sql)


def _started(kind: type[Server]) -> str:
    folder = throw_away_folder()
    server = kind(folder.__enter__() / kind.name)
    atexit.register(folder.__exit__, None, None, None)
    atexit.register(server.close)
    return server.start().url
