"""Redo: a batch of rows that a shard's checkpoint promises, so that whoever comes next can finish it.

MongoDB is asked for nothing but single documents that change at once. So the rows of a batch, as absolute values,
first become part of the shard's checkpoint; then they are written, however often and by whomever; then the checkpoint
moves on. There they are one binary value, documents in BSON one behind the other: a server has nothing to look into.
"""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple, Self

import bson
import msgspec
from bson.errors import BSONError

from contracts.enums import CloseReason, PositionSide
from shared.errors import Rejected
from shared.mongodb import Document
from tradeengine.projection.base import ParkedRow
from tradeengine.projection.batch import Batch, PendingRow
from tradeengine.projection.changes import CloseContributions, Key
from tradeengine.projection.mongodb_codec import CODEC, row_id, to_store
from tradeengine.projection.prefetch import Rest, RowName, no_rest
from tradeengine.projection.sqlite_codec import decimal_text
from tradeengine.projection.tables import TABLES, Kind

PARKED: Final = "parked_rows"

MAX_ROW_BYTES: Final = 12 * 2**20
"""Most that is written into one document at once; MongoDB allows 16 MiB (MongoDB manual, Limits and Thresholds)."""

GENERATION_STEP: Final = 2**40
"""Above every sequence."""

_MAX_SHOWN = 100_000


class Position(NamedTuple):
    """Where a shard's rows are: its generation, which rises when they are made anew, and the newest applied record.

    Parameters
    ----------
    time_ms
        Time of that record or of a later one before it, milliseconds since 1970 UTC.
    """

    generation: int
    sequence: int
    time_ms: int

    @property
    def mark(self) -> int:
        """What rows that were written on the way here are marked with: greater means newer."""
        return self.generation * GENERATION_STEP + self.sequence


class Redo(NamedTuple):
    """A promised batch.

    Parameters
    ----------
    to
        Where the shard is once it is written.
    rows
        Documents with ``table``, ``id``, ``set`` and, for rows that are to be made, ``made``: what only a new
        document gets.
    closings
        Positions whose contributions are to be closed after that.
    parked
        What is among the rows because its own table could not hold it.
    clear
        Whether, instead, all rows of former generations are to go.
    packed
        The rows in BSON, if they are known; a redo that was found needs none.
    chunked
        Whether the rows are kept apart from the checkpoint.
    """

    shard: int
    to: Position
    rows: Sequence[Document] = ()
    closings: Sequence[CloseContributions] = ()
    parked: Sequence[ParkedRow] = ()
    clear: bool = False
    packed: Sequence[bytes] = ()
    chunked: bool = False

    @property
    def size(self) -> int:
        """Bytes of the packed rows."""
        return sum(map(len, self.packed))

    def document(self, chunks: Sequence[str] = ()) -> Document:
        """What the checkpoint holds; rows that do not fit are in chunks of these ids."""
        return {
            "to": self.to.sequence,
            "time_ms": self.to.time_ms,
            "clear": self.clear,
            "rows": b"" if chunks else b"".join(self.packed),
            "chunks": list(chunks),
            "closings": [_closing_document(closing) for closing in self.closings],
        }

    @classmethod
    def of(cls, shard: int, generation: int, held: Document, rows: Sequence[Document]) -> Self:
        """Redo that a checkpoint holds, with the rows of its chunks if they are there."""
        closings = [_closing(document) for document in held["closings"]]
        parked = [parked_row(row) for row in rows if row["table"] == PARKED]
        to = Position(generation, held["to"], held["time_ms"])
        return cls(shard, to, rows, closings, parked, held["clear"], chunked=bool(held["chunks"]))


def planned(shard: int, to: Position, batch: Batch, exists: Callable[[RowName], bool], rest: Rest = no_rest) -> Redo:
    """Redo that leaves the rows as a batch has them; a row that no document can hold is parked.

    Parameters
    ----------
    exists
        Whether a row is known to be there: nothing is prepared to make it, which a server does at some cost.
    rest
        Called between rows.
    """
    rows, packed, parked = [], [], []
    for place, (name, pending) in enumerate(batch.rows.items()):
        rest()
        made = order_text(shard, to, place)
        try:
            row = _row(name, pending, None if exists(name) else made)
            held = bson.encode(row, codec_options=CODEC)
            if len(held) > MAX_ROW_BYTES:
                raise Rejected(f"{len(held)} bytes are more than the {MAX_ROW_BYTES} that a document may be given")
        except (Rejected, BSONError, OverflowError, UnicodeEncodeError) as error:
            refused = ParkedRow(name[0], key_text(name[1]), str(error)[:500], shard, to.sequence)
            parked.append(refused)
            row = parked_document(refused, pending.values, made)
            held = bson.encode(row, codec_options=CODEC)
        rows.append(row)
        packed.append(held)
    return Redo(shard, to, rows, tuple(batch.closings), tuple(parked), packed=packed)


def unpacked(held: bytes | Sequence[Document]) -> Sequence[Document]:
    """Rows of what a checkpoint or a chunk holds; the first engines kept them as documents."""
    return bson.decode_all(held, CODEC) if isinstance(held, bytes) else held


def order_text(shard: int, to: Position, place: int) -> str:
    """Text that sorts as rows are made: by time, and within a batch by their places in it."""
    return f"{to.time_ms:011x}{shard:03x}{to.sequence:010x}{place:06x}"


def in_chunks(packed: Sequence[bytes], most: int) -> Iterator[bytes]:
    """Packed rows in pieces of at most so many bytes, or of one row."""
    chunk: list[bytes] = []
    total = 0
    for row in packed:
        if chunk and total + len(row) > most:
            yield b"".join(chunk)
            chunk, total = [], 0
        chunk.append(row)
        total += len(row)
    if chunk:
        yield b"".join(chunk)


def key_text(key: Key) -> str:
    """Text that tells a key, whatever it holds."""
    return _storable("/".join(map(str, key)))


def parked_document(row: ParkedRow, values: Any, made: str) -> Document:
    """Row of ``parked_rows``; the values are a text, cut to the first 100,000 characters."""
    try:
        text = msgspec.json.encode(values, enc_hook=str).decode()
    except (UnicodeEncodeError, TypeError, ValueError):
        text = ascii(values)
    shown = {"reason": _storable(row.reason), "row": text[:_MAX_SHOWN], "row_characters": len(text)}
    key = {"table": row.table, "key": row.key, "shard": row.shard, "sequence": row.sequence}
    return {
        "table": PARKED,
        "id": f"{row.table}/{row.shard}/{row.sequence}/{row.key[:500]}",
        "set": shown,
        "made": {**key, "_made": made},
    }


def parked_row(document: Document) -> ParkedRow:
    """Parked row of a redo's row."""
    made = document["made"]
    return ParkedRow(made["table"], made["key"], document["set"]["reason"], made["shard"], made["sequence"])


def _row(name: RowName, pending: PendingRow, made: str | None) -> Document:
    table, key = TABLES[name[0]], name[1]
    kinds = table.columns
    row: Document = {
        "table": table.name,
        "id": row_id(table, key),
        "set": {column: to_store(kinds[column], value) for column, value in pending.values.items()},
    }
    if pending.made and made is not None:
        columns = {column: to_store(kinds[column], value) for column, value in zip(table.key, key, strict=True)}
        row["made"] = {**columns, "_made": made}
    return row


def _closing_document(closing: CloseContributions) -> Document:
    # Sums as texts: an intermediate figure may have more digits than Decimal128 holds.
    return {
        "position_id": closing.position_id,
        "position_side": str(closing.position_side),
        "exit_quantity": decimal_text(closing.exit_quantity),
        "exit_value": decimal_text(closing.exit_value),
        "exit_time": to_store(Kind.TIME, closing.exit_time),
        "close_reason": str(closing.close_reason),
    }


def _closing(document: Document) -> CloseContributions:
    return CloseContributions(
        position_id=document["position_id"],
        position_side=PositionSide(document["position_side"]),
        exit_quantity=Decimal(document["exit_quantity"]),
        exit_value=Decimal(document["exit_value"]),
        exit_time=int(document["exit_time"]),
        close_reason=CloseReason(document["close_reason"]),
    )


def _storable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
