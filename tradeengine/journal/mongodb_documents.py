"""Documents of the collection ``journal``: one a record, with the position as its ``_id``."""

import asyncio
import zlib
from typing import Final

from bson.int64 import Int64

from shared.errors import Rejected
from shared.mongodb import Document
from tradeengine.journal.record import Record, decision_hash, encode

COLLECTION: Final = "journal"

MAX_BYTES: Final = 15 * 2**20
"""Most bytes of a document that the engine writes; MongoDB takes 16 MiB (MongoDB manual, Limits and Thresholds)."""

_POSITIONS: Final = 2**40
_AROUND: Final = 512
_PER_HASH: Final = 32


def position(shard: int, sequence: int) -> Int64:
    """Give a record its ``_id``: all records in the order of shard and sequence, a million million to a shard."""
    return Int64(shard * _POSITIONS + sequence)


def place(position: int) -> tuple[int, int]:
    """Shard and sequence of a position."""
    return divmod(position, _POSITIONS)


async def to_document(record: Record, max_bytes: int = MAX_BYTES) -> Document:
    """Document of a record; its payload is compressed only where it would not fit otherwise.

    Raises
    ------
    Rejected
        If it does not fit compressed either.
    """
    payload = encode(record)
    decided = [decision_hash(key) for key in record.decision_keys()]
    document: Document = {
        "_id": position(record.shard, record.sequence),
        "shard": record.shard,
        "sequence": Int64(record.sequence),
        "epoch": Int64(record.epoch),
        "payload": payload,
        "decided": decided,
    }
    room = max_bytes - _AROUND - _PER_HASH * len(decided)
    if len(payload) > room:
        # Rare, and long enough to hold up everything else.
        document["payload"] = await asyncio.to_thread(zlib.compress, payload)
        document["codec"] = "zlib"
        if len(document["payload"]) > room:
            raise Rejected(
                f"record {record.sequence} of shard {record.shard} has {len(payload)} bytes, "
                f"{len(document['payload'])} compressed, and MongoDB has room for {room}; "
                "what it is made from must be left out"
            )
    return document


def payload_of(document: Document) -> bytes:
    """Encoded record of a document, of this version or an earlier one."""
    payload: bytes = document["payload"]
    return zlib.decompress(payload) if document.get("codec") == "zlib" else payload
