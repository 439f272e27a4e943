"""Stores: where the truth, the leases and the copies are kept, as the settings say."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from contracts.query import Page
from shared.clock import Clock
from shared.leases.base import LeaseStore
from shared.leases.mongodb import MongoLeases
from shared.leases.sqlite import SqliteLeases
from shared.mongodb import MongoStore
from shared.mysql_address import MySqlAddress
from shared.registers.base import Register
from shared.registers.mongodb import MongoRegister
from shared.settings import Settings
from tradeengine.journal.archive import Archive
from tradeengine.journal.archive_whole import WholeJournal
from tradeengine.journal.base import Journal
from tradeengine.journal.mongodb import MongoJournal
from tradeengine.journal.sqlite import SqliteJournal
from tradeengine.projection.base import OnParked, ReadModel
from tradeengine.projection.mongodb import MongoReadModel
from tradeengine.projection.mysql import MySqlReadModel
from tradeengine.projection.sqlite import SqliteReadModel
from tradeengine.publication.checkpoints import CheckpointStore, MemoryCheckpoints
from tradeengine.publication.checkpoints_mongodb import MongoCheckpoints
from tradeengine.publication.checkpoints_sqlite import SqliteCheckpoints
from tradeengine.runtime.files import archive_folder, journal_file, leases_file, publication_file, read_model_file
from tradeengine.runtime.limits.escrow import LEDGER

MONGODB: Final = "mongodb"
SQLITE: Final = "sqlite"
_LONGEST_RENEWAL_S: Final = 3.0
_RENEWAL_SHARE: Final = 0.25
"""Of the lease time: a renewal that was lost must be repeated before the lease is over."""


class Tables(ReadModel, Protocol):
    """A read model that answers questions too."""

    async def close(self) -> None:
        """Release the store."""
        ...

    async def query(
        self, table: str, *, filters: Mapping[str, str], sort: str | None, cursor: str | None, limit: int
    ) -> Page:
        """Rows of a table; parameters and errors as of :func:`~tradeengine.projection.query.parse_query`."""
        ...


@dataclass(frozen=True, slots=True)
class Stores:
    """Where an engine keeps what it must not lose, and what is made from it.

    Parameters
    ----------
    kind
        ``mongodb`` or ``sqlite``: what keeps all but the copy.
    read_model
        What the API answers from.
    copy
        The analysts' copy in MySQL, where one is configured. It may be away for as long as it likes.
    archive
        What was archived of the journal.
    register
        Where engines deal out the account's limits, if others may work on the account too.
    publications
        How far execution events and alerts are published; opened by who publishes.
    """

    kind: str
    journal: Journal
    leases: LeaseStore
    read_model: Tables
    copy: Tables | None
    archive: Archive
    register: Register | None = None
    publications: CheckpointStore = field(default_factory=MemoryCheckpoints)

    @property
    def history(self) -> Journal:
        """The journal with its archive behind it, for who may have to begin with the first record."""
        return WholeJournal(self.archive, self.journal)

    @property
    def shared(self) -> bool:
        """Whether a server keeps the truth: it may be away when the engine starts, and others may work on it too."""
        return self.kind == MONGODB

    async def open(self) -> AsyncExitStack:
        """Open what the engine cannot work without; who calls closes it by what is returned.

        Raises
        ------
        ConfigError
            If a store can never be used as it is.
        RetrySafe
            If one does not answer; it may be tried again.
        """
        stack = AsyncExitStack()
        try:
            for store in (self.journal, self.leases, self.read_model, self.register):
                if store is None:
                    continue
                await store.open()
                stack.push_async_callback(store.close)
        except BaseException:
            await stack.aclose()
            raise
        return stack


def make_stores(settings: Settings, folder: Path, venue: str, clock: Clock, on_parked: OnParked) -> Stores:
    """Make the stores that the settings name; nothing is opened.

    Parameters
    ----------
    folder
        Data folder, for what is not kept by a server.
    venue
        Name of the venue, for the tables.
    on_parked
        Told of each row that a store refused.

    Raises
    ------
    ConfigError
        If an address cannot be read.
    """
    copy = _copy(settings, venue, clock, on_parked)
    archive = Archive(settings.archive_dir or archive_folder(folder))
    if settings.mongodb_uri is None:
        return Stores(
            SQLITE,
            SqliteJournal(journal_file(folder)),
            SqliteLeases(leases_file(folder)),
            SqliteReadModel(read_model_file(folder), venue=venue, clock=clock),
            copy,
            archive,
            publications=SqliteCheckpoints(publication_file(folder)),
        )
    store = MongoStore(settings.mongodb_uri, settings.mongodb_database, timeout_ms=settings.mongodb_timeout_ms)
    return Stores(
        MONGODB,
        MongoJournal(store),
        MongoLeases(store, timeout_s=min(_LONGEST_RENEWAL_S, float(settings.lease_seconds) * _RENEWAL_SHARE)),
        MongoReadModel(store, venue=venue, clock=clock, on_parked=on_parked),
        copy,
        archive,
        MongoRegister(store, LEDGER),
        publications=MongoCheckpoints(store),
    )


def _copy(settings: Settings, venue: str, clock: Clock, on_parked: OnParked) -> MySqlReadModel | None:
    if settings.mysql_address is None:
        return None
    address = MySqlAddress.parse(settings.mysql_address)
    return MySqlReadModel(address, venue=venue, clock=clock, on_parked=on_parked)
