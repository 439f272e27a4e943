"""State of one shard: what decisions are made from. Closed things leave it, so it stays small."""

import hashlib
from collections import OrderedDict
from decimal import Decimal
from typing import NamedTuple

import msgspec

from contracts.enums import PositionSide
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.events import DifferenceFound
from tradeengine.domain.inputs import SignalReceived
from tradeengine.domain.instrument import Instrument
from tradeengine.domain.money import ZERO
from tradeengine.domain.numbering import Numbering
from tradeengine.domain.orders import LiveOrder
from tradeengine.domain.position import Leg, leg_key

DAY_MS = 86_400_000

MEMORY_ENTRIES = 50_000
"""Most decisions (and trades) that a shard keeps in memory; older ones are looked up among the committed ones."""

TRADE_ENTRIES = 1_000
"""Newest trades that a shard keeps in memory whatever their age."""

ENDED_ENTRIES = 2_000
"""Most orders that a shard remembers after they ended without filling wholly."""

ENDED_MS = 3_600_000
"""How long it does so, milliseconds: a fill that comes later than that was read back by an operator."""

SETTLEMENT_ENTRIES = 20_000
"""Most settlements of funding that a shard remembers."""

SETTLEMENT_MS = 8 * DAY_MS
"""How long it does so, milliseconds: longer than the seven days that the exchange's list goes back by default."""

MAX_AHEAD = 1_000
"""Most strategies that a shard remembers future times of; beyond that one time holds for all."""

EVERY_STRATEGY = ""


class Totals(msgspec.Struct):
    """Sums over everything that the shard ever booked, in quote currency; fees positive, funding received positive.

    Parameters
    ----------
    day
        UTC day (days since 1970) that ``day_pnl`` belongs to.
    day_pnl
        Realised P&L less fees plus funding of that day.
    """

    realized: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    day: int = 0
    day_pnl: Decimal = ZERO

    def pnl_of_day(self, time_ms: int) -> Decimal:
        """Net P&L booked on the UTC day of a time."""
        return self.day_pnl if time_ms // DAY_MS == self.day else ZERO


class PriceWatch(NamedTuple):
    """Mark prices of one symbol at which a position is to be looked at: at or above the one, at or below the other."""

    above: Decimal | None = None
    below: Decimal | None = None

    def reached(self, mark: Decimal) -> bool:
        """Whether a mark price is one of those that are waited for."""
        return (self.above is not None and mark >= self.above) or (self.below is not None and mark <= self.below)


class ShardState(msgspec.Struct, kw_only=True):
    """Everything that one shard knows.

    Parameters
    ----------
    began_ms
        When the journal was opened: what the account paid before is not the books'.
    shards
        Number of shards that the journal was opened with, 0 before.
    venue
        Name of the venue that the orders are sent to.
    owner, epoch
        Process that took the shard last, and the fencing token of its lease; 0 if nobody ever needed a lease.
    orders_planned
        Number of orders planned so far: the source of order ids.
    decided
        Memory of decisions: signal key to the time of the decision, oldest first.
    forgotten_ms
        Decisions before this time may have left the memory; 0 while it is complete.
    ahead
        Latest time, per strategy, of signals that were decided well before that time came.
    trades
        Memory of booked trades: ``symbol:trade id`` to time, oldest first.
    last_trades
        Symbol to the newest trade id that was dealt with: the venue reads trades back from there. Ids that are not
        whole numbers have no order and do not count.
    changes
        How many fills and changes of orders have been booked: what came after what, whatever the clocks said.
    moved, moved_at
        Leg to the time of its newest fill, and to its number among the changes; kept when the leg is flat.
    ended
        Memory of orders that ended without filling wholly, oldest first: a fill may still turn up.
    settlements
        Memory of booked settlements: ``symbol:id`` to time, oldest first.
    room_ms
        When a conditional order left the venue last, milliseconds since 1970 UTC.
    halted
        Symbols on which openings are refused, and why.
    differences
        What differs between books and exchange and has been told, by :attr:`DifferenceFound.key`.
    numberings
        How far numbered signals have come, by :func:`.numbering.numbering_key`, that heard of least lately first.
    """

    shard: int
    began_ms: int = 0
    shards: int = 0
    journal_id: str = ""
    venue: str = "paper"
    owner: str = ""
    epoch: int = 0
    config: TradingConfig = TradingConfig()
    instruments: dict[str, Instrument] = {}
    legs: dict[str, Leg] = {}
    orders: dict[str, LiveOrder] = {}
    orders_planned: int = 0
    changes: int = 0
    decided: dict[str, int] = {}
    forgotten_ms: int = 0
    ahead: dict[str, int] = {}
    trades: dict[str, int] = {}
    last_trades: dict[str, str] = {}
    moved: dict[str, int] = {}
    moved_at: dict[str, int] = {}
    ended: dict[str, LiveOrder] = {}
    settlements: dict[str, int] = {}
    halted: dict[str, str] = {}
    differences: dict[str, DifferenceFound] = {}
    numberings: dict[str, Numbering] = {}
    room_ms: int = 0
    totals: Totals = msgspec.field(default_factory=Totals)
    peak_equity: Decimal = ZERO

    def __post_init__(self) -> None:
        # A dict looks past every place that was freed at its front to find its oldest entry; this one finds it at once.
        self.decided = OrderedDict(self.decided)
        self.trades = OrderedDict(self.trades)
        self.ended = OrderedDict(self.ended)
        self.settlements = OrderedDict(self.settlements)
        self.numberings = OrderedDict(self.numberings)

    def leg(self, symbol: str, side: PositionSide) -> Leg | None:
        """Exchange position of a symbol and side, if anything is held or under way there."""
        return self.legs.get(leg_key(symbol, side))

    @property
    def waits_for_time(self) -> bool:
        """Whether the passing of time may call for something: an order has a deadline, or something was refused."""
        return any(live.order.expires_ms is not None for live in self.orders.values()) or any(
            position.quantity < ZERO or any(refused.waiting for refused in position.refused.values())
            for leg in self.legs.values()
            for position in leg.strategies.values()
        )

    @property
    def price_watches(self) -> dict[str, "PriceWatch"]:
        """Mark prices that positions wait for, per symbol; worth asking for again when a record is committed."""
        watches: dict[str, PriceWatch] = {}
        for leg in self.legs.values():
            levels = [
                position.watch_price
                for position in leg.strategies.values()
                if position.watch_price is not None and position.closable > ZERO
            ]
            if not levels:
                continue
            former = watches.get(leg.symbol, PriceWatch())
            watches[leg.symbol] = (
                former._replace(above=min(levels))
                if leg.side is PositionSide.LONG
                else former._replace(below=max(levels))
            )
        return watches

    def needs_lookup(self, signal: SignalReceived) -> bool:
        """Whether the memory alone cannot tell if this signal was decided before.

        A first copy cannot have been decided before its own timestamp, give or take the lead that is allowed, unless
        its strategy is known to date signals ahead.
        """
        if not self.forgotten_ms or signal.key in self.decided:
            return False
        earliest = signal.timestamp_ms - self.config.max_signal_lead_ms
        ahead = max(self.ahead.get(signal.strategy_id, 0), self.ahead.get(EVERY_STRATEGY, 0))
        return earliest < self.forgotten_ms or signal.timestamp_ms <= ahead

    def canonical(self) -> bytes:
        """Canonical JSON of the whole state: equal states give equal bytes.

        Mappings keep the order in which things came, for decisions depend on it: the memory forgets the oldest first,
        and the last holder takes what rounding leaves.
        """
        return msgspec.json.encode(self)

    def digest(self) -> str:
        """SHA-256 of :meth:`canonical`, in hex."""
        return hashlib.sha256(self.canonical()).hexdigest()
