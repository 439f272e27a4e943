"""Records: what the journal holds, and their one encoding."""

import hashlib
from collections.abc import Iterator
from typing import Final

import msgspec

from contracts.enums import Outcome
from tradeengine.domain.events import AnyEvent, SignalDecided
from tradeengine.domain.inputs import AnyInput, ShardTaken, signal_key

MAX_RECORD_BYTES: Final = 8 * 2**20
"""Most bytes of a record that a shard makes, and so of an entry: it fits every store, with room to spare."""


# Nothing here holds cycles, and thousands are under way: the garbage collector need not look at them.
class Entry(msgspec.Struct, frozen=True, gc=False):
    """One input and the events that were decided from it."""

    input: AnyInput
    events: tuple[AnyEvent, ...]


class Record(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The entries of one group commit of one shard; (shard, sequence) is unique and sequences have no holes.

    Parameters
    ----------
    sequence
        1 for a shard's first record.
    epoch
        Fencing token of the lease under which it was written, 0 without a lease. No two owners of a shard ever share
        one, so no two write the same bytes at one position.
    """

    shard: int
    sequence: int
    entries: tuple[Entry, ...]
    epoch: int = 0

    @property
    def claims(self) -> bool:
        """Whether it begins an owner's tenure."""
        return bool(self.entries) and isinstance(self.entries[0].input, ShardTaken)

    def events(self) -> Iterator[AnyEvent]:
        """All events, in the order in which they were applied."""
        for entry in self.entries:
            yield from entry.events

    def decision_keys(self) -> list[str]:
        """Keys of the signals that this record decides for the first time."""
        return [
            signal_key(event.strategy_id, event.symbol, event.signal_id)
            for event in self.events()
            if isinstance(event, SignalDecided) and event.outcome is not Outcome.DUPLICATE
        ]


def decision_hash(key: str) -> bytes:
    """What a store keeps of a decision's key: 16 bytes instead of the text, for decisions are never forgotten."""
    return hashlib.blake2b(key.encode(), digest_size=16).digest()


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Record)


def encode(record: Record) -> bytes:
    """JSON of a record; the same record always gives the same bytes."""
    return _encoder.encode(record)


def decode(data: bytes) -> Record:
    """Read a record.

    Raises
    ------
    msgspec.ValidationError
        If the bytes are no record of this version of the engine or an earlier one.
    """
    return _decoder.decode(data)


class EntryTooLarge(ValueError):
    """What an input led to has no room in a record, not even in one of its own."""


def entry_size(entry: Entry) -> int:
    """Bytes that an entry takes in its record.

    Raises
    ------
    EntryTooLarge
        If there are more than :data:`MAX_RECORD_BYTES`.
    """
    size = len(_encoder.encode(entry))
    if size > MAX_RECORD_BYTES:
        raise EntryTooLarge(
            f"a {type(entry.input).__name__} led to {size} bytes, and a record has room for {MAX_RECORD_BYTES}"
        )
    return size
