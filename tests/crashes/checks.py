"""What must hold of journal and copies when nobody works any more, and of stops at any time."""

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from contracts.enums import OrderPurpose, Outcome
from shared.clock import Clock
from tests.crashes.databases import Databases
from tradeengine.audit.audit import Audit
from tradeengine.audit.mongodb_copy import MongoCopy
from tradeengine.domain.events import OrderPlanned, SignalDecided
from tradeengine.domain.state import ShardState
from tradeengine.journal.base import Journal
from tradeengine.projection.mysql import MySqlReadModel


def stops(states: Sequence[ShardState]) -> list[str]:
    """Whether each position has exactly one stop; that it rests as planned is compared with the exchange."""
    live = Counter(
        (each.order.strategy_id, each.order.symbol, each.order.position_side)
        for state in states
        for each in state.orders.values()
        if each.order.purpose is OrderPurpose.STOP_LOSS
    )
    held = Counter(
        (position.strategy_id, leg.symbol, leg.side)
        for state in states
        for leg in state.legs.values()
        for position in leg.strategies.values()
        if position.quantity
    )
    return [] if live == held else [f"stops of {dict(live)}, positions {dict(held)}"]


async def check_journal(journal: Journal, signals: Collection[str]) -> None:
    """Insist that each signal has one decision that counts, each opening one order, and each position one owner.

    Parameters
    ----------
    signals
        Ids of all that were sent; each opening among them asks for a quantity of its own.
    """
    decided: Counter[str] = Counter()
    openings: Counter[str] = Counter()
    for shard in await journal.shards():
        records = await journal.read(shard, 0, 1_000_000)
        assert [record.sequence for record in records] == list(range(1, len(records) + 1)), f"holes in shard {shard}"
        epochs = [record.epoch for record in records]
        assert epochs == sorted(epochs), f"a former owner wrote to shard {shard} after its successor: {epochs}"
        for event in [event for record in records for event in record.events()]:
            if isinstance(event, SignalDecided) and event.outcome is not Outcome.DUPLICATE:
                decided[event.signal_id] += 1
            if isinstance(event, OrderPlanned) and event.order.purpose.opening:
                openings[f"{event.order.strategy_id} {event.order.quantity}"] += 1
    assert decided == Counter([*signals]), f"decisions: {decided}"
    assert set(openings.values()) == {1}, f"orders of openings: {openings}"


async def check_copies(journal: Journal, databases: Databases, venue: str, clock: Clock, folder: Path) -> None:
    """Insist that both copies say what the journal says, up to its last record."""
    audit = Audit(journal, venue=venue, clock=clock, folder=folder, limit=3)
    for name, copy in (
        ("mongodb", MongoCopy(databases.store_beside, clock)),
        ("mysql", MySqlReadModel(databases.address, venue=venue, clock=clock)),
    ):
        await copy.open()
        try:
            report = await audit.compare(name, copy)
        finally:
            await copy.close()
        assert report.equal, f"{report}"
        assert not report.behind, f"{name} lacks {report.behind}"
