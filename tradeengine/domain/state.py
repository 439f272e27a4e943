"""State of one shard: what decisions are made from. Closed things leave it, so it stays small."""

import hashlib
from collections import OrderedDict
from decimal import Decimal

import msgspec

from contracts.enums import PositionSide
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.inputs import SignalReceived
from tradeengine.domain.instrument import Instrument
from tradeengine.domain.money import ZERO
from tradeengine.domain.orders import LiveOrder
from tradeengine.domain.position import Leg, leg_key

DAY_MS = 86_400_000

MEMORY_ENTRIES = 50_000
"""Most decisions (and trades) that a shard keeps in memory; older ones are looked up among the committed ones."""

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


class ShardState(msgspec.Struct, kw_only=True):
    """Everything that one shard knows.

    Parameters
    ----------
    shards
        Number of shards that the journal was opened with, 0 before.
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
    """

    shard: int
    shards: int = 0
    journal_id: str = ""
    config: TradingConfig = TradingConfig()
    instruments: dict[str, Instrument] = {}
    legs: dict[str, Leg] = {}
    orders: dict[str, LiveOrder] = {}
    orders_planned: int = 0
    decided: dict[str, int] = {}
    forgotten_ms: int = 0
    ahead: dict[str, int] = {}
    trades: dict[str, int] = {}
    totals: Totals = msgspec.field(default_factory=Totals)
    peak_equity: Decimal = ZERO

    def __post_init__(self) -> None:
        # A dict looks past every place that was freed at its front to find its oldest entry; this one finds it at once.
        self.decided = OrderedDict(self.decided)
        self.trades = OrderedDict(self.trades)

    def leg(self, symbol: str, side: PositionSide) -> Leg | None:
        """Exchange position of a symbol and side, if anything is held or under way there."""
        return self.legs.get(leg_key(symbol, side))

    @property
    def waits_for_time(self) -> bool:
        """Whether the passing of time may call for something: an order has a deadline, or something was refused."""
        return any(live.order.expires_ms is not None for live in self.orders.values()) or any(
            position.refused_ms is not None or position.quantity < ZERO
            for leg in self.legs.values()
            for position in leg.strategies.values()
        )

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
