"""Ledger: what must be remembered of earlier records to say what later ones mean to a strategy."""

import zlib
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from contracts.enums import OrderPurpose, OrderStatus, PositionSide, Refusal, Side
from tradeengine.domain.money import ZERO
from tradeengine.domain.state import ENDED_ENTRIES, ENDED_MS

VERSION: Final = 2


class End(msgspec.Struct, frozen=True):
    """How an order ended, told once the fills that the venue speaks of are here too."""

    status: OrderStatus
    executed: Decimal | None = None
    reason: str | None = None
    refusal: Refusal | None = None


class OrderNote(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An order that somebody will hear of again.

    Parameters
    ----------
    decision_id
        Decision that it goes back to; empty if nobody decided, such as for what was adopted.
    asked
        Whether a signal asked for it; the engine itself did otherwise.
    told
        Whether it was told as placed.
    cancelled_for
        Why the engine wants it cancelled, if it does.
    changed_ms
        When it ended, milliseconds since 1970 UTC.
    """

    strategy_id: str
    signal_id: str
    decision_id: str
    symbol: str
    side: Side
    position_side: PositionSide
    purpose: OrderPurpose
    quantity: Decimal
    price: Decimal | None = None
    position_id: str | None = None
    asked: bool = False
    told: bool = False
    venue_order_id: str | None = None
    cancelled_for: str | None = None
    filled: Decimal = ZERO
    end: End | None = None
    changed_ms: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether nothing more should happen to it, by what the venue has said."""
        if self.filled >= self.quantity:
            return True
        return self.end is not None and (self.end.executed is None or self.end.executed <= self.filled)


class PositionNote(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An open strategy position.

    Parameters
    ----------
    signal_id, decision_id
        Signal that opened it, and its decision; empty if nobody decided.
    decisions
        Decisions of other signals that it was closed for, where they are not named like the signal.
    """

    strategy_id: str
    signal_id: str
    decision_id: str
    decisions: dict[str, str] = {}


class Ledger(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One shard's memory; a function of its records up to ``sequence`` and of nothing else.

    It is as small as what is open, and what the core itself remembers of ended orders.

    Parameters
    ----------
    orders
        Live orders by client order id.
    ended
        Orders that ended before they filled wholly, oldest first: a fill may still turn up.
    pending
        Orders that accepted signals still wait for, by the signal's key: a list for each of that name, since a name
        may come back, after it was forgotten, before the orders of its first signal have ended.
    """

    shard: int
    version: int = VERSION
    sequence: int = 0
    journal_id: str = ""
    orders: dict[str, OrderNote] = {}
    ended: dict[str, OrderNote] = {}
    positions: dict[str, PositionNote] = {}
    pending: dict[str, list[list[str]]] = {}

    def order(self, order_id: str) -> OrderNote | None:
        """A live order, or one that has ended lately."""
        return self.orders.get(order_id) or self.ended.get(order_id)

    def drop(self, order_id: str, time_ms: int) -> None:
        """An order has come to its end."""
        note = self.orders.pop(order_id)
        if note.filled >= note.quantity:
            return
        note.changed_ms = time_ms
        self.ended[order_id] = note
        # As long as the core does: what it does not know any more, it books as somebody else's.
        for oldest in list(self._overdue(time_ms)):
            del self.ended[oldest]

    def _overdue(self, time_ms: int) -> Iterator[str]:
        surplus = len(self.ended) - ENDED_ENTRIES
        for number, (order_id, note) in enumerate(self.ended.items()):
            if number >= surplus and note.changed_ms >= time_ms - ENDED_MS:
                return
            yield order_id

    def wait(self, signal_key: str, order_ids: Sequence[str]) -> None:
        """Note that an accepted signal ends with the last of these orders."""
        self.pending.setdefault(signal_key, []).append(list(order_ids))

    def release(self, signal_key: str, order_id: str) -> bool:
        """Note that a signal waits for an order no more; whether it was the last one."""
        signals = self.pending.get(signal_key, [])
        waiting = next((order_ids for order_ids in signals if order_id in order_ids), None)
        if waiting is None:
            return False
        waiting.remove(order_id)
        if waiting:
            return False
        signals.remove(waiting)
        if not signals:
            del self.pending[signal_key]
        return True

    def decision_of(self, strategy_id: str, signal_id: str, position_id: str | None) -> str:
        """Decision of a signal that an order is planned for after the signal was decided."""
        held = self.positions.get(position_id or "")
        if held is not None and held.signal_id == signal_id:
            return held.decision_id
        if held is not None and signal_id in held.decisions:
            return held.decisions[signal_id]
        for notes in (self.orders, self.ended, self.positions):
            for note in notes.values():
                if (note.strategy_id, note.signal_id) == (strategy_id, signal_id):
                    return note.decision_id
        return signal_id


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Ledger)


def pack(ledger: Ledger) -> bytes:
    """Encode a ledger for a store."""
    return zlib.compress(_encoder.encode(ledger), 1)


def unpack(data: bytes) -> Ledger | None:
    """Read a ledger back; ``None`` if it is of another version, and must be made from the records."""
    try:
        ledger = _decoder.decode(zlib.decompress(data))
    except (msgspec.MsgspecError, zlib.error):
        return None
    return ledger if ledger.version == VERSION else None
