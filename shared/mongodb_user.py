"""Who uses a MongoDB client that others may use as well."""

from shared.mongodb import MongoStore


class MongoUser:
    """Opens the client with the first :meth:`open` and lets go of it with :meth:`close`.

    Parameters
    ----------
    store
        The client and its database; others may use it too.
    """

    def __init__(self, store: MongoStore) -> None:
        self._store = store
        self._is_open = False

    async def open(self) -> None:
        """Connect; nothing happens if that is done.

        Raises
        ------
        ConfigError
            If URI, database name or credentials are refused.
        RetrySafe
            If no server answers.
        """
        if not self._is_open:
            await self._store.open()
            self._is_open = True

    async def close(self) -> None:
        """Let go of the client; what is stored stays as it is."""
        if self._is_open:
            self._is_open = False
            await self._store.close()
