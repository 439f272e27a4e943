"""A journal of filled orders, as the engine would have written it."""

from collections.abc import Iterable

from contracts.subjects import shard_of
from tests.benchmarks.core_subject import Exchange
from tests.benchmarks.flow import trades
from tradeengine.domain.config import TradingConfig
from tradeengine.journal.record import Entry, Record

_SEED = 20_261_121


def journal_records(orders: int, *, shards: int, orders_a_record: int) -> list[Record]:
    """Records of signals that each open, add to or close a position with one order, which fills at once.

    Parameters
    ----------
    orders
        Number of signals over all shards.
    """
    exchanges = [Exchange(TradingConfig(), shard) for shard in range(shards)]
    waiting: list[list[Entry]] = [list(exchange.entries) for exchange in exchanges]
    taken, sequences = [0] * shards, [0] * shards
    made: list[Record] = []

    def cut(shard: int) -> None:
        sequences[shard] += 1
        made.append(Record(shard, sequences[shard], tuple(waiting[shard]), epoch=1))
        waiting[shard] = []

    for number, trade in enumerate(trades(orders, _SEED)):
        shard = shard_of(trade.symbol, shards)
        exchanges[shard].take(trade, number)
        waiting[shard] += exchanges[shard].entries
        taken[shard] += 1
        if taken[shard] % orders_a_record == 0:
            cut(shard)
    for shard in range(shards):
        if waiting[shard]:
            cut(shard)
    return made


def events_of(records: Iterable[Record]) -> int:
    """Number of events."""
    return sum(len(entry.events) for record in records for entry in record.entries)
