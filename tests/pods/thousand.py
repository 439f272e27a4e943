"""A thousand distinct signals, by every way that there is."""

import asyncio
from collections.abc import Iterable
from typing import Any

from tests.outages.pods import until
from tests.pods.sending import by_bare_subject, by_http, by_symbol
from tests.pods.site import SHARDS, SYMBOLS, Site
from tests.process.load import connected, until_all_acknowledged
from tests.support.process import signal_document

SIGNALS = 1_000
OPENINGS = 42
CLOSINGS = 21
BARE, HTTP = 60, 60


def signal(number: int, action: str, **fields: Any) -> dict[str, Any]:
    """One of a strategy of its own, so that no two orders are one position's."""
    symbol = SYMBOLS[number % SHARDS]
    return signal_document(action, f"S{number}", symbol=symbol, signal_id=f"n{number}", **fields)


def whose(opening: dict[str, Any]) -> dict[str, Any]:
    return {"strategy_id": opening["strategy_id"], "symbol": opening["symbol"]}


async def sent(made: Site, documents: Iterable[dict[str, Any]]) -> None:
    """Bring signals by every way, side by side, and wait until all are decided."""
    waiting = list(documents)
    bare, http, rest = waiting[:BARE], waiting[BARE : BARE + HTTP], waiting[BARE + HTTP :]
    pods = made.running
    async with connected(made.nats_url) as client:
        await asyncio.gather(
            by_symbol(client, rest),
            by_bare_subject(client, bare),
            *(by_http(pods[number % len(pods)], document) for number, document in enumerate(http)),
        )
        await until(lambda: routed(client), "the bare subject's signals to be routed")
        await until_all_acknowledged(client, shards=SHARDS)


async def routed(client: Any) -> bool:
    info = await client.jetstream().consumer_info("SIGNALS_BARE", "engine-router")
    return not info.num_pending and not info.num_ack_pending


async def opened(made: Site, positions: int) -> bool:
    """Whether the books hold so many open strategy positions."""
    rows = await made.running[0].rows("/strategy-positions", status="open")
    return len(rows) == positions
