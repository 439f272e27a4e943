"""MongoDB: the one way in which a client is made, and numbers that keep every digit."""

import asyncio
import decimal
from decimal import Decimal
from typing import Any, Final

from bson.decimal128 import Decimal128
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from shared.errors import ConfigError, Rejected, RetrySafe
from shared.mongodb_errors import DUPLICATE_KEY, error_for, mapped_errors

Document = dict[str, Any]

_LONGEST_CONNECT_MS: Final = 2_000


class MongoStore:
    """One client on one database, for all that a process keeps there.

    Writes are confirmed by a majority and on disk, reads see what a majority has. The driver repeats no write: each
    call is one attempt with one outcome, and who called decides what follows. Reads are repeated within the deadline.

    Parameters
    ----------
    uri
        ``mongodb://`` or ``mongodb+srv://``; its credentials appear in no error.
    database
        Name of the database.
    timeout_ms
        Deadline of every operation, milliseconds above 0: choosing a server, connecting, asking and answering.
    app_name
        Shown in the server's log and in its list of operations.
    """

    def __init__(self, uri: str, database: str, *, timeout_ms: int = 5_000, app_name: str = "tradeengine") -> None:
        self.name = database
        self._uri = uri
        self._options: dict[str, Any] = {
            "appname": app_name,
            # Takes the place of socketTimeoutMS, and goes to the server as maxTimeMS, so that it gives up as well.
            "timeoutMS": timeout_ms,
            "serverSelectionTimeoutMS": timeout_ms,
            # Less than the deadline: a member that swallows packets leaves time to ask another.
            "connectTimeoutMS": min(_LONGEST_CONNECT_MS, timeout_ms),
            "w": "majority",
            "journal": True,
            "readConcernLevel": "majority",
            # A write that is repeated out of sight would hide that its first attempt may have been done.
            "retryWrites": False,
            "retryReads": True,
            "readPreference": "primary",
            "tz_aware": True,
            "uuidRepresentation": "standard",
        }
        self._users = 0
        self._opening = asyncio.Lock()
        self._client: AsyncMongoClient[Document] | None = None
        self._database: AsyncDatabase[Document] | None = None

    async def open(self) -> None:
        """Connect and ask the server once; who opens it closes it, and the last to close it disconnects.

        Raises
        ------
        ConfigError
            If URI, database name or credentials are refused.
        RetrySafe
            If no server answers; :meth:`open` may be called again.
        """
        async with self._opening:
            if self._client is None:
                self._client, self._database = await self._connected()
            self._users += 1

    async def close(self) -> None:
        """Give it back; the last one ends the connections, and operations under way fail."""
        self._users = max(0, self._users - 1)
        if self._users:
            return
        client, self._client, self._database = self._client, None, None
        if client is not None:
            await client.close()

    @property
    def is_open(self) -> bool:
        """Whether :meth:`open` has succeeded and :meth:`close` was not called since."""
        return self._client is not None

    @property
    def database(self) -> AsyncDatabase[Document]:
        """The database.

        Raises
        ------
        RetrySafe
            While the store is not open.
        """
        if self._database is None:
            raise RetrySafe(f"the MongoDB database {self.name} is not connected; try again later")
        return self._database

    def collection(self, name: str) -> AsyncCollection[Document]:
        """A collection of the database; see :attr:`database`."""
        return self.database[name]

    async def _connected(self) -> tuple[AsyncMongoClient[Document], AsyncDatabase[Document]]:
        client = self._made()
        try:
            with mapped_errors(writing=False):
                database = client[self.name]
                await database.command("ping")
        except BaseException:
            await client.close()
            raise
        return client, database

    def _made(self) -> AsyncMongoClient[Document]:
        try:
            return AsyncMongoClient(self._uri, **self._options)
        except (PyMongoError, TypeError, ValueError) as error:
            # The driver's texts quote the URI: they are shown only where it names no user.
            told = "user name and password must be percent-encoded" if "@" in self._uri else str(error)
            raise ConfigError(f"the MongoDB URI cannot be used: {told}; correct MONGODB_URI") from None


def to_decimal128(value: Decimal) -> Decimal128:
    """Give a number the type that MongoDB calculates with, exactly.

    Raises
    ------
    Rejected
        If it is no number, or needs more than 34 digits or an exponent beyond ±6144: it is never rounded on the way.
    """
    if not value.is_finite():
        raise Rejected(f"{value} is no number that MongoDB should keep; find out who made it")
    try:
        return Decimal128(value)
    except decimal.DecimalException:
        raise Rejected(f"{value} does not fit Decimal128, which holds 34 digits; round it where it is made") from None


def from_decimal128(value: Decimal128) -> Decimal:
    """Number as it was written, with its trailing zeros."""
    return value.to_decimal()


__all__ = [
    "DUPLICATE_KEY",
    "Document",
    "MongoStore",
    "error_for",
    "from_decimal128",
    "mapped_errors",
    "to_decimal128",
]
