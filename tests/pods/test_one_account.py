"""Three pods trade one account as one: a signal is one order, whatever happens, and a limit is one limit."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from tests.outages.stores import Stores
from tests.pods.copies import MEMORY_S, SHORT_MEMORY, Copies, looked_up, until_since
from tests.pods.exposure import EACH, LIMIT, ORDER_VALUE, Exposure, Strategies
from tests.pods.frozen import frozen_for
from tests.pods.sending import by_http, key_of
from tests.pods.site import NAMES, SHARDS, SYMBOLS, site
from tests.support.nats import NatsServer
from tests.support.process import signal_document
from tests.support.protecting import ORDER

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(400)]

QUICK_LEASE: Final[Mapping[str, Any]] = {"LEASE_SECONDS": "4", "BINANCE_RECV_WINDOW_MS": "1000"}
FREEZE_S, LONG_FREEZE_S = 20.0, 90.0
SYMBOL: Final = SYMBOLS[0]


async def test_i67_a_signal_that_comes_again_to_every_pod_by_every_way_has_one_outcome(
    tmp_path: Path, stores: Stores, nats_server: NatsServer
) -> None:
    async with site(tmp_path, stores, nats_server.url, **SHORT_MEMORY) as made:
        pods = await made.started(*NAMES)
        signal = signal_document("buy", "A", symbol=SYMBOL, signal_id="the one", quantity="0.2")
        owner = await made.owner_of(SYMBOL)
        first = await by_http(owner, signal)
        decided = time.monotonic()
        assert first["outcome"] == "accepted"
        copies = Copies(made, signal, first["orders"])
        await copies.come()
        await until_since(decided, 1.0)
        await copies.come()

        await owner.stop()
        await made.until_spread()
        assert await made.owner_of(SYMBOL) is not owner
        await copies.come()
        await owner.start()
        await copies.come()

        await until_since(decided, MEMORY_S)
        forgetting = signal_document("hold", "A", symbol=SYMBOL, signal_id="makes it forget")
        assert (await by_http(pods[0], forgetting))["outcome"] == "held"
        await copies.come()

        (row,) = await pods[0].until_rows(
            "/decisions",
            lambda rows: [row["duplicates"] for row in rows] == [copies.sent],
            signal_id="the one",
            seconds=60,
        )
        assert (row["outcome"], row["signal_id"]) == ("accepted", "the one")
        history = await made.everything_holds(tmp_path)
        requests = await made.exchange.requests("POST", ORDER)
    assert history.decisions.keys() == {key_of(signal), key_of(forgetting)}
    assert history.copies == copies.sent
    assert [request["parameters"]["newclientorderid"] for request in requests] == first["orders"]
    assert await looked_up(stores, SYMBOL) >= 1, "the memory still reached back to the first copy"


async def test_i75_the_owner_is_frozen_in_the_middle_of_an_order(
    tmp_path: Path, stores: Stores, nats_server: NatsServer
) -> None:
    async with site(tmp_path, stores, nats_server.url, **QUICK_LEASE) as made:
        await frozen_for(made, tmp_path, FREEZE_S)


@pytest.mark.long
async def test_i75_the_owner_is_frozen_for_90_s_in_the_middle_of_an_order(
    tmp_path: Path, stores: Stores, nats_server: NatsServer
) -> None:
    async with site(tmp_path, stores, nats_server.url, BINANCE_RECV_WINDOW_MS="1000") as made:
        await frozen_for(made, tmp_path, LONG_FREEZE_S)


async def test_three_pods_never_exceed_the_limit_and_use_what_is_given_back(
    tmp_path: Path, stores: Stores, nats_server: NatsServer
) -> None:
    limited = {"MAX_TOTAL_EXPOSURE_USD": str(LIMIT), **QUICK_LEASE}
    async with site(tmp_path, stores, nats_server.url, **limited) as made:
        await made.started(*NAMES)
        exposure = Exposure(made)
        strategies = Strategies(made, exposure)
        async with exposure.watched():
            told = await strategies.fill_up(SYMBOLS)
            assert set(told) >= {"accepted", "exposure_limit"}
            await strategies.close(len(strategies.open) // 2)
            again = await strategies.fill_up(SYMBOLS)
            assert again["accepted"] >= EACH

            killed = made.pods[NAMES[2]]
            its_own = [SYMBOLS[shard] for shard in (await made.shares())[NAMES[2]]]
            killed.kill()
            await made.until_spread()
            await strategies.close(len(strategies.open))
            # Nothing is open: all that the dead pod was granted can be used elsewhere.
            elsewhere = [symbol for symbol in SYMBOLS if symbol not in its_own]
            assert len(elsewhere) == SHARDS * 2 // 3
            after = await strategies.fill_up(elsewhere)
        await made.everything_holds(tmp_path)
    print(f"first {dict(told)}, after closes {dict(again)}, after a kill {dict(after)}")
    print(f"{exposure.looks} looks at the exchange, it held {exposure.most} of {LIMIT} at most")
    assert exposure.most > LIMIT - 2 * ORDER_VALUE
