"""A random flow through the engine and the paper venue: every signal ends exactly once, and the money adds up."""

import asyncio
from collections import Counter
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.enums import EventType, Outcome
from tests.publication.reading import events_of, terminals, translated
from tests.support.engines import SYMBOLS, make_signal, paper_venue, running_engine, send
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.decide import restore
from tradeengine.domain.events import SignalDecided
from tradeengine.domain.state import ShardState
from tradeengine.journal.memory import MemoryJournal
from tradeengine.journal.record import Record
from tradeengine.runtime.engine import Engine
from tradeengine.venue.paper.venue import PaperVenue

SHARDS = 3
PRICES = {"BTCUSDT": 50_000, "ETHUSDT": 2_500, "SOLUSDT": 150}
Key = tuple[str, str, str]

MOVES = ("buy", "sell", "close", "hold", "limit", "again", "price", "price", "tiny", "stale")
moves = st.lists(st.tuples(st.sampled_from(MOVES), st.integers(0, 99), st.integers(0, 99)), min_size=5, max_size=40)


def key_of(decision: SignalDecided) -> Key:
    return decision.strategy_id, decision.symbol, decision.signal_id


class Flow:
    """Random moves on one engine."""

    def __init__(self, engine: Engine, venue: PaperVenue) -> None:
        self._engine = engine
        self._venue = venue
        self._number = 0

    async def move(self, kind: str, a: int, b: int) -> None:
        symbol, strategy = SYMBOLS[a % 3], "AB"[b % 2]
        if kind == "price":
            self._venue.post_price(symbol, Decimal(PRICES[symbol]) * (90 + b % 21) / 100)
            # So that what the price fills is told before the next signal is decided.
            await asyncio.sleep(0)
            return
        self._number += 1
        fields: dict[str, object] = {"symbol": symbol, "signal_id": f"s{self._number}", "quantity": "0.01"}
        action = kind
        if kind == "limit":
            action = "buy"
            price = str(Decimal(PRICES[symbol]) * (95 + b % 10) / 100)
            fields |= {"order_type": "limit", "price": price, "time_in_force": ("GTC", "IOC", "FOK")[a % 3]}
        elif kind == "again":
            action, fields["signal_id"] = "buy", f"s{1 + b % self._number}"
        elif kind == "tiny":
            action, fields["quantity"] = "buy", "0.00000001"
        elif kind == "stale":
            action, fields["timestamp"] = "sell", 1_767_268_800_000
        elif kind in ("close", "hold"):
            del fields["quantity"]
        await send(self._engine, make_signal(action, strategy, **fields))


async def played(given_moves: list[tuple[str, int, int]]) -> dict[int, list[Record]]:
    """Play moves, stop the engine, and hand back what is committed."""
    journal, venue = MemoryJournal(), paper_venue()
    config = TradingConfig(stop_loss_pct=Decimal("0.03"), take_profit_pct=Decimal("0.05"))
    async with running_engine(journal, shards=SHARDS, config=config, venue=venue) as engine:
        flow = Flow(engine, venue)
        for one in given_moves:
            await flow.move(*one)
    return {shard: await journal.read(shard, 0, 1_000_000) for shard in range(SHARDS)}


def state_of(shard: int, records: list[Record]) -> ShardState:
    """What a start would know."""
    state = ShardState(shard=shard)
    for record in records:
        restore(state, record.events())
    return state


@settings(max_examples=max(5, settings().max_examples // 2))
@given(moves)
def test_every_signal_ends_exactly_once(given_moves: list[tuple[str, int, int]]) -> None:
    records = asyncio.run(played(given_moves))
    states = [state_of(shard, own) for shard, own in records.items()]
    messages = [message for shard, own in records.items() for message in translated(own, shard)]
    assert len({message.id for message in messages}) == len(messages)
    events = events_of(messages)
    decisions = [
        event
        for own in records.values()
        for record in own
        for event in record.events()
        if isinstance(event, SignalDecided)
    ]
    told = Counter(event["event_type"] for event in events)
    for outcome in (Outcome.ACCEPTED, Outcome.DUPLICATE, Outcome.HELD):
        assert told[EventType(outcome)] == sum(decision.outcome is outcome for decision in decisions)

    alive = {order_id for state in states for order_id in state.orders}
    waiting = {key_of(one) for one in decisions if alive.intersection(one.orders)}
    ended = {key_of(one) for one in decisions if one.outcome is not Outcome.DUPLICATE} - waiting
    assert terminals(events) == dict.fromkeys(ended, 1)

    fills = [event for event in events if "fill_price" in event]
    assert sum(Decimal(fill["pnl"]) for fill in fills) == sum(state.totals.realized for state in states)
    assert sum(Decimal(fill["fee"]) for fill in fills) == sum(state.totals.fees for state in states)
    assert all(fill["decision_id"] for fill in fills)
