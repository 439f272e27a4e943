"""Whether a server answers at its address, in its own protocol."""

import socket
from urllib.parse import urlsplit

import pymongo
import pymysql
from pymongo.errors import PyMongoError

from shared.errors import ConfigError
from shared.mysql_address import MySqlAddress

_SECONDS = 5.0
"""How long an answer may take: a busy machine is no dead server."""


def connect_mysql(
    uri: str, *, database: str | None = None, seconds: float = 30
) -> "pymysql.Connection[pymysql.cursors.Cursor]":
    """Connect to a MySQL.

    Parameters
    ----------
    database
        By default none, whatever the URI names: it may not be there yet.
    seconds
        How long each answer may take.
    """
    address = MySqlAddress.parse(uri)
    return pymysql.connect(
        host=address.host,
        port=address.port,
        user=address.user,
        password=address.password,
        database=database,
        connect_timeout=min(seconds, _SECONDS),
        read_timeout=seconds,
        write_timeout=seconds,
        autocommit=True,
    )


def why_not_mongodb(uri: str, *, seconds: float = _SECONDS) -> str | None:
    """Why no MongoDB answers at an address; ``None`` if one does."""
    milliseconds = round(seconds * 1000)
    try:
        with pymongo.MongoClient[dict[str, object]](
            uri, serverSelectionTimeoutMS=milliseconds, timeoutMS=milliseconds
        ) as client:
            client.admin.command("ping")
    except PyMongoError as error:
        # What follows is a dump of the driver's state.
        return str(error).partition(", Timeout: ")[0]
    return None


def why_not_mysql(uri: str, *, seconds: float = _SECONDS) -> str | None:
    """Why no MySQL answers at an address; ``None`` if one does."""
    try:
        connect_mysql(uri, seconds=seconds).close()
    except (ConfigError, pymysql.MySQLError) as error:
        return str(error)
    return None


def why_not_nats(url: str, *, seconds: float = _SECONDS) -> str | None:
    """Why no nats-server answers at any address of a list; ``None`` if one does."""
    reason = "no address"
    for address in url.split(","):
        split = urlsplit(address.strip())
        try:
            with socket.create_connection((split.hostname or "127.0.0.1", split.port or 4222), seconds) as connection:
                if connection.recv(4096).startswith(b"INFO "):
                    return None
            reason = "what listens there is no nats-server"
        except (OSError, ValueError) as error:
            reason = str(error)
    return reason
