"""What the hosts of one process share: its stores, its venue, and what every shard is told before it works."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from shared.clock import Clock
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.instrument import Instrument
from tradeengine.journal.base import Journal
from tradeengine.runtime.account import Account
from tradeengine.runtime.alarm import Alarm, nobody
from tradeengine.runtime.committer import Committer
from tradeengine.runtime.ownership import Ownership
from tradeengine.runtime.shard import CommitListener
from tradeengine.venue.base import OrderDoor, Venue


class Briefing(NamedTuple):
    """What a shard must know before it works.

    Parameters
    ----------
    journal_id
        Name of the journal, should the shard have no record yet.
    instruments
        Trading rules of the shard's symbols.
    """

    journal_id: str
    config: TradingConfig
    instruments: Sequence[Instrument]


def as_it_is(door: OrderDoor) -> OrderDoor:
    """Put nothing before a door."""
    return door


@dataclass(frozen=True)
class Workplace:
    """What the hosts of one process share.

    Parameters
    ----------
    shards
        Number of shards that the journal must have been written with.
    listeners
        Called with each committed record; a host's gateway is served beside them.
    briefing
        Returns when the venue is open, with what a shard must know.
    alarm
        Tells operators.
    refusals
        Counts what fences keep here.
    before_door
        Puts something before the door that a shard's orders go through, such as what times them.
    """

    shards: int
    ownership: Ownership
    journal: Journal
    committer: Committer
    account: Account
    venue: Venue
    clock: Clock
    listeners: Sequence[CommitListener]
    briefing: Callable[[int], Awaitable[Briefing]]
    alarm: Alarm = nobody
    refusals: "Counter[str]" = field(default_factory=Counter)
    before_door: Callable[[OrderDoor], OrderDoor] = as_it_is
