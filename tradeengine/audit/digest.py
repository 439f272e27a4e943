"""Digests: equal rows have equal ones in every store, and a table's does not depend on the order of its rows."""

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from decimal import Decimal, InvalidOperation, localcontext
from typing import Any

import msgspec

from tradeengine.domain.money import MONEY, ZERO
from tradeengine.projection.tables import Kind, Table

# What is no JSON, because somebody put it there by hand, differs as a text.
_encoder = msgspec.json.Encoder(order="deterministic", enc_hook=repr)
_MODULUS = 1 << 256


def canonical(value: Any) -> bytes:
    """JSON of a value with its names in order: other than Python, it tells ``1`` from ``true`` and from ``1.0``."""
    return _encoder.encode(value)


def row_digest(row: Mapping[str, Any]) -> bytes:
    """SHA-256 of a row as JSON with its names in order."""
    return hashlib.sha256(canonical(row)).digest()


def _amount(text: str | None) -> Decimal:
    """Number of a text; what is none, because somebody changed it by hand, counts nothing: its row differs anyway."""
    with suppress(InvalidOperation):
        if text is not None and (number := Decimal(text)).is_finite():
            return number
    return ZERO


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
                    self.sums[name] += _amount(row[name])
        return digests

    @property
    def digest(self) -> str:
        """Hexadecimal digest of all rows."""
        return f"{self._total:064x}"
