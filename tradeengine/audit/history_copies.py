"""The copies' side of the history: which decisions, orders and fills they hold."""

from collections.abc import Callable, Mapping
from typing import Final

from tradeengine.audit.copy import Copy, Row, pages
from tradeengine.audit.history_file import HistoryFile
from tradeengine.domain.inputs import signal_key, trade_key

DECISIONS, ORDERS, FILLS = "decisions", "orders", "fills"
_KEYS: Final[Mapping[str, Callable[[Row], str]]] = {
    DECISIONS: lambda row: signal_key(row["strategy_id"], row["symbol"], row["signal_id"]),
    ORDERS: lambda row: str(row["order_id"]),
    FILLS: lambda row: trade_key(row["symbol"], row["trade_id"]),
}
_HELD: Final = "INSERT OR IGNORE INTO held VALUES (?, ?, ?, ?, ?)"


async def read_copy(
    name: str, copy: Copy, shards: list[int], file: HistoryFile, tell: Callable[[int], None]
) -> dict[int, int]:
    """Read a copy into the file.

    Returns
    -------
    dict of int to int
        The newest record that it had applied before, by shard.
    """
    position = {shard: await copy.checkpoint(shard) for shard in shards}
    for table, key in _KEYS.items():
        async for page in pages(copy, table):
            await file.put(_HELD, [(name, table, key(row), row["shard"], row["sequence"]) for row in page])
            tell(len(page))
    return position
