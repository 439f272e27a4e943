"""The Protocol of a register: one document that several processes change, each on what it has seen."""

from typing import NamedTuple, Protocol


class Entry(NamedTuple):
    """A register's document, as a process has seen it.

    Parameters
    ----------
    revision
        Rises with every change, 1 for the first: two that are equal have the same content.
    content
        What the processes agree on, as text.
    """

    revision: int
    content: str


class Register(Protocol):
    """Where a document is kept.

    It is replaced as a whole, and only if it still is what was seen. So whatever is checked on the content that was
    seen (that a sum stays within a limit, that a newer owner has not signed) holds for the content that is replaced,
    with no more than the atomicity of a single document. A change that arrives late finds another revision and does
    no harm.
    """

    async def open(self) -> None:
        """Make ready for use; nothing happens if it is ready.

        Raises
        ------
        ConfigError
            If the store does not fit; the text says what to do.
        RetrySafe
            If it does not answer; :meth:`open` may be called again.
        """
        ...

    async def close(self) -> None:
        """Let go of the store; the document stays as it is."""
        ...

    async def read(self) -> Entry | None:
        """The document, ``None`` if there never was one; only what can no longer be undone is told.

        Raises
        ------
        RetrySafe, Rejected, ConfigError
            If the store did not tell.
        """
        ...

    async def replace(self, seen: int, content: str) -> bool:
        """Replace the document if it still has a revision; the next one is higher by 1.

        Parameters
        ----------
        seen
            Revision that was seen, 0 for none.

        Returns
        -------
        bool
            Whether it was replaced; if not, somebody changed it meanwhile.

        Raises
        ------
        RetrySafe, Rejected, ConfigError
            If the store surely did nothing.
        OutcomeUnknown
            If it may have replaced it, or may still; the next :meth:`read` tells, or the next :meth:`replace`.
        """
        ...
