"""What was published of a history, as strategies hear it."""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence

from contracts.signal import Signal
from contracts.subjects import EXECUTION_STREAM
from tests.simulation.broker import MESSAGE_ID, Broker
from tradeengine.domain.state import ShardState

Named = tuple[str, str, str]
"""Strategy, symbol and id of a signal."""


def complaints(broker: Broker, signals: Collection[Signal], states: Sequence[ShardState]) -> Iterator[str]:
    """What strategies were told too often, or not at all.

    Each signal ends in one terminal event, unless an order of it is still alive; and the stream has each event once.

    Parameters
    ----------
    states
        The books of all shards, for the orders that are alive.
    """
    stream = broker.streams.get(EXECUTION_STREAM)
    if stream is None:
        return
    ids = Counter((stored.headers or {}).get(MESSAGE_ID) for stored in stream.messages)
    yield from [f"execution event {number} was stored {times} times" for number, times in ids.items() if times > 1]
    ends: defaultdict[Named, int] = defaultdict(int)
    for stored in stream.messages:
        event = json.loads(stored.data)
        if event.get("terminal"):
            ends[event["strategy_id"], event["symbol"], event["signal_id"]] += 1
    alive = {
        (live.order.strategy_id, live.order.symbol, live.order.signal_id)
        for state in states
        for live in state.orders.values()
    }
    for signal in signals:
        named = (signal.strategy_id, signal.symbol, signal.signal_id)
        if ends[named] > 1 or (not ends[named] and named not in alive):
            yield f"signal {signal.signal_id} of {signal.strategy_id} has {ends[named]} terminal execution events"
