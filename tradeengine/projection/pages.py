"""Pages: how many records are read from the journal at once, so that few large ones do not fill the memory."""

from collections.abc import Sequence
from typing import Final

from tradeengine.journal.record import Record, encode

PAGE_BYTES: Final = 8 * 2**20
"""What a page should hold at most; a record that is larger is a page of its own."""

_MOST_RECORDS: Final = 200
_GROWTH: Final = 4


class PageSize:
    """Number of records that fit in a page, going by those of the page before.

    It begins with one record and grows at most fourfold from page to page, so a page exceeds its bytes only where
    records grow from one to the next.
    """

    def __init__(self) -> None:
        self.limit = 1
        """Most records to ask for."""

    def saw(self, records: Sequence[Record]) -> None:
        """Take note of a page."""
        largest = max([len(encode(record)) for record in records], default=0)
        fitting = PAGE_BYTES // largest if largest else _MOST_RECORDS
        self.limit = max(1, min(_GROWTH * self.limit, fitting, _MOST_RECORDS))
