"""A register in memory: for tests, and for engines in one process."""

from shared.registers.base import Entry


class MemoryRegister:
    """The contract in its plainest form; see :class:`~shared.registers.base.Register`.

    Several users on one event loop may share it.
    """

    def __init__(self) -> None:
        self._entry: Entry | None = None

    async def open(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to do."""

    async def read(self) -> Entry | None:
        """The document."""
        return self._entry

    async def replace(self, seen: int, content: str) -> bool:
        """Replace the document if it still has a revision."""
        if seen != (self._entry.revision if self._entry is not None else 0):
            return False
        self._entry = Entry(seen + 1, content)
        return True
