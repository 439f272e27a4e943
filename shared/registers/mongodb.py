"""A register in MongoDB: processes on any number of machines."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pymongo
from pymongo.errors import DuplicateKeyError

from shared.mongodb import MongoStore, mapped_errors
from shared.mongodb_user import MongoUser
from shared.registers.base import Entry

REGISTERS: Final = "registers"


class MongoRegister(MongoUser):
    """A document of the collection ``registers``; see :class:`~shared.registers.base.Register`.

    Parameters
    ----------
    store
        Client and database; others may use it too.
    name
        The document's ``_id``.
    timeout_s
        Deadline of each operation, seconds above 0.
    """

    def __init__(self, store: MongoStore, name: str, *, timeout_s: float = 1.0) -> None:
        super().__init__(store)
        self._name = name
        self._timeout_s = timeout_s

    async def read(self) -> Entry | None:
        """The document, as a majority of the servers has it."""
        with self._operation(writing=False):
            found = await self._store.collection(REGISTERS).find_one({"_id": self._name})
        return Entry(found["revision"], found["content"]) if found is not None else None

    async def replace(self, seen: int, content: str) -> bool:
        """Replace the document if it still has a revision."""
        registers = self._store.collection(REGISTERS)
        document = {"_id": self._name, "revision": seen + 1, "content": content}
        if not seen:
            try:
                with self._operation(writing=True):
                    await registers.insert_one(document)
            except DuplicateKeyError:
                return False
            return True
        with self._operation(writing=True):
            done = await registers.replace_one({"_id": self._name, "revision": seen}, document)
        return done.matched_count == 1

    @contextmanager
    def _operation(self, *, writing: bool) -> Iterator[None]:
        with mapped_errors(writing=writing), pymongo.timeout(self._timeout_s):
            yield
