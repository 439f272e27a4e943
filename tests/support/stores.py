"""Fresh journals of each kind, on the real stores under them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import mkdtemp

from shared.mongodb import MongoStore
from tests.support import services
from tradeengine.journal.base import Journal
from tradeengine.journal.memory import MemoryJournal
from tradeengine.journal.mongodb import MongoJournal
from tradeengine.journal.mongodb_schema import apply_schema
from tradeengine.journal.sqlite import SqliteJournal

JOURNALS = ("memory", "sqlite", "mongodb")

MakeJournal = Callable[[], Awaitable[Journal]]
"""Makes one more empty journal, opened."""


@asynccontextmanager
async def journals(kind: str, folder: Path) -> AsyncIterator[MakeJournal]:
    """Maker of journals of one kind of :data:`JOURNALS`; they are closed, and what they kept is gone, in the end."""
    async with AsyncExitStack() as stack:

        async def make() -> Journal:
            journal = await _opened(kind, folder, stack)
            stack.push_async_callback(journal.close)
            return journal

        yield make


async def _opened(kind: str, folder: Path, stack: AsyncExitStack) -> Journal:
    if kind == "mongodb":
        uri = services.mongodb_uri()
        return await empty_mongo_journal(uri, stack.enter_context(services.fresh_mongodb_database(uri)))
    journal = MemoryJournal() if kind == "memory" else SqliteJournal(Path(mkdtemp(dir=folder)) / "journal.db")
    await journal.open()
    return journal


async def empty_mongo_journal(uri: str, database: str, *, timeout_ms: int = 30_000) -> MongoJournal:
    """Journal on a database that the schema job has just made ready."""
    store = MongoStore(uri, database, timeout_ms=timeout_ms)
    await store.open()
    try:
        await apply_schema(store)
        journal = MongoJournal(store)
        await journal.open()
    finally:
        await store.close()
    return journal
