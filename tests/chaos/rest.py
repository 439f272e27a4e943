"""After the faults: waiting until everything has come to rest."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, Final

import aiohttp
from nats.errors import Error as NatsError

from shared.clock import SystemClock
from shared.mongodb import MongoStore
from tests.campaigns.exchange import Exchange as Auditor
from tests.chaos.market import MARKS, SHARDS
from tests.chaos.stage import Stage
from tests.process.load import connected, unacknowledged
from tests.process.store import all_records
from tradeengine.domain.events import OrderPlanned
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.publication.checkpoints_mongodb import MongoCheckpoints

REST_S: Final = 120.0
"""Within so many seconds of the last fault everything is at rest: all signals decided and acknowledged, all orders
settled, all copies and publications complete, books and account equal."""

_LOOK_S: Final = 0.3


async def until(fits: Callable[[], Awaitable[bool]], what: str, deadline: float) -> None:
    """Wait for a condition until a moment of the monotonic clock."""
    while not await fits():
        assert time.monotonic() < deadline, f"not within {REST_S:g} s of the last fault: {what}"
        await asyncio.sleep(_LOOK_S)


async def until_decided(stage: Stage, deadline: float) -> None:
    """Wait until every pod is ready and every signal is decided and acknowledged."""
    await stage.until_ready(deadline - time.monotonic())

    async def acknowledged() -> bool:
        try:
            async with connected(stage.nats.url) as client:
                return await unacknowledged(client, SHARDS) == 0
        except (NatsError, OSError, TimeoutError):
            return False

    await until(acknowledged, "every signal is acknowledged", deadline)


async def until_published(stage: Stage, deadline: float) -> None:
    """Wait until all that is committed is published, and that is noted."""
    store = MongoStore(stage.stores.mongodb, stage.stores.database)
    await store.open()
    try:
        checkpoints = MongoCheckpoints(store)

        async def published() -> bool:
            async with stage.stores.journal() as journal:
                for shard in await journal.shards():
                    if (await checkpoints.load(shard)).sequence < await journal.last_sequence(shard):
                        return False
            return True

        await until(published, "every record is published", deadline)
    finally:
        await store.close()


async def left_early(stage: Stage) -> set[str]:
    """Ids of conditional orders that the exchange took, and that the journal plans otherwise or not at all.

    A stop may leave before its record is committed; the record of one whose pod then died is another's.
    """
    async with stage.stores.journal() as journal, aiohttp.ClientSession() as http:
        planned = {
            event.order.client_order_id: _shape(event.order)
            for record in await all_records(journal)
            for event in record.events()
            if isinstance(event, OrderPlanned)
        }
        auditor = Auditor(stage.exchange, http, SystemClock(), list(MARKS))
        return {
            row["clientAlgoId"]
            for symbol in MARKS
            async for row in auditor.pages("/fapi/v1/allAlgoOrders", "algoId", symbol=symbol)
            if planned.get(row["clientAlgoId"]) != _row_shape(row)
        }


def _shape(order: ApprovedOrder) -> tuple[Any, ...]:
    return order.symbol, order.side, order.position_side, order.quantity, order.trigger_price


def _row_shape(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["symbol"], row["side"], row["positionSide"], Decimal(row["quantity"]), Decimal(row["triggerPrice"])
