"""Digests: equal rows have equal ones in every store, and a table's does not depend on the order of its rows."""

import hashlib
from collections.abc import Iterable, Mapping
from decimal import Decimal, localcontext
from typing import Any

import msgspec

from tradeengine.domain.money import MONEY, ZERO
from tradeengine.projection.tables import Kind, Table

_encoder = msgspec.json.Encoder(order="deterministic")
_MODULUS = 1 << 256


def row_digest(row: Mapping[str, Any]) -> bytes:
    """SHA-256 of a row as JSON with its names in order."""
    return hashlib.sha256(_encoder.encode(row)).digest()


class TableDigest:
    """Count, sums and digest of a table's rows, in one pass and constant memory."""

    def __init__(self, table: Table) -> None:
        self._decimals = [name for name, kind in table.columns.items() if kind is Kind.DECIMAL]
        self._total = 0
        self.rows = 0
        self.sums: dict[str, Decimal] = dict.fromkeys(self._decimals, ZERO)

    def add(self, rows: Iterable[Mapping[str, Any]]) -> list[bytes]:
        """Take rows in.

        Returns
        -------
        list of bytes
            Digest of each row.
        """
        digests = []
        with localcontext(MONEY):
            for row in rows:
                digest = row_digest(row)
                digests.append(digest)
                # A sum, so that two rows that are alike do not cancel each other out.
                self._total = (self._total + int.from_bytes(digest)) % _MODULUS
                self.rows += 1
                for name in self._decimals:
                    if row[name] is not None:
                        self.sums[name] += Decimal(row[name])
        return digests

    @property
    def digest(self) -> str:
        """Hexadecimal digest of all rows."""
        return f"{self._total:064x}"
